// What a query costs, and where the time goes: as it usually is, and as it is now, so that an incident can say what
// moved. Exponential means by time (half-lives 10 minutes and 5 seconds). Constant memory, not thread-safe.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "userspace/model/snapshot.h"

namespace outrider {

/// What one interval adds. Seconds are sums over its queries.
struct QueryCosts {
  double queries = 0;
  double failed = 0;
  double seconds = 0;                  ///< wall
  const WaitSeconds* waits = nullptr;  ///< borrowed for the call; null: not followed
};

class CostMeans {
 public:
  struct Sums {
    double elapsed = 0;  ///< seconds
    double queries = 0, failed = 0, seconds = 0;
    double followed = 0;  ///< of the queries, those whose waits are known
    WaitSeconds waits{};

    template <typename Self, typename State>
    static void visit(Self& self, State& state) {
      state(self.elapsed, self.queries, self.failed, self.seconds, self.followed, self.waits);
    }
  };

  /// How much of the past is left after an interval: the same for all that is kept of one snapshot.
  struct Keep {
    explicit Keep(double interval_seconds);
    double usual = 0, now = 0;
  };

  /// `learn`: the interval may be taken for a usual one.
  void observe(double interval_seconds, const QueryCosts& costs, const Keep& keep, bool learn);

  [[nodiscard]] const Sums& usual() const { return usual_; }
  [[nodiscard]] const Sums& now() const { return now_; }

  template <typename Self, typename State>
  static void visit(Self& self, State& state) {
    state(self.usual_, self.now_);
  }

 private:
  Sums usual_, now_;
};

/// The class of waits that grew most, per query: "lock waits, 0.40 ms -> 8.10 ms a query (92 % of the increase)".
/// Empty: waits are not followed, or none stands out.
std::string describe_wait(const CostMeans& costs);

}  // namespace outrider
