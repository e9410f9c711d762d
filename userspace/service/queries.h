// The slowest queries of each type in the last hour, and those that have been in flight for long, for the API. The
// sampling hands them in and never waits for a request; requests are answered by any thread. Kept in memory alone.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "userspace/agent/stack_thread.h"
#include "userspace/config/config.h"
#include "userspace/model/single_query.h"

namespace outrider {

/// What one reading found of one target.
struct FoundQueries {
  std::string target;
  std::int64_t time_ms = 0;
  std::vector<SlowQuery> slow;
  std::optional<std::vector<InFlightQuery>> in_flight;  ///< none: the starts of queries are not probed now
};

class Queries {
 public:
  static constexpr std::int64_t kKeptMs = 3'600'000;
  /// Of a target; past that those go first whose slowest query is the quickest, for it is not shown but by its type.
  static constexpr std::size_t kMostTypes = 1'000;

  /// The targets that can be asked for from now on; of others nothing is kept. The first call starts the thread that
  /// finds stacks, with the privileges of the thread that calls: whoever asks has none.
  void configure(const Config& config);

  /// Of the sampling thread alone; texts are as they may be shown. While a request is being answered they wait for the
  /// next call.
  void add(FoundQueries found);

  /// The body of an answer; an empty type: all. None: there is no such target.
  std::optional<nlohmann::ordered_json> answer(const std::string& target, const std::string& type, std::int64_t now_ms);

 private:
  /// The slowest of a type that were handed in within one part of the hour.
  struct Part {
    std::int64_t begin_ms = 0;
    std::vector<SlowQuery> slowest;  ///< OUTRIDER_SLOW_QUERIES at most, the slowest first
    void enter(SlowQuery query);     ///< if it is one of them
  };
  struct Kept {
    std::string text = "off";
    std::int64_t time_ms = 0;                        ///< of the last reading
    std::map<std::string, std::vector<Part>> types;  ///< kMostTypes at most
    std::optional<std::vector<InFlightQuery>> in_flight;
  };

  static void enter(Kept& kept, FoundQueries& found);
  static void drop_excess(Kept& kept);

  std::vector<FoundQueries> waiting_;  ///< of the sampling thread alone
  std::mutex mutex_;                   ///< guards what follows
  std::map<std::string, Kept> targets_;
  double in_flight_after_seconds_ = 10;
  StackThread stacks_;  ///< has a mutex of its own
};

}  // namespace outrider
