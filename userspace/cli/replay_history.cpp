#include <cerrno>

#include "userspace/base/moment.h"
#include "userspace/cli/history_source.h"
#include "userspace/cli/replay_sources.h"
#include "userspace/history/every_point.h"
#include "userspace/store/store.h"

namespace outrider {

Result<HistoryReplay> HistoryReplay::open(const ReplayWindow& window) {
  const std::int64_t now_ms = unix_ms();
  const Result<std::int64_t> from = parse_moment(window.from, now_ms);
  if (!from) return from.error();
  const Result<std::int64_t> to = parse_moment(window.to.empty() ? "now" : window.to, now_ms);
  if (!to) return to.error();
  if (*from >= *to) return Error{"the window ends before it begins; give --to a later time than --from", EINVAL};
  const Result<std::string> database = database_of(window.store, window.config);
  if (!database) return database.error();
  StoreOptions options;
  options.path = *database;
  Result<StoreReader> reader = Store::open_read_only(options);
  if (!reader) return reader.error();
  const Result<std::string> target = choose_target(window.target, source_of(*reader), *from, *to);
  if (!target) return target.error();
  return HistoryReplay(*std::move(reader), *target, *from, *to);
}

Result<ReplayedHistory> HistoryReplay::for_each_step(const std::set<std::string>& more, const VisitStep& visit) {
  PointParts parts{true, false, {"system_metrics.cpu_usage", "target_metrics.memory_used_mb"}};
  parts.gauges.insert(parts.gauges.end(), more.begin(), more.end());
  ReplayedHistory done;
  const Result<std::int64_t> step =
      for_each_point(source_of(reader_), target_, from_ms_, to_ms_, parts, [&](const Point& point) {
        ++done.samples;
        visit(point);
      });
  if (!step) return step.error();
  done.step_ms = *step;
  return done;
}

}  // namespace outrider
