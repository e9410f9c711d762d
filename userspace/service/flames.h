// Flame graphs on demand: one recording at a time, on a thread and with probes of its own, so that neither the sampling
// nor a request ever waits for it. Who asks is told how long it will take and asks again. Recordings are no part of a
// target's overhead budget, so they are bounded by themselves: never more than half of the time, and none where the
// budget has shed probes. Recordings that are over are kept to be compared with. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "userspace/agent/flame.h"
#include "userspace/config/config.h"
#include "userspace/service/flame_archive.h"

namespace outrider {

/// One question. Equal ones have one answer.
struct FlameQuestion {
  std::string target, type;
  FlameKind kind = FlameKind::kOnCpu;
  std::chrono::milliseconds duration{10'000};
  [[nodiscard]] FlameSubject subject() const { return {target, type, kind}; }
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
  std::int64_t time_ms = 0;                 ///< kDone: Unix time of its end
  std::string reason;                       ///< kRefused
};

class Flames {
 public:
  static constexpr std::chrono::milliseconds kShortest{1'000}, kLongest{30'000};

  /// As record_flame(), which it is but in tests.
  using Record = std::function<Result<FlameReport>(const FlameOptions&, const FlameProgress&, const WaitUntil&)>;

  explicit Flames(Record record = record_flame) : record_flame_(std::move(record)) {}
  ~Flames() { stop(); }
  Flames(const Flames&) = delete;
  Flames& operator=(const Flames&) = delete;

  /// The targets that can be asked for from now on. The first call starts the thread that records, with the privileges
  /// of the thread that calls: whoever asks has none.
  void configure(const Config& config);

  /// Begins a recording, unless there is a fresh answer or one is being recorded, or the target has to be left alone.
  /// `mode`: that of its probes in the last interval, empty if there was none; nullopt: the target is not watched, and
  /// its number may be another process's by now. Never waits.
  /// `after`: what was recorded before that is no answer; who compares with a recording wants a later one.
  FlameAnswer ask(const FlameQuestion& question, const std::optional<std::string>& mode,
                  std::chrono::steady_clock::time_point after = {});

  /// Recordings of the subject that are kept, newest first.
  std::vector<KeptFlame> kept(const FlameSubject& subject);
  /// One of them. Errors: ENOENT, there is none of that time (any more); EINVAL, it is of another subject.
  Result<KeptFlame> kept(const FlameSubject& subject, std::int64_t time_ms);

  /// Ends a recording that goes on and takes no more questions.
  void stop();

 private:
  using Clock = std::chrono::steady_clock;
  struct Answered {
    FlameAnswer answer;
    Clock::time_point at;
  };

  void start();
  void run();
  void begin(const FlameQuestion& question, const TargetConfig& target);
  void record(const FlameQuestion& question, const TargetConfig& target);
  void keep(const FlameQuestion& question, FlameAnswer& answer, Clock::time_point at);
  [[nodiscard]] FlameAnswer recorded(const FlameQuestion& question, const TargetConfig& target);
  [[nodiscard]] std::string why_not(const TargetConfig& target, const std::optional<std::string>& mode,
                                    Clock::time_point now) const;
  bool wait_until(Clock::time_point deadline);

  const Record record_flame_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
  std::map<std::string, TargetConfig> targets_;
  std::map<FlameQuestion, Answered> answers_;
  FlameArchive archive_;
  std::optional<FlameQuestion> recording_;
  Clock::time_point done_at_;
  std::map<std::string, Clock::time_point> rests_until_;        ///< by target
  std::optional<std::pair<FlameQuestion, TargetConfig>> next_;  ///< to be recorded
  std::string no_thread_;                                       ///< why nothing can be recorded; empty: it can
  std::thread thread_;
};

}  // namespace outrider
