// All that watches one target of the agent without a rule: the detector of its figures, its query types, what is going
// to be full, whether it serves, and its objectives. One snapshot in, notices for people out. Not thread-safe; each
// target has its own. Times are Unix milliseconds.
//
// Detectors, arms and parameters: detector.h, type_watch.h, exhaustion.h, burn_rate.h; what is told together:
// incident_book.h. Where a mean grew because there are more of the costly types, and none of them is slower, that is
// said as information and by another name. Snapshots may be 100 ms to a minute apart, see Detector::observe(). A
// snapshot without probes (paused, or off the duty cycle), or a summary, has no query figures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/detect/burn_rate.h"
#include "userspace/detect/cost_means.h"
#include "userspace/detect/detector.h"
#include "userspace/detect/exhaustion.h"
#include "userspace/detect/incident_book.h"
#include "userspace/detect/sample_clock.h"
#include "userspace/detect/type_watch.h"
#include "userspace/model/notice.h"
#include "userspace/model/snapshot.h"

namespace outrider {

/// Its incidents have the metric "query_metrics.slow_rate": the share of queries that are bad, which is no field of a
/// snapshot.
struct LatencyObjective {
  double seconds = 0;   ///< a query that takes longer is bad
  double share = 0.99;  ///< 0..1, of queries that should be good

  bool operator==(const LatencyObjective&) const = default;
};

struct MonitorOptions {
  /// "default"; "zscore": in place of the whole target's detector, types are left alone; "none": only states and
  /// objectives are watched.
  std::string detector = "default";
  double success_objective = 0.999;         ///< 0..1, share of queries that should succeed
  std::optional<LatencyObjective> latency;  ///< none: there is no such objective
  std::int64_t stalled_after_ms = 30'000;   ///< what the state "stalled" has already waited
  /// The host's CPU, memory and disk are watched as well. With several targets, one of them is enough.
  bool host = true;

  bool operator==(const MonitorOptions&) const = default;
};

/// What the snapshot does not say.
struct MonitorFacts {
  std::string binary;                         ///< build-id; empty: not known
  std::optional<std::uint64_t> handle_limit;  ///< RLIMIT_NOFILE of the target; none: not known
};

class TargetMonitor {
 public:
  /// Error: no such detector.
  static Result<std::unique_ptr<TargetMonitor>> make(const std::string& target, const MonitorOptions& options);

  /// Appends to `out` what there is to tell now. Snapshots in order of time; what is said of clocks and gaps in
  /// Detector::observe() holds for all of it.
  void observe(const Snapshot& snapshot, const MonitorFacts& facts, std::vector<Notice>& out);

  /// Whether the host's figures are watched here, from now on. What is open of them is resolved when they are not.
  void watch_host(bool host, std::int64_t now_ms, std::vector<Notice>& out);

  /// The availability's state ("up", "stalled", "down"; "unknown" changes nothing) where there is no snapshot;
  /// observe() does it by itself. With a target that is down everything else of it is over; what a restart did not
  /// cure is found anew.
  void observe_state(std::string_view state, std::int64_t now_ms, std::vector<Notice>& out);

  /// The target is not watched any more: whatever is open is resolved with the reason `why`. Nothing may follow.
  void end(std::int64_t now_ms, const std::string& why, std::vector<Notice>& out) { book_.close_all(now_ms, why, out); }

  /// What is open, as it was last told.
  [[nodiscard]] std::vector<Notice> active() const { return book_.active(); }

  /// All that a restarted agent needs to go on as if nothing had been, as one line of JSON: about 6 KB, and 2 KB a
  /// type.
  [[nodiscard]] std::string serialise() const;
  /// For a fresh monitor of the same options. Error: damaged, another version or detector; the monitor stays fresh.
  Status restore(std::string_view text);

  /// Of memory: about 12 KB, and 3.5 KB a followed type, of which there are at most TypeWatch::kMost.
  [[nodiscard]] std::size_t state_bytes() const;
  [[nodiscard]] std::size_t followed_types() const { return state_.types.followed(); }
  [[nodiscard]] std::size_t left_out_types() const { return state_.types.left_out(); }
  /// What is not watched, each as "field: reason"; of the last snapshot.
  [[nodiscard]] std::vector<std::string> unavailable() const;

 private:
  struct State {
    explicit State(const MonitorOptions& options);

    SampleClock clock;
    CostMeans costs;
    TypeWatch types;
    Exhaustion memory{"target_metrics.memory_usage"}, disk{"target_metrics.disk_usage"},
        handles{"target_metrics.handle_count"}, host_memory{"system_metrics.memory_usage"},
        host_disk{"system_metrics.disk_usage"};
    BurnRate errors, slow;
    double timed_total = 0, slow_total = 0;  ///< queries since attach, as of the last snapshot
    std::string binary;
    std::int64_t binary_since_ms = 0;  ///< 0: it has not changed

    template <typename Self, typename Visitor>
    static void visit(Self& self, Visitor& state) {
      state(self.clock, self.costs, self.types, self.memory, self.disk, self.handles, self.host_memory, self.host_disk,
            self.errors, self.slow, self.timed_total, self.slow_total, self.binary);
      state.times(self.binary_since_ms);
    }
  };

  TargetMonitor(std::string target, MonitorOptions options, std::unique_ptr<Detector> detector);

  bool advance(const Snapshot& snapshot);
  void went_down();
  void note_binary(const std::string& binary, std::int64_t now_ms);
  void observe_costs(const Snapshot& snapshot);
  void observe_figures(const Snapshot& snapshot, std::vector<Notice>& out);
  void observe_limits(const Snapshot& snapshot, std::vector<Notice>& out);
  void observe_limit(Exhaustion& what, std::int64_t now_ms, const std::optional<double>& value, double limit,
                     std::vector<Notice>& out);
  void observe_objectives(const Snapshot& snapshot, std::vector<Notice>& out);
  void set_state(const char* arm, bool holds, std::int64_t now_ms, std::vector<Notice>& out);
  struct Story {  ///< what is known of an event besides itself
    std::string type, cause, sentence;
    bool mix = false;  ///< other queries than usual, rather than slower ones
  };
  void tell(const IncidentEvent& event, const Story& story, std::vector<Notice>& out);
  void tell_burns(const std::string& bad, double objective, std::vector<Notice>& out);

  [[nodiscard]] bool disturbed() const;  ///< what is seen now is not usual
  [[nodiscard]] Story story_of(const IncidentEvent& event, const QueryMetrics& metrics) const;
  [[nodiscard]] std::string with_binary(std::string cause, std::int64_t since_ms) const;

  std::string target_;
  MonitorOptions options_;
  std::unique_ptr<Detector> detector_;
  State state_;
  IncidentBook book_;
  std::optional<std::uint64_t> handle_limit_;
  std::vector<IncidentEvent> events_;   ///< of one part in one interval; here for its memory
  std::vector<TypeEvent> type_events_;  ///< the same
};

}  // namespace outrider
