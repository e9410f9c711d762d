#include "userspace/agent/flame.h"

#include <spdlog/spdlog.h>

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
  for (bool over = false; !over && Clock::now() < end;) {
    std::vector<Reading> readings;
    over = made->pass_round(end, wait, readings);
    recorder->collect();
    progress(recorder->graph(), std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin));
  }
  FlameReport report;
  report.graph = recorder->finish();
  report.types_seen = recorder->types_seen();
  report.wait_classes = recorder->wait_classes();
  made->release();
  return report;
}

}  // namespace outrider
