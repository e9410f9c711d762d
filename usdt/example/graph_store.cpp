#include "usdt/example/graph_store.h"

#include <algorithm>
#include <tuple>

#include "usdt/example/rng.h"

namespace outrider::example {

template <typename Key, typename Less>
GraphStore::Index GraphStore::make_index(std::vector<Triple> triples, uint32_t keys, Key key, Less less) {
  std::sort(triples.begin(), triples.end(), less);
  Index index;
  index.offsets.assign(keys + 1, 0);
  for (const Triple& triple : triples) index.offsets[key(triple) + 1]++;
  for (uint32_t k = 0; k < keys; k++) index.offsets[k + 1] += index.offsets[k];
  index.triples = std::move(triples);
  return index;
}

std::span<const Triple> GraphStore::Index::range(uint32_t key) const {
  if (key + 1 >= offsets.size()) return {};
  return std::span(triples).subspan(offsets[key], offsets[key + 1] - offsets[key]);
}

GraphStore::GraphStore(std::vector<Triple> triples) {
  const auto subject_order = [](const Triple& a, const Triple& b) {
    return std::tie(a.subject, a.predicate, a.object) < std::tie(b.subject, b.predicate, b.object);
  };
  std::sort(triples.begin(), triples.end(), subject_order);
  triples.erase(std::unique(triples.begin(), triples.end()), triples.end());
  for (const Triple& triple : triples) {
    node_count_ = std::max({node_count_, triple.subject + 1, triple.object + 1});
    predicate_count_ = std::max(predicate_count_, triple.predicate + 1);
  }
  by_predicate_ = make_index(
      triples, predicate_count_, [](const Triple& t) { return t.predicate; },
      [](const Triple& a, const Triple& b) {
        return std::tie(a.predicate, a.object, a.subject) < std::tie(b.predicate, b.object, b.subject);
      });
  by_object_ = make_index(
      triples, node_count_, [](const Triple& t) { return t.object; },
      [](const Triple& a, const Triple& b) {
        return std::tie(a.object, a.predicate, a.subject) < std::tie(b.object, b.predicate, b.subject);
      });
  by_subject_ = make_index(
      std::move(triples), node_count_, [](const Triple& t) { return t.subject; }, subject_order);
}

std::span<const Triple> GraphStore::with_subject_and_predicate(NodeId subject, PredicateId predicate) const {
  const auto all = with_subject(subject);
  const auto first =
      std::partition_point(all.begin(), all.end(), [=](const Triple& t) { return t.predicate < predicate; });
  const auto last = std::partition_point(first, all.end(), [=](const Triple& t) { return t.predicate == predicate; });
  return {first, last};
}

std::vector<Triple> generate_triples(const GraphShape& shape, uint64_t seed) {
  constexpr uint32_t kFanOut = 4;
  Rng rng(seed, 0);
  std::vector<Triple> triples;
  triples.reserve(size_t{shape.nodes} * (shape.edges_per_node + 1));
  for (NodeId node = 0; node < shape.nodes; node++) {
    if (node > 0) triples.push_back({node, kIsA, (node - 1) / kFanOut});
    for (uint32_t edge = 0; shape.predicates > 1 && edge < shape.edges_per_node; edge++) {
      // The square makes low-numbered nodes popular, as in a real graph.
      const double u = rng.uniform();
      const auto object = static_cast<NodeId>(u * u * shape.nodes);
      triples.push_back({node, 1 + rng.below(shape.predicates - 1), object});
    }
  }
  return triples;
}

}  // namespace outrider::example
