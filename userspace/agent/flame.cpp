#include "userspace/agent/flame.h"

#include <spdlog/spdlog.h>

#include <array>
#include <map>
#include <string>

#include "userspace/agent/one_target.h"
#include "userspace/base/units.h"
#include "userspace/model/statement.h"

namespace outrider {
namespace {

using Clock = std::chrono::steady_clock;

WatchTarget watched(const FlameOptions& options) {
  WatchTarget target;
  target.spec = options.target;
  target.attach = options.attach;
  target.statements = is_statement_type(options.request.type);
  return target;
}

// Of those of the queries the ones that keep a stack from its type.
void add_losses(const std::map<std::string, std::uint64_t>& losses, FlameGraph& graph) {
  static constexpr std::array<const char*, OUTRIDER_LOSSES> kNames = OUTRIDER_LOSS_NAMES;
  for (const outrider_loss loss :
       {OUTRIDER_LOSS_TYPES_FULL, OUTRIDER_LOSS_TASK_STORAGE, OUTRIDER_LOSS_INFLIGHT_FULL, OUTRIDER_LOSS_TOO_DEEP}) {
    const auto found = losses.find(kNames.at(loss));
    if (found != losses.end() && found->second > 0) graph.losses[found->first] = found->second;
  }
}

}  // namespace

Result<FlameReport> record_flame(const FlameOptions& options, const FlameProgress& progress, const WaitUntil& wait) {
  Result<OneTarget> made = OneTarget::make(watched(options), options.use_uprobe_multi);
  if (!made) return made.error();
  Watcher& watcher = made->watcher();
  const std::uint32_t target = made->index();
  Result<FlameRecorder> recorder = FlameRecorder::make(watcher, target, watcher.state(target).label, options.request);
  if (!recorder) return recorder.error();
  spdlog::info("{}: recording for {}", watcher.state(target).label, format_duration(options.duration));
  const auto begin = Clock::now();
  const auto end = begin + options.duration;
  // A reading gives the places of types away that have ended, and their names with them.
  const auto wait_and_collect = [&](Clock::time_point until) {
    const bool stopped = wait(until);
    recorder->collect();
    return stopped;
  };
  std::map<std::string, std::uint64_t> losses;
  for (bool over = false; !over && Clock::now() < end;) {
    std::vector<Reading> readings;
    over = made->pass_round(end, wait_and_collect, readings);
    recorder->follow();
    if (!readings.empty()) losses = std::move(readings.back().snapshot.losses.counts);
    progress(recorder->graph(), std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin));
  }
  FlameReport report;
  report.graph = recorder->finish();
  add_losses(losses, report.graph);
  report.types_seen = recorder->types_seen();
  report.wait_classes = recorder->wait_classes();
  made->release();
  return report;
}

}  // namespace outrider
