#include "userspace/agent/flame_recorder.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <set>

#include "userspace/model/utf8.h"
#include "userspace/model/wait_names.h"

namespace outrider {
namespace {

// What the scheduler and the hook on it put on a stack that waits says nothing about the wait.
void drop_scheduler_frames(std::vector<std::string>& innermost_first) {
  constexpr std::ptrdiff_t kDeepest = 16;
  const auto begin = innermost_first.begin();
  const auto end = begin + std::min<std::ptrdiff_t>(kDeepest, std::ssize(innermost_first));
  const auto found = std::find(begin, end, "__schedule_[k]");
  if (found != end) innermost_first.erase(begin, found);
}

}  // namespace

Result<FlameRecorder> FlameRecorder::make(Watcher& watcher, std::uint32_t target, const std::string& label,
                                          const FlameRequest& request) {
  Result<StackSampler> sampler = watcher.sample_stacks(target, request.sampler);
  if (!sampler) return sampler.error();
  FlameRecorder recorder(watcher, target, std::move(*sampler));
  recorder.graph_.target = label;
  recorder.graph_.type = valid_utf8(request.type);
  recorder.graph_.kind = request.sampler.off_cpu ? FlameKind::kOffCpu : FlameKind::kOnCpu;
  recorder.graph_.frequency = request.sampler.off_cpu ? 0 : request.sampler.frequency;
  recorder.unwinding_.update(recorder.sampler_, watcher.processes(target));
  if (Status status = recorder.sampler_.start(); !status) return status.error();
  recorder.begin_ = std::chrono::steady_clock::now();
  return recorder;
}

std::string FlameRecorder::type_name(std::uint32_t slot) const {
  const auto found = types_.find(slot);
  return found == types_.end() ? "[unknown type]" : found->second;
}

// Figures of nested queries are in those of the queries around them, as everywhere.
bool FlameRecorder::is_wanted(const SampledStack& stack) const {
  if (graph_.type.empty()) return true;
  return std::any_of(stack.path.begin(), stack.path.end(),
                     [this](std::uint32_t slot) { return type_name(slot) == graph_.type; });
}

std::vector<std::string> FlameRecorder::name_kernel_frames(const SampledStack& stack) {
  std::vector<std::string> names;
  names.reserve(stack.kernel.size());
  for (const std::uint64_t address : stack.kernel) names.push_back(symbolizer_.kernel(address));
  if (graph_.kind == FlameKind::kOffCpu) drop_scheduler_frames(names);
  // Without names it is one frame, whatever its depth.
  names.erase(std::unique(names.begin(), names.end(),
                          [](const std::string& a, const std::string& b) { return a == b && a == "[kernel]"; }),
              names.end());
  return names;
}

void FlameRecorder::add(const SampledStack& stack) {
  std::set<std::string> types;
  for (const std::uint32_t slot : stack.path) types.insert(type_name(slot));
  for (const std::string& type : types) seen_[type] += stack.count;
  if (!is_wanted(stack)) return;
  const auto [user, whole] = name_user_stack(symbolizer_, stack.pid, stack.user, stack.whole);
  const std::vector<std::string> kernel = name_kernel_frames(stack);
  const std::uint64_t value = graph_.kind == FlameKind::kOnCpu ? stack.count : stack.wait_ns;
  std::vector<std::string> frames;
  frames.reserve(user.size() + kernel.size() + 2);
  if (graph_.type.empty()) frames.push_back(stack.path.empty() ? "[unknown type]" : type_name(stack.path.front()));
  if (!whole) frames.emplace_back(kTruncatedFrame);
  frames.insert(frames.end(), user.rbegin(), user.rend());
  frames.insert(frames.end(), kernel.rbegin(), kernel.rend());
  graph_.tree.add(frames, value);
  graph_.stacks += stack.count;
  if (!whole) graph_.broken += value;
  if (!whole) unwinding_.look_again(stack.pid);
  if (graph_.kind == FlameKind::kOffCpu) wait_classes_[kWaitNames.at(stack.wait_class)] += value;
}

void FlameRecorder::add(const std::vector<SampledStack>& stacks) {
  symbolizer_.begin_round();
  types_ = watcher_->type_names(target_);
  for (const SampledStack& stack : stacks) add(stack);
}

void FlameRecorder::collect() { add(sampler_.take()); }

FlameGraph FlameRecorder::finish() {
  graph_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  add(sampler_.finish());
  const outrider_stack_counts counts = sampler_.counts();
  static constexpr std::array<const char*, OUTRIDER_STACK_LOSSES> kReasons = OUTRIDER_STACK_LOSS_NAMES;
  for (std::size_t i = 0; i < kReasons.size(); ++i) {
    if (counts.losses[i] > 0) graph_.losses[kReasons.at(i)] = counts.losses[i];
  }
  if (unwinding_.files_left_out() > 0) graph_.losses["unwind_tables_full"] = unwinding_.files_left_out();
  if (unwinding_.processes_left_out() > 0) graph_.losses["unwind_processes_full"] = unwinding_.processes_left_out();
  if (symbolizer_.processes_missed() > 0) graph_.losses["process_gone"] = symbolizer_.processes_missed();
  graph_.short_waits = counts.short_waits;
  graph_.short_wait_ns = counts.short_ns;
  return std::move(graph_);
}

std::vector<std::string> FlameRecorder::types_seen() const {
  std::vector<std::string> types;
  types.reserve(seen_.size());
  for (const auto& [type, count] : seen_) types.push_back(type);
  return types;
}

}  // namespace outrider
