// The exports of the configuration, each a sink with a thread of its own. A reload gives new settings to those that
// run, so that what waits in them stays; one that is switched off has a moment to hand on what it has, and what it
// counted stays in the counters of its name. Not thread-safe: it belongs to the thread that samples, and never makes it
// wait.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "userspace/agent/sink.h"
#include "userspace/config/config.h"
#include "userspace/export/influx_line.h"
#include "userspace/export/prometheus_text.h"
#include "userspace/model/report.h"

namespace outrider {

/// How metrics are named and labelled under this configuration.
PrometheusOptions prometheus_options(const Config& config);
/// The same for line protocol; every point says which host it is from.
InfluxOptions influx_options(const Config& config);

class Outputs {
 public:
  Outputs() = default;
  ~Outputs() { stop(std::chrono::steady_clock::now() + std::chrono::seconds(1)); }
  Outputs(const Outputs&) = delete;
  Outputs& operator=(const Outputs&) = delete;

  /// Starts, changes and stops. An export that cannot be as it is wanted is said, and left as it was or left out.
  void configure(const Config& config);
  /// Queues a round for every export.
  void add(const SinkThread::SharedReport& report);
  /// By name since the agent's start; those of exports that are switched off come last.
  [[nodiscard]] std::vector<SinkCounters> counters() const;
  /// Lets every export write what it has queued, all at once; returns by `deadline`.
  void stop(std::chrono::steady_clock::time_point deadline);

 private:
  using MakeSink = std::function<Result<std::unique_ptr<Sink>>()>;

  struct Wanted {
    std::string name;
    std::string settings;  ///< all that it depends on, as text
    MakeSink make;
  };

  struct Output {
    std::string name;
    std::string settings;
    std::unique_ptr<SinkThread> thread;
  };

  struct Retired {
    std::string name;
    std::shared_ptr<SinkThread> thread;
    SinkThread::Ended ended;  ///< within kRetireTime
  };

  static std::vector<Wanted> wanted(const Config& config);
  static void change(Output& output, const Wanted& wanted);
  void start(const Wanted& wanted);
  void retire(Output output, Sink::Clock::time_point deadline);
  void forget_ended();

  std::vector<Output> outputs_;
  std::vector<Retired> retired_;
  std::map<std::string, SinkCounters> past_;  ///< of retired ones that have ended, by name
};

}  // namespace outrider
