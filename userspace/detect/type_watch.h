// Lasting shifts of single query types, which the figures of the whole target may hide, and what each type does to
// those figures. Not thread-safe.
//
// A type is judged by the CUSUM of latency_arm.h on samples that are gathered until they hold 20 queries. With many
// types chance has many goes, so a type has to be further out than the target: beyond its usual both at the load of the
// target and at its own, with a limit of 16 standard deviations instead of 9 and an effect of at least 15 %. Spikes of
// a single type are not looked for. Followed are the 64 types with the most queries; one takes the place of the least
// used when it is twice as busy. About 3.5 KB a type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "userspace/detect/cost_means.h"
#include "userspace/detect/incident.h"
#include "userspace/detect/latency_arm.h"

namespace outrider {

struct TypeEvent {
  std::string type;
  IncidentEvent event;
  std::string cause;  ///< the wait that grew most; may be empty
};

class TypeWatch {
 public:
  static constexpr std::size_t kMost = 64;

  struct Context {
    bool learn = true;                                ///< the target as a whole is as usual
    std::optional<std::int64_t> target_opened_at_ms;  ///< the target's own latency incident, which speaks for its types
  };

  void observe(const Snapshot& snapshot, const Context& context, std::vector<TypeEvent>& events);
  /// As Detector::went_down().
  void went_down();

  /// The type that adds most to the mean of `target`'s queries: "type MATCH, 3.10 ms -> 9.00 ms (61 % of the
  /// increase)". Empty: no type stands out, or there is only one.
  [[nodiscard]] std::string describe_slower(const CostMeans& target) const;
  /// How much of the increase of the mean comes from other or more queries than usual, rather than from slower ones
  /// than expected at their load: 0..1, or more where some are faster.
  [[nodiscard]] double mix_share() const;
  /// The type whose failures grew most: "type MATCH, of which 12.0 % fail (80 % of the failures)".
  [[nodiscard]] std::string describe_failing() const;
  /// The type of which most is missing: "type MATCH, 120.0/s -> 3.0/s".
  [[nodiscard]] std::string describe_missing() const;

  [[nodiscard]] std::size_t followed() const { return types_.size(); }
  /// With queries in the last interval that are not followed, because there are too many types.
  [[nodiscard]] std::size_t left_out() const { return left_out_; }
  [[nodiscard]] std::size_t state_bytes() const { return types_.capacity() * sizeof(Type); }

  template <typename Self, typename State>
  static void visit(Self& self, State& state) {
    state(self.types_);
  }

 private:
  static constexpr double kLeastQueries = 20;
  static constexpr std::int64_t kQuietMs = 300'000;  // the high limit takes minutes to be reached again
  static constexpr LatencyArmOptions kOptions{kLeastQueries, 16, 0.14};

  struct Type {
    std::string name;
    double recent = 0;                             ///< queries, halved every 10 minutes
    double elapsed = 0, queries = 0, seconds = 0;  ///< of the sample that is being gathered
    double target_queries = 0;                     ///< the same, of all types
    LatencyArm at_target_load{kOptions}, at_own_load{kOptions};
    Incident shift{"shift", "query_metrics.avg_response_time_seconds", true, kQuietMs};
    std::int64_t held_since_ms = 0;  ///< found, and not told yet; 0: nothing is
    bool told = false;
    CostMeans costs;

    template <typename Self, typename State>
    static void visit(Self& self, State& state) {
      state(self.name, self.recent, self.elapsed, self.queries, self.seconds, self.target_queries, self.at_target_load,
            self.at_own_load, self.shift, self.told, self.costs);
      state.times(self.held_since_ms);
    }
  };

  static void gather(Type& type, const Snapshot& snapshot, const TypeMetrics& seen);
  static std::optional<Finding> judge_latency(Type& type, std::int64_t now_ms, bool learn);
  static void judge(Type& type, std::int64_t now_ms, bool learn, std::vector<IncidentEvent>& found);
  static void tell(Type& type, std::int64_t now_ms, const Context& context, std::vector<IncidentEvent>& found,
                   std::vector<TypeEvent>& events);
  void admit(const std::string& name, double queries);

  std::vector<Type> types_;  ///< by name
  std::size_t left_out_ = 0;
  std::vector<IncidentEvent> found_;  ///< of one type in one interval; here for its memory
};

}  // namespace outrider
