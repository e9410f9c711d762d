#include "usdt/example/engine.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace outrider::example {

namespace {

/// A factual answer costs less than a look into the cache; an aggregate must be fresh.
bool cacheable(QueryType type) { return type != QueryType::kFactual && type != QueryType::kAggregate; }

uint64_t cache_key(const Request& request) {
  const uint64_t other = request.type == QueryType::kPath ? request.object : request.predicate;
  return (static_cast<uint64_t>(request.type) << 60) | (uint64_t{request.subject} << 30) | other;
}

uint64_t or_nothing(std::optional<uint32_t> answer) { return answer ? *answer : kNothing; }

QueryType draw_intent(Rng& rng) {
  const uint32_t percent = rng.below(100);
  if (percent < 40) return QueryType::kFactual;
  if (percent < 65) return QueryType::kRelational;
  if (percent < 80) return QueryType::kHierarchical;
  if (percent < 92) return QueryType::kPath;
  return QueryType::kAggregate;
}

}  // namespace

Request make_request(Workload workload, const GraphStore& store, Rng& rng) {
  Request request;
  if (workload == Workload::kMixed) request.type = draw_intent(rng);
  constexpr uint32_t kPopularRequests = 512;
  constexpr uint32_t kPopularPercent = 85;
  const bool popular = workload == Workload::kMixed && rng.below(100) < kPopularPercent;
  Rng choice(popular ? rng.below(kPopularRequests) : rng.next(), 7);
  request.subject = choice.below(store.node_count());
  request.predicate = choice.below(store.predicate_count());
  request.object = choice.below(store.node_count());
  if (request.type == QueryType::kHierarchical) request.predicate = kIsA;
  return request;
}

Engine::Engine(GraphStore store, const DataFile& data_file, size_t cache_entries)
    : store_(std::move(store)), data_file_(data_file), cache_(cache_entries) {}

Answer Engine::answer(const Request& request, SearchScratch& scratch) {
  Answer answer;
  if (!look_up(request, answer)) compute(request, scratch, answer);
  return answer;
}

bool Engine::look_up(const Request& request, Answer& answer) {
  if (!cacheable(request.type)) return false;
  if (const auto cached = request.past_cache ? std::nullopt : cache_.get(cache_key(request))) {
    answer.value = *cached;
    answer.hits++;
    return true;
  }
  answer.misses++;
  return false;
}

void Engine::compute(const Request& request, SearchScratch& scratch, Answer& answer) {
  answer.value = answer_from_store(request, scratch);
  if (!cacheable(request.type)) return;
  cache_.put(cache_key(request), answer.value);
  note_miss(request);
}

uint64_t Engine::answer_from_store(const Request& request, SearchScratch& scratch) const {
  switch (request.type) {
    case QueryType::kFactual:
    case QueryType::kLookup:
      return or_nothing(find_object(store_, request.subject, request.predicate));
    case QueryType::kRelational:
      return count_related(store_, request.subject, request.predicate, scratch);
    case QueryType::kHierarchical:
      return class_depth(store_, request.subject);
    case QueryType::kPath:
      return or_nothing(shortest_path(store_, request.subject, request.object, scratch));
    case QueryType::kAggregate:
      return summarize_predicate(store_, request.predicate).top_object;
  }
  return kNothing;
}

void Engine::note_miss(const Request& request) {
  const DataFile::Label label = data_file_.read_label(request.subject);
  const std::lock_guard guard(statistics_mutex_);
  misses_[static_cast<size_t>(request.type)]++;
  label_bytes_ += static_cast<size_t>(std::count_if(label.begin(), label.end(), [](char c) { return c != 0; }));
}

}  // namespace outrider::example
