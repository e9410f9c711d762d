// One round of readings in, notices to the channels out: the rules, the detectors, and who is not to be told. A Sink,
// so that it has a thread and a queue of its own; see sink.h for who calls what. Times are Unix milliseconds.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "userspace/agent/sink.h"
#include "userspace/alerts/notice_gate.h"
#include "userspace/alerts/rule_book.h"
#include "userspace/alerts/silence.h"
#include "userspace/config/config.h"
#include "userspace/detect/target_monitor.h"
#include "userspace/service/alert_channels.h"
#include "userspace/service/alerting.h"
#include "userspace/store/store.h"

namespace outrider {

class Judge : public Sink {
 public:
  /// `store` may be null.
  Judge(const Config& config, std::shared_ptr<Store> store, std::shared_ptr<AlertBoard> board);

  Status write(const Report& report) override;
  void become(Sink& fresh) override;
  Status finish() override;
  void hurry(Clock::time_point deadline) override { deadline_ = deadline.time_since_epoch().count(); }

 private:
  using Labels = std::map<std::string, std::string>;

  struct Settings {
    AlertsConfig alerts;
    std::vector<WantedChannel> channels;
    MonitorOptions monitors;
    std::map<std::string, Labels> labels;  ///< by target
  };

  /// What a kill must not make us forget.
  struct Counts {
    std::size_t alerts = 0;  ///< pending or firing
    std::uint64_t delivered = 0;
    bool operator==(const Counts&) const = default;
  };

  static Settings settings_of(const Config& config);
  Status begin(std::int64_t now_ms);
  void apply(std::int64_t now_ms);
  std::unique_ptr<TargetMonitor> made_anew(const std::string& target, std::unique_ptr<TargetMonitor> old,
                                           std::int64_t now_ms);
  void observe(const Report& report);
  void observe(const Snapshot& snapshot, const TargetState& target);
  void choose_speaker(const Report& report);
  bool is_silent(const TargetState& target, std::int64_t now_ms);
  void observe_silent(const TargetState& target, std::int64_t now_ms);
  void observe_state(const TargetState& target, std::int64_t now_ms);
  void forget_targets(const AgentFigures& agent, std::int64_t now_ms);
  TargetMonitor* monitor_of(const std::string& target);
  void end_orphans(std::int64_t now_ms);
  void label(const Report& report);
  void take_silences(std::int64_t now_ms);
  void hold_silenced(std::int64_t now_ms);
  void tell(std::int64_t now_ms);
  void publish();
  void persist_if_due();
  void persist(bool monitors);

  Settings settings_;
  bool changed_ = true;                 ///< the settings are not applied yet
  const std::shared_ptr<Store> store_;  // shared: a judge that hangs may outlive the service
  const std::shared_ptr<AlertBoard> board_;
  SilenceFile silences_;
  AlertChannels channels_;
  RuleBook book_;
  NoticeGate gate_;
  std::map<std::string, std::unique_ptr<TargetMonitor>> monitors_;  ///< by target
  std::map<std::string, std::int64_t>
      heard_ms_;  ///< by target: when its newest snapshot came, at first when it was named
  std::optional<MonitorOptions> applied_monitors_;
  bool begun_ = false;
  int attempts_ = 0;                  ///< to read what was kept
  std::vector<Notice> found_, told_;  ///< of one round; here for their memory
  std::shared_ptr<const std::vector<Notice>> recent_ = std::make_shared<std::vector<Notice>>();  ///< newest first
  std::uint64_t told_total_ = 0;
  std::set<std::string> silenced_;
  std::string speaker_;  ///< the target whose snapshots speak for the host; empty: none did yet
  Counts kept_;
  Clock::time_point next_persist_;
  std::atomic<Clock::rep> deadline_{Clock::time_point::max().time_since_epoch().count()};
};

}  // namespace outrider
