#include <cerrno>
#include <chrono>

#include "userspace/base/moment.h"
#include "userspace/cli/history_source.h"
#include "userspace/cli/replay_sources.h"
#include "userspace/detect/point_sample.h"
#include "userspace/history/every_point.h"
#include "userspace/model/metric.h"
#include "userspace/model/snapshot_json.h"
#include "userspace/store/store.h"

namespace outrider {
Result<ReplayedHistory> read_history_samples(const ReplayWindow& window,
                                             const std::function<void(const RecordedRow& row)>& visit) {
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
  const HistorySource source = source_of(*reader);
  const Result<std::string> target = choose_target(window.target, source, *from, *to);
  if (!target) return target.error();
  ReplayedHistory done{*target, 0, 0};
  static constexpr const char* kMemoryUsage = "system_metrics.memory_usage";
  const PointParts parts{true, false, {"system_metrics.cpu_usage", "target_metrics.memory_used_mb", kMemoryUsage}};
  const Result<std::int64_t> step = for_each_point(source, *target, *from, *to, parts, [&](const Point& point) {
    RecordedRow row;
    row.sample = sample_of(point);
    row.timestamp = format_timestamp(row.sample.time_ms);
    row.memory_usage = metric_value(point, kMemoryUsage);
    if (point.peak_concurrent >= 0) row.current_concurrent = static_cast<double>(point.peak_concurrent);
    ++done.samples;
    visit(row);
  });
  if (!step) return step.error();
  done.step_ms = *step;
  return done;
}

}  // namespace outrider
