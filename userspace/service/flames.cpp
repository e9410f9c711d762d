#include "userspace/service/flames.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <system_error>
#include <utility>

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
  return {.state = state, .left = left, .graph = nullptr, .reason = {}};
}

FlameAnswer refused(const std::string& reason) {
  return {.state = FlameAnswer::State::kRefused, .left = {}, .graph = nullptr, .reason = reason};
}

Result<FlameOptions> options_for(const TargetConfig& target, const FlameQuestion& question) {
  FlameOptions options;
  options.target = target_spec(target);
  Result<std::vector<Profile>> profiles = choose_profiles(target.profile);
  if (!profiles) return profiles.error();
  options.attach.profiles = std::move(*profiles);
  options.attach.generation = uprobe_generation();
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
  targets_.clear();
  for (const TargetConfig& target : config.targets) targets_.emplace(target.name, target);
  std::erase_if(rests_until_, [this](const auto& rest) { return !targets_.contains(rest.first); });
}

// With the lock held. Why the target is not to be recorded now; empty: it may be.
std::string Flames::why_not(const TargetConfig& target, const std::string& mode, Clock::time_point now) const {
  if (target.mode == "light") return "its mode is light, and a flame graph needs the starts of queries probed";
  if (mode == "light" || mode == "paused") {
    return fmt::format("its probes are {} to stay inside the overhead budget; `outrider flame` records all the same",
                       mode);
  }
  const auto rest = rests_until_.find(target.name);
  if (rest == rests_until_.end() || rest->second <= now) return {};
  return fmt::format("it was just recorded: ask again in {} s", seconds_until(rest->second, now).count());
}

FlameAnswer Flames::ask(const FlameQuestion& question, const std::string& mode) {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  std::erase_if(answers_, [&](const auto& entry) {
    const auto fresh = entry.second.answer.state == FlameAnswer::State::kDone ? kFresh : kFreshFault;
    return now - entry.second.at > fresh;
  });
  if (const auto found = answers_.find(question); found != answers_.end()) return found->second.answer;
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
  if (Status status = begin(question, target->second); !status) return refused(status.error().message);
  return answer_of(FlameAnswer::State::kRecording, question.duration + kPreparation);
}

// With the lock held.
Status Flames::begin(const FlameQuestion& question, const TargetConfig& target) {
  if (answers_.size() >= kMostAnswers) answers_.clear();
  try {
    work_ = std::async(std::launch::async, [this, question, target] { record(question, target); }).share();
  } catch (const std::system_error& error) {
    return Error{fmt::format("no thread is to be had for the recording: {}", error.what()), EAGAIN};
  }
  recording_ = question;
  done_at_ = Clock::now() + question.duration + kPreparation;
  return Ok{};
}

bool Flames::wait_until(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return stopping_.wait_until(lock, deadline, [this] { return stopped_; });
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
  answers_[question] = {std::move(answer), end};
}

void Flames::stop() {
  std::shared_future<void> work;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    work = std::exchange(work_, {});
  }
  stopping_.notify_all();
  if (work.valid()) work.wait();
}

}  // namespace outrider
