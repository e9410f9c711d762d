// The five intents that the engine answers. Pure functions of the store, so any number of threads may call them, each
// with a scratch space of its own. Nodes and predicates out of range have empty answers.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "usdt/example/graph_store.h"

namespace outrider::example {

/// What a search needs besides the store. Owned by a worker and not by its thread (thread_local): a thread that ends
/// without unwinding would leak it.
class SearchScratch {
 public:
  /// Forgets all marks, at no cost.
  void begin(uint32_t nodes);
  /// True the first time that a node is marked since `begin`.
  bool mark(NodeId node);
  std::vector<NodeId> frontier;

 private:
  std::vector<uint32_t> marks_;
  uint32_t epoch_ = 0;
};

/// factual: the first object of (subject, predicate, *).
std::optional<NodeId> find_object(const GraphStore& store, NodeId subject, PredicateId predicate);

/// relational: how many other subjects share at least one object with `subject` through `predicate`.
/// At most `limit` are counted, so that a popular object cannot make the query long.
uint32_t count_related(const GraphStore& store, NodeId subject, PredicateId predicate, SearchScratch& scratch,
                       uint32_t limit = 256);

/// hierarchical: how many `is_a` steps lead from `node` to its root (0 for a root); stops after 64 in a cycle.
uint32_t class_depth(const GraphStore& store, NodeId node);

/// path: the number of hops of a shortest directed path, by breadth-first search; empty when there is none or when
/// more than `max_visits` nodes would be visited.
std::optional<uint32_t> shortest_path(const GraphStore& store, NodeId from, NodeId to, SearchScratch& scratch,
                                      uint32_t max_visits = 1500);

struct PredicateSummary {
  uint32_t triples = 0;
  uint32_t distinct_objects = 0;
  NodeId top_object = 0;  ///< the most frequent object; the lowest one among equals
  uint32_t top_count = 0;
};

/// aggregate: what a predicate points at.
PredicateSummary summarize_predicate(const GraphStore& store, PredicateId predicate);

}  // namespace outrider::example
