// The triples of the knowledge graph, in memory, in three sort orders: by subject, by predicate and by object.
// Immutable once built, so any number of threads may read it. Spans point into the store and live as long as it does.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace outrider::example {

using NodeId = uint32_t;
using PredicateId = uint32_t;

/// The predicate of the class tree: `a is_a b`. Every node but the root has exactly one in a generated graph.
constexpr PredicateId kIsA = 0;

struct Triple {
  NodeId subject;
  PredicateId predicate;
  NodeId object;
  bool operator==(const Triple&) const = default;
};

class GraphStore {
 public:
  /// Takes any triples; duplicates are dropped.
  explicit GraphStore(std::vector<Triple> triples);

  [[nodiscard]] uint32_t node_count() const { return node_count_; }
  [[nodiscard]] uint32_t predicate_count() const { return predicate_count_; }
  [[nodiscard]] size_t triple_count() const { return by_subject_.triples.size(); }

  /// Sorted by (predicate, object). Empty for a node that is no subject.
  [[nodiscard]] std::span<const Triple> with_subject(NodeId subject) const { return by_subject_.range(subject); }
  /// Sorted by (object, subject).
  [[nodiscard]] std::span<const Triple> with_predicate(PredicateId p) const { return by_predicate_.range(p); }
  /// Sorted by (predicate, subject).
  [[nodiscard]] std::span<const Triple> with_object(NodeId object) const { return by_object_.range(object); }
  /// The triples (subject, predicate, *), sorted by object.
  [[nodiscard]] std::span<const Triple> with_subject_and_predicate(NodeId subject, PredicateId predicate) const;

 private:
  struct Index {
    std::vector<Triple> triples;
    std::vector<uint32_t> offsets;  // the triples of key k are [offsets[k], offsets[k + 1])
    [[nodiscard]] std::span<const Triple> range(uint32_t key) const;
  };
  template <typename Key, typename Less>
  static Index make_index(std::vector<Triple> triples, uint32_t keys, Key key, Less less);

  uint32_t node_count_ = 0;
  uint32_t predicate_count_ = 0;
  Index by_subject_;
  Index by_predicate_;
  Index by_object_;
};

struct GraphShape {
  uint32_t nodes = 20'000;
  uint32_t predicates = 16;
  uint32_t edges_per_node = 8;  ///< besides `is_a`
};

/// A random graph with a class tree of fan-out 4 and popular nodes; the same seed gives the same graph.
std::vector<Triple> generate_triples(const GraphShape& shape, uint64_t seed);

}  // namespace outrider::example
