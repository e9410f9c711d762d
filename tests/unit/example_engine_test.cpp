// The graph engine on a graph small enough to answer by hand, its cache and its arrivals.
#include <gtest/gtest.h>

#include <cmath>

#include "usdt/example/arrival_schedule.h"
#include "usdt/example/engine.h"

namespace outrider {
namespace {

using namespace example;

constexpr PredicateId kLikes = 1;
constexpr PredicateId kKnows = 2;

// Classes: 1 is_a 0, 2 is_a 1, 3 is_a 2. Likes: 4, 5 and 6 like 7; 5 likes 8 as well, and so does 3.
// Knows: 4 -> 5 -> 6 -> 3, and 4 -> 9 -> 3.
GraphStore small_graph() {
  return GraphStore({{1, kIsA, 0},
                     {2, kIsA, 1},
                     {3, kIsA, 2},
                     {4, kLikes, 7},
                     {5, kLikes, 7},
                     {6, kLikes, 7},
                     {5, kLikes, 8},
                     {3, kLikes, 8},
                     {4, kKnows, 5},
                     {5, kKnows, 6},
                     {6, kKnows, 3},
                     {4, kKnows, 9},
                     {9, kKnows, 3},
                     {4, kKnows, 5}});
}

TEST(GraphStore, IndexesEachTripleOnce) {
  const GraphStore store = small_graph();
  EXPECT_EQ(store.triple_count(), 13u);  // one of the 14 was given twice
  EXPECT_EQ(store.node_count(), 10u);
  EXPECT_EQ(store.predicate_count(), 3u);
  EXPECT_EQ(store.with_subject(4).size(), 3u);
  EXPECT_EQ(store.with_object(7).size(), 3u);
  EXPECT_EQ(store.with_predicate(kKnows).size(), 5u);
  EXPECT_TRUE(store.with_subject(99).empty());
  EXPECT_TRUE(store.with_predicate(99).empty());
  EXPECT_EQ(store.with_subject_and_predicate(5, kLikes).size(), 2u);
}

TEST(GraphQueries, AnswersTheFiveIntents) {
  const GraphStore store = small_graph();
  SearchScratch scratch;
  EXPECT_EQ(find_object(store, 6, kKnows), 3u);
  EXPECT_EQ(find_object(store, 0, kKnows), std::nullopt);
  EXPECT_EQ(count_related(store, 5, kLikes, scratch), 3u);  // 4 and 6 through 7, 3 through 8
  EXPECT_EQ(count_related(store, 5, kLikes, scratch, 2), 2u);
  EXPECT_EQ(count_related(store, 4, kLikes, scratch), 2u);  // 5 and 6
  EXPECT_EQ(class_depth(store, 3), 3u);
  EXPECT_EQ(class_depth(store, 0), 0u);
  EXPECT_EQ(shortest_path(store, 4, 3, scratch), 2u);  // by 9, not by 5 and 6
  EXPECT_EQ(shortest_path(store, 4, 0, scratch), 5u);  // 4, 9, 3, 2, 1, 0
  EXPECT_EQ(shortest_path(store, 0, 4, scratch), std::nullopt);
  EXPECT_EQ(shortest_path(store, 4, 4, scratch), 0u);
  EXPECT_EQ(shortest_path(store, 4, 0, scratch, 3), std::nullopt);
  const PredicateSummary likes = summarize_predicate(store, kLikes);
  EXPECT_EQ(likes.triples, 5u);
  EXPECT_EQ(likes.distinct_objects, 2u);
  EXPECT_EQ(likes.top_object, 7u);
  EXPECT_EQ(likes.top_count, 3u);
}

TEST(GraphQueries, ACycleOfClassesEnds) {
  const GraphStore store({{0, kIsA, 1}, {1, kIsA, 0}});
  EXPECT_EQ(class_depth(store, 0), 64u);
}

TEST(GraphStore, GeneratesTheSameGraphFromTheSameSeed) {
  const GraphShape shape{.nodes = 100, .predicates = 4, .edges_per_node = 3};
  EXPECT_EQ(generate_triples(shape, 5), generate_triples(shape, 5));
  EXPECT_NE(generate_triples(shape, 5), generate_triples(shape, 6));
  EXPECT_EQ(generate_triples(shape, 5).size(), 100u * 3 + 99);  // every node but the root has a class
}

TEST(Engine, CountsMissesAndHits) {
  const auto file = DataFile::make("/tmp", 10, 0);
  ASSERT_TRUE(file) << file.error().message;
  Engine engine(small_graph(), *file);
  SearchScratch scratch;
  const Request path{QueryType::kPath, 4, 0, 3};
  const Answer first = engine.answer(path, scratch);
  EXPECT_EQ(first.value, 2u);
  EXPECT_EQ(first.misses, 1u);
  EXPECT_EQ(first.hits, 0u);
  const Answer second = engine.answer(path, scratch);
  EXPECT_EQ(second.value, 2u);
  EXPECT_EQ(second.misses, 0u);
  EXPECT_EQ(second.hits, 1u);
  const Answer other = engine.answer({QueryType::kPath, 4, 0, 6}, scratch);  // another object is another answer
  EXPECT_EQ(other.value, 2u);
  EXPECT_EQ(other.misses, 1u);
  const Answer factual = engine.answer({QueryType::kFactual, 0, kKnows, 0}, scratch);
  EXPECT_EQ(factual.value, kNothing);
  EXPECT_EQ(factual.hits + factual.misses, 0);
}

TEST(LruCache, EvictsWhatWasUsedLongestAgo) {
  LruCache cache(2, 1);
  cache.put(1, 10);
  cache.put(2, 20);
  EXPECT_EQ(cache.get(1), 10u);  // 2 is now the older one
  cache.put(3, 30);
  EXPECT_EQ(cache.get(2), std::nullopt);
  EXPECT_EQ(cache.get(1), 10u);
  EXPECT_EQ(cache.get(3), 30u);
  cache.put(3, 31);
  EXPECT_EQ(cache.get(3), 31u);
  EXPECT_EQ(cache.size(), 2u);
}

TEST(ArrivalSchedule, FixedArrivalsAreEvenlySpaced) {
  ArrivalSchedule schedule(1000, ArrivalSchedule::Spacing::kFixed, 1);
  EXPECT_TRUE(schedule.open_loop());
  for (uint64_t i = 0; i < 5; i++) {
    const Arrival arrival = schedule.next();
    EXPECT_EQ(arrival.number, i);
    EXPECT_EQ(arrival.offset_ns, i * 1'000'000);
  }
}

TEST(ArrivalSchedule, PoissonGapsHaveTheMeanAndTheSpreadOfAnExponential) {
  ArrivalSchedule schedule(1000, ArrivalSchedule::Spacing::kPoisson, 42);
  constexpr int kArrivals = 100'000;
  double previous = 0;
  double squares = 0;
  for (int i = 0; i < kArrivals; i++) {
    const auto at = static_cast<double>(schedule.next().offset_ns);
    ASSERT_GE(at, previous);
    squares += (at - previous) * (at - previous);
    previous = at;
  }
  EXPECT_NEAR(previous / kArrivals, 1e6, 1.6e4);  // five standard errors: 1e6 / sqrt(1e5) = 3.2e3
  EXPECT_NEAR(squares / kArrivals, 2e12, 1e11);   // E[gap^2] = 2 mean^2
}

TEST(ArrivalSchedule, AClosedLoopHasNumbersButNoTimes) {
  ArrivalSchedule schedule(0, ArrivalSchedule::Spacing::kPoisson, 1);
  EXPECT_FALSE(schedule.open_loop());
  schedule.next();
  EXPECT_EQ(schedule.next().number, 1u);
  EXPECT_EQ(schedule.next().offset_ns, 0u);
}

}  // namespace
}  // namespace outrider
