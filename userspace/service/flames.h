// Flame graphs on demand: one recording at a time, on a thread and with probes of its own, so that neither the sampling
// nor a request ever waits for it. Who asks is told how long it will take and asks again. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>

#include "userspace/agent/flame.h"
#include "userspace/config/config.h"

namespace outrider {

/// One question. Equal ones have one answer.
struct FlameQuestion {
  std::string target, type;
  FlameKind kind = FlameKind::kOnCpu;
  std::chrono::milliseconds duration{10'000};
  friend bool operator==(const FlameQuestion&, const FlameQuestion&) = default;
  friend bool operator<(const FlameQuestion& a, const FlameQuestion& b) {
    return std::tie(a.target, a.type, a.kind, a.duration) < std::tie(b.target, b.type, b.kind, b.duration);
  }
};

struct FlameAnswer {
  enum class State { kRecording, kDone, kUnknownTarget, kRefused };
  State state = State::kRefused;
  std::chrono::milliseconds left{0};        ///< kRecording: about
  std::shared_ptr<const FlameGraph> graph;  ///< kDone
  std::string reason;                       ///< kRefused
};

class Flames {
 public:
  static constexpr std::chrono::milliseconds kLongest{30'000};

  Flames() = default;
  ~Flames() { stop(); }
  Flames(const Flames&) = delete;
  Flames& operator=(const Flames&) = delete;

  /// The targets that can be asked for from now on.
  void configure(const Config& config);

  /// Begins a recording, unless there is a fresh answer or one is being recorded. Never waits.
  FlameAnswer ask(const FlameQuestion& question);

  /// Ends a recording that goes on and takes no more questions.
  void stop();

 private:
  using Clock = std::chrono::steady_clock;
  struct Answered {
    FlameAnswer answer;
    Clock::time_point at;
  };

  Status begin(const FlameQuestion& question, const TargetConfig& target);
  void record(const FlameQuestion& question, const TargetConfig& target);
  bool wait_until(Clock::time_point deadline);

  std::mutex mutex_;
  std::condition_variable stopping_;
  bool stopped_ = false;
  std::map<std::string, TargetConfig> targets_;
  std::map<FlameQuestion, Answered> answers_;
  std::optional<FlameQuestion> recording_;
  Clock::time_point done_at_;
  std::shared_future<void> work_;
};

}  // namespace outrider
