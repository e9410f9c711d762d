// The targets of the configuration: attaches them, tries again where that failed, reads those that are due, judges
// their availability and hands on their points and their slow queries. All that it borrows must outlive it. Not
// thread-safe: it belongs to the thread that samples.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "userspace/agent/watcher.h"
#include "userspace/audit/auditor.h"
#include "userspace/base/fault_notice.h"
#include "userspace/config/config.h"
#include "userspace/model/availability.h"
#include "userspace/model/report.h"
#include "userspace/service/queries.h"
#include "userspace/service/schedule.h"
#include "userspace/store/store.h"

namespace outrider {

class Targets {
 public:
  /// `store` may be null.
  Targets(Watcher& watcher, Schedule& schedule, Store* store, Queries& queries)
      : watcher_(watcher), schedule_(schedule), store_(store), queries_(queries) {}

  /// Brings what is watched in line with `config`. Targets that did not change (other labels are no change) keep their
  /// probes and totals; one that cannot be attached is listed with the reason, and tried again unless it is a PID that
  /// is gone.
  void configure(const Config& config);

  /// Tries those again whose pause is over.
  void retry();

  /// Reads the targets in `due` as far as they are ours. `last`: all, for the last time.
  void read(const std::set<std::uint32_t>& due, bool last = false);

  /// The newest snapshot of each target, and which of them came with the last read().
  void add_snapshots(Report& report) const;
  [[nodiscard]] std::vector<TargetState> states() const;

  /// Why the last read() failed; empty: it did not.
  [[nodiscard]] const std::string& reading_error() const { return reading_error_; }

  /// Puts what must survive a restart into the store.
  void persist();

 private:
  using Clock = std::chrono::steady_clock;

  struct Target {
    TargetConfig config;
    std::chrono::milliseconds interval{1000};
    std::string profile_text;  ///< of a profile that is a file
    std::optional<std::uint32_t> watched;
    std::string error;      ///< why it is not watched
    bool gone = false;      ///< a PID that no process has: it may be anybody's later, so it is not tried again
    bool restored = false;  ///< what the store keeps of it was read
    Clock::time_point next_try;
    std::chrono::seconds pause{2};
    AvailabilityOptions options;
    AvailabilityTracker tracker;
    std::unique_ptr<Auditor> auditor;  ///< null: nobody asked for one, it is not watched, or `audit_error` says why
    std::string audit_error;
    SharedSnapshot newest;  ///< null: none yet
    bool fresh = false;
  };

  [[nodiscard]] Target make_target(const TargetConfig& config) const;
  void restore(Target& target);
  void attach(Target& target);
  static void refuse(Target& target, const Error& error);
  void audit(Target& target) const;
  void detach(Target& target);
  void take_over(Target& target, Target& old);
  void note(Target& target, Reading& reading, Clock::time_point begin);
  void keep(const Target& target, const Reading& reading);
  void keep_queries(const Target& target, Reading& reading);
  void observe_unwatched();
  [[nodiscard]] static bool same_watch(const Target& a, const Target& b);

  Watcher& watcher_;
  Schedule& schedule_;
  Store* store_;
  Queries& queries_;
  Config config_;
  std::list<Target> targets_;  ///< in the order of the configuration
  FaultNotice fault_;
  std::string reading_error_;
};

}  // namespace outrider
