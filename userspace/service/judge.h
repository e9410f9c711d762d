// One round of readings in, notices to the channels out: the rules, the detectors, and who is not to be told. A Sink,
// so that it has a thread and a queue of its own; see sink.h for who calls what. Times are Unix milliseconds.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
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
  /// `store` is borrowed and may be null.
  Judge(const Config& config, Store* store, std::shared_ptr<AlertBoard> board);

  Status write(const Report& report) override;
  void become(Sink& fresh) override;
  Status finish() override;
  void hurry(Clock::time_point deadline) override { deadline_ = deadline.time_since_epoch().count(); }

 private:
  using Labels = std::map<std::string, std::string>;

  struct Settings {
    AlertsConfig alerts;
    MonitorOptions monitors;
    std::map<std::string, Labels> labels;  ///< by target
    std::string host_target;               ///< whose monitor watches the host as well
  };

  static Settings settings_of(const Config& config);
  Status begin(std::int64_t now_ms);
  void apply(std::int64_t now_ms);
  void observe(const Report& report);
  void observe_state(const TargetState& target, std::int64_t now_ms);
  void forget_targets(const AgentFigures& agent, std::int64_t now_ms);
  TargetMonitor* monitor_of(const std::string& target);
  void label();
  void tell(std::int64_t now_ms);
  void publish();
  void persist_if_due();
  void persist_monitors();
  void persist_rest();

  Settings settings_;
  bool changed_ = true;  ///< the settings are not applied yet
  Store* const store_;
  const std::shared_ptr<AlertBoard> board_;
  SilenceFile silences_;
  AlertChannels channels_;
  RuleBook book_;
  NoticeGate gate_;
  std::map<std::string, std::unique_ptr<TargetMonitor>> monitors_;  ///< by target
  std::optional<MonitorOptions> applied_monitors_;
  bool begun_ = false;
  int attempts_ = 0;                  ///< to read what was kept
  std::vector<Notice> found_, told_;  ///< of one round; here for their memory
  std::shared_ptr<const std::vector<Notice>> recent_ = std::make_shared<std::vector<Notice>>();  ///< newest first
  std::uint64_t told_total_ = 0;
  std::size_t kept_alerts_ = 0;  ///< how many were on when they were last persisted
  Clock::time_point next_persist_, next_monitors_persist_;
  std::atomic<Clock::rep> deadline_{Clock::time_point::max().time_since_epoch().count()};
};

}  // namespace outrider
