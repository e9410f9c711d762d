// The exports of the configuration, each a sink with a thread of its own. A reload changes only those whose settings,
// or the secrets and labels behind them, did change. Not thread-safe: it belongs to the thread that samples, and never
// makes it wait.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
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

  /// Starts, stops and replaces. An export that cannot be made (an unreadable token) is said and left out.
  void configure(const Config& config);
  /// Queues a round for every export.
  void add(const SinkThread::SharedReport& report);
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
    std::string settings;
    std::unique_ptr<SinkThread> thread;
  };

  static std::vector<Wanted> wanted(const Config& config);
  void retire(std::unique_ptr<SinkThread> thread);

  std::vector<Output> outputs_;
  std::vector<std::thread> retiring_;  ///< each ends within kRetireTime
};

}  // namespace outrider
