#include "userspace/service/flames.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <set>
#include <utility>

#include "userspace/agent/watch_words.h"
#include "userspace/base/background_thread.h"
#include "userspace/base/moment.h"
#include "userspace/export/flame_text.h"
#include "userspace/service/target_spec.h"

namespace outrider {
namespace {

// Whoever asks again later than this wants to know what is now.
constexpr std::chrono::seconds kFresh{60};
// A fault is forgotten sooner: it may have been mended.
constexpr std::chrono::seconds kFreshFault{5};
constexpr std::size_t kMostAnswers = 8;
// Attaching and reading tables comes before the recording, on a machine that may be busy.
constexpr std::chrono::milliseconds kPreparation{2'000};

FlameAnswer answer_of(FlameAnswer::State state, std::chrono::milliseconds left = {}) {
  return {.state = state, .left = left, .graph = nullptr, .time_ms = 0, .reason = {}};
}

FlameAnswer refused(const std::string& reason) {
  return {.state = FlameAnswer::State::kRefused, .left = {}, .graph = nullptr, .time_ms = 0, .reason = reason};
}

Result<FlameOptions> options_for(const TargetConfig& target, const FlameQuestion& question) {
  FlameOptions options;
  options.target = target_spec(target);
  Result<std::vector<Profile>> profiles = choose_profiles(target.profile);
  if (!profiles) return profiles.error();
  options.attach.profiles = std::move(*profiles);
  options.attach.generation = uprobe_generation();
  options.attach.allow_library_returns = target.allow_library_returns;
  options.attach.by = types_by(target.types_by);
  options.duration = question.duration;
  options.request.type = question.type;
  options.request.sampler.off_cpu = question.kind == FlameKind::kOffCpu;
  return options;
}

std::chrono::seconds seconds_until(std::chrono::steady_clock::time_point then,
                                   std::chrono::steady_clock::time_point now) {
  return std::max(std::chrono::ceil<std::chrono::seconds>(then - now), std::chrono::seconds(1));
}

}  // namespace

void Flames::configure(const Config& config) {
  const std::lock_guard lock(mutex_);
  if (!thread_.joinable() && !stopped_) start();
  targets_.clear();
  for (const TargetConfig& target : config.targets) targets_.emplace(target.name, target);
  std::erase_if(rests_until_, [this](const auto& rest) { return !targets_.contains(rest.first); });
  std::set<std::string> names;
  for (const auto& [name, target] : targets_) names.insert(name);
  archive_.keep_only(names);
  std::erase_if(answers_, [this](const auto& entry) { return !targets_.contains(entry.first.target); });
}

// With the lock held.
void Flames::start() {
  Result<std::thread> started = start_background_thread("outrider-flame", Privileges::kOfTheAgent, [this] { run(); });
  no_thread_ = started ? std::string() : started.error().message;
  if (started) thread_ = *std::move(started);
}

void Flames::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopped_ || next_; });
    if (stopped_) return;
    const auto [question, target] = *std::exchange(next_, std::nullopt);
    lock.unlock();
    record(question, target);
    lock.lock();
  }
}

// With the lock held. Why the target is not to be recorded now; empty: it may be.
std::string Flames::why_not(const TargetConfig& target, const std::optional<std::string>& mode,
                            Clock::time_point now) const {
  if (!mode) return "it is not watched now; /api/v1/targets says why";
  if (target.mode == "light") return "its mode is light, and a flame graph needs the starts of queries probed";
  if (*mode == "light" || *mode == "paused") {
    return fmt::format("its probes are {} to stay inside the overhead budget; `outrider flame` records all the same",
                       *mode);
  }
  const auto rest = rests_until_.find(target.name);
  if (rest == rests_until_.end() || rest->second <= now) return {};
  return fmt::format("it was just recorded: ask again in {} s", seconds_until(rest->second, now).count());
}

FlameAnswer Flames::ask(const FlameQuestion& question, const std::optional<std::string>& mode,
                        Clock::time_point after) {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  std::erase_if(answers_, [&](const auto& entry) {
    const auto fresh = entry.second.answer.state == FlameAnswer::State::kDone ? kFresh : kFreshFault;
    return now - entry.second.at > fresh;
  });
  const auto found = answers_.find(question);
  if (found != answers_.end() && found->second.at > after) return found->second.answer;
  const auto left = seconds_until(done_at_, now);
  if (recording_ == question) return answer_of(FlameAnswer::State::kRecording, left);
  if (recording_) {
    return refused(fmt::format("another flame graph, of {}, is being recorded: ask again in {} s", recording_->target,
                               left.count()));
  }
  const auto target = targets_.find(question.target);
  if (target == targets_.end()) return answer_of(FlameAnswer::State::kUnknownTarget);
  if (stopped_) return refused("the service is stopping");
  if (const std::string reason = why_not(target->second, mode, now); !reason.empty()) return refused(reason);
  if (!thread_.joinable()) return refused("the recording: " + no_thread_);
  begin(question, target->second);
  return answer_of(FlameAnswer::State::kRecording, question.duration + kPreparation);
}

// With the lock held.
void Flames::begin(const FlameQuestion& question, const TargetConfig& target) {
  if (answers_.size() >= kMostAnswers) answers_.clear();
  next_.emplace(question, target);
  recording_ = question;
  done_at_ = Clock::now() + question.duration + kPreparation;
  changed_.notify_all();
}

bool Flames::wait_until(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline, [this] { return stopped_; });
}

FlameAnswer Flames::recorded(const FlameQuestion& question, const TargetConfig& target) {
  const auto wait = [this](Clock::time_point deadline) { return wait_until(deadline); };
  const auto progress = [](const FlameGraph&, std::chrono::milliseconds) {};
  const Result<FlameOptions> options = options_for(target, question);
  if (!options) return refused(options.error().message);
  Result<FlameReport> report = record_flame_(*options, progress, wait);
  if (!report) return refused(report.error().message);
  FlameAnswer answer = answer_of(FlameAnswer::State::kDone);
  report->graph.target = question.target;
  answer.graph = std::make_shared<const FlameGraph>(std::move(report->graph));
  return answer;
}

std::vector<KeptFlame> Flames::kept(const FlameSubject& subject) {
  const std::lock_guard lock(mutex_);
  return archive_.of(subject);
}

Result<KeptFlame> Flames::kept(const FlameSubject& subject, std::int64_t time_ms) {
  const std::lock_guard lock(mutex_);
  const KeptFlame* found = archive_.find(time_ms);
  if (found == nullptr) {
    return Error{fmt::format("there is no recording of {}, or no more; /api/v1/flame/recordings lists them", time_ms),
                 ENOENT};
  }
  if (found->subject == subject) return *found;
  const FlameSubject& other = found->subject;
  return Error{
      fmt::format("the recording of {} is another's: {} of target '{}', {}", time_ms, flame_kind_name(other.kind),
                  other.target, other.type.empty() ? "all types" : "type '" + other.type + "'"),
      EINVAL};
}

// With the lock held. Samples of which there are none have no shares, so there is nothing to compare with; no waits at
// all are a finding.
void Flames::keep(const FlameQuestion& question, FlameAnswer& answer, Clock::time_point at) {
  if (answer.state != FlameAnswer::State::kDone) return;
  answer.time_ms = unix_ms();
  if (question.kind == FlameKind::kOnCpu && answer.graph->tree.total() == 0) return;
  answer.time_ms =
      archive_.add({.subject = question.subject(), .time_ms = answer.time_ms, .at = at, .graph = answer.graph});
}

// Whatever happens, others may be recorded after it.
void Flames::record(const FlameQuestion& question, const TargetConfig& target) {
  const auto begin = Clock::now();
  FlameAnswer answer;
  try {
    answer = recorded(question, target);
  } catch (const std::exception& error) {
    answer = refused(fmt::format("the recording failed: {}", error.what()));
  }
  const std::lock_guard lock(mutex_);
  recording_.reset();
  const auto end = Clock::now();
  rests_until_[question.target] = end + (end - begin);
  keep(question, answer, end);
  answers_[question] = {std::move(answer), end};
}

void Flames::stop() {
  std::thread thread;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    thread = std::move(thread_);
  }
  changed_.notify_all();
  if (thread.joinable()) thread.join();
}

}  // namespace outrider
