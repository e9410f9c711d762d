#include "usdt/example/graph_queries.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace outrider::example {

void SearchScratch::begin(uint32_t nodes) {
  if (marks_.size() < nodes) marks_.resize(nodes, 0);
  if (++epoch_ == 0) {
    std::fill(marks_.begin(), marks_.end(), 0);
    epoch_ = 1;
  }
}

bool SearchScratch::mark(NodeId node) { return std::exchange(marks_[node], epoch_) != epoch_; }

std::optional<NodeId> find_object(const GraphStore& store, NodeId subject, PredicateId predicate) {
  const auto matches = store.with_subject_and_predicate(subject, predicate);
  if (matches.empty()) return std::nullopt;
  return matches.front().object;
}

uint32_t count_related(const GraphStore& store, NodeId subject, PredicateId predicate, SearchScratch& scratch,
                       uint32_t limit) {
  scratch.begin(store.node_count());
  uint32_t related = 0;
  for (const Triple& fact : store.with_subject_and_predicate(subject, predicate)) {
    const auto sharing = store.with_object(fact.object);
    auto it =
        std::partition_point(sharing.begin(), sharing.end(), [=](const Triple& t) { return t.predicate < predicate; });
    for (; it != sharing.end() && it->predicate == predicate; ++it) {
      if (it->subject == subject || !scratch.mark(it->subject)) continue;
      if (++related == limit) return related;
    }
  }
  return related;
}

uint32_t class_depth(const GraphStore& store, NodeId node) {
  constexpr uint32_t kDeepest = 64;
  uint32_t depth = 0;
  for (auto parent = find_object(store, node, kIsA); parent && depth < kDeepest;
       parent = find_object(store, *parent, kIsA)) {
    depth++;
  }
  return depth;
}

std::optional<uint32_t> shortest_path(const GraphStore& store, NodeId from, NodeId to, SearchScratch& scratch,
                                      uint32_t max_visits) {
  if (from >= store.node_count() || to >= store.node_count()) return std::nullopt;
  if (from == to) return 0;
  scratch.begin(store.node_count());
  scratch.mark(from);
  std::vector<NodeId>& frontier = scratch.frontier;
  frontier.assign(1, from);
  size_t level_begin = 0;
  for (uint32_t hops = 1; level_begin < frontier.size(); hops++) {
    const size_t level_end = frontier.size();
    for (; level_begin < level_end; level_begin++) {
      for (const Triple& edge : store.with_subject(frontier[level_begin])) {
        if (edge.object == to) return hops;
        if (scratch.mark(edge.object)) frontier.push_back(edge.object);
      }
      if (frontier.size() > max_visits) return std::nullopt;
    }
  }
  return std::nullopt;
}

PredicateSummary summarize_predicate(const GraphStore& store, PredicateId predicate) {
  PredicateSummary summary;
  const auto facts = store.with_predicate(predicate);
  summary.triples = static_cast<uint32_t>(facts.size());
  for (size_t begin = 0; begin < facts.size();) {  // sorted by object: each run is one object
    size_t end = begin;
    while (end < facts.size() && facts[end].object == facts[begin].object) end++;
    summary.distinct_objects++;
    if (end - begin > summary.top_count) {
      summary.top_count = static_cast<uint32_t>(end - begin);
      summary.top_object = facts[begin].object;
    }
    begin = end;
  }
  return summary;
}

}  // namespace outrider::example
