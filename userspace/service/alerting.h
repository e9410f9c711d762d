// Alerting: judges each round of readings by the rules and the detectors, on a thread of its own, and tells the
// channels. What is pending, what fires and what is normal outlives the agent in the store.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "userspace/agent/sink.h"
#include "userspace/config/config.h"
#include "userspace/model/alert_status.h"
#include "userspace/store/store.h"

namespace outrider {

/// What alerting has come to, for whoever asks. Thread-safe.
class AlertBoard {
 public:
  void publish(std::shared_ptr<const AlertStatus> status) {
    const std::lock_guard lock(mutex_);
    status_.swap(status);
  }
  /// Null: alerting is off, or has not begun.
  [[nodiscard]] std::shared_ptr<const AlertStatus> status() const {
    const std::lock_guard lock(mutex_);
    return status_;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const AlertStatus> status_;
};

/// Not thread-safe: it belongs to the thread that samples, and never makes it wait.
class Alerting {
 public:
  /// `store` may be null: then nothing outlives the agent.
  explicit Alerting(std::shared_ptr<Store> store) : store_(std::move(store)) {}

  /// Starts, changes or stops, as `config` says.
  void configure(const Config& config);
  /// Queues a round to be judged.
  void add(const SinkThread::SharedReport& report);
  [[nodiscard]] const AlertBoard& board() const { return *board_; }
  /// None: alerting is off.
  [[nodiscard]] std::vector<SinkCounters> counters() const;
  /// Judges what is queued, lets the channels hand on what they have, and returns by `deadline`.
  void stop(std::chrono::steady_clock::time_point deadline);

 private:
  void retire();

  std::shared_ptr<Store> store_;
  std::shared_ptr<AlertBoard> board_ = std::make_shared<AlertBoard>();
  std::shared_ptr<SinkThread> thread_;  // null: off
  SinkThread::Ended retired_;           // the thread that a reload switched off; may be invalid: none ever was
};

}  // namespace outrider
