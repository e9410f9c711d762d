// The query engine itself: takes a request, answers it from the cache or from the store, and says what the cache did.
// Thread-safe. Holds no probes: those are in query_runner.cpp, around the calls of `answer`.
#pragma once

#include <cstdint>
#include <mutex>

#include "usdt/example/data_file.h"
#include "usdt/example/graph_queries.h"
#include "usdt/example/graph_store.h"
#include "usdt/example/lru_cache.h"
#include "usdt/example/query_record.h"
#include "usdt/example/rng.h"

namespace outrider::example {

struct Request {
  QueryType type = QueryType::kFactual;
  NodeId subject = 0;
  PredicateId predicate = 0;
  NodeId object = 0;
  bool past_cache = false;  ///< a look into the cache finds nothing
};

struct Answer {
  uint64_t value = 0;  ///< a node, a count or a length, by type; kNothing when there is no answer
  uint16_t hits = 0;
  uint16_t misses = 0;
};
constexpr uint64_t kNothing = ~0ULL;

enum class Workload { kMixed, kTiny };

/// The next request of a workload: all five intents, mostly about a popular part of the graph, or (tiny) factual only.
Request make_request(Workload workload, const GraphStore& store, Rng& rng);

class Engine {
 public:
  /// `data_file` must outlive the engine.
  Engine(GraphStore store, const DataFile& data_file, size_t cache_entries = 8192);

  Answer answer(const Request& request, SearchScratch& scratch);
  /// Only the look into the cache, for an engine that answers in steps; true if `answer` is complete.
  bool look_up(const Request& request, Answer& answer);
  /// The work after a miss: answers from the store and puts it into the cache.
  void compute(const Request& request, SearchScratch& scratch, Answer& answer);

  [[nodiscard]] const GraphStore& store() const { return store_; }

 private:
  [[nodiscard]] uint64_t answer_from_store(const Request& request, SearchScratch& scratch) const;
  void note_miss(const Request& request);

  GraphStore store_;
  const DataFile& data_file_;
  LruCache cache_;
  std::mutex statistics_mutex_;  // of the two below
  uint64_t misses_[kQueryTypes] = {};
  uint64_t label_bytes_ = 0;
};

}  // namespace outrider::example
