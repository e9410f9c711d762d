#include "userspace/tui/header.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "userspace/tui/figure_text.h"

namespace outrider {
namespace {

std::string state_of(const BoardTarget& target) {
  if (!target.snapshot) return target.error.empty() ? "no figures yet" : "not attached";
  if (target.snapshot->availability) return target.snapshot->availability->state;
  return target.snapshot->target_metrics.thread_count ? "running" : "no process";
}

Style style_of(const std::string& state) {
  if (state == "up" || state == "running") return Style::kGood;
  return state == "unknown" || state == "no figures yet" ? Style::kWarn : Style::kBad;
}

Line title(const View& view, const Board& board, const BoardTarget* target, std::size_t width) {
  const std::int64_t time = target != nullptr && target->snapshot ? target->snapshot->timestamp_ms : board.time_ms;
  const std::string right = fmt::format("{}{} ", view.paused ? "PAUSED " : "", clock_text(time));
  LineBuilder line(width);
  line.add(" outrider top  ", Style::kTitle);
  const std::size_t room = width - std::min(width, line.column() + right.size() + 1);
  std::string name = target != nullptr ? target->name : "no target";
  if (board.targets.size() > 1 && target != nullptr) {
    name += fmt::format(" ({} of {})", target - board.targets.data() + 1, board.targets.size());
  }
  // The name is what matters; where it comes from has what is left.
  line.add(cut(name + "  " + board.source, room), Style::kTitle);
  line.pad_to(width - std::min(width, right.size()), Style::kTitle).add(right, Style::kTitle);
  return line.take();
}

std::string deduction_text(const HealthDeduction& one) {
  const auto figure = [&](double value) -> std::string {
    if (one.rule == "response_time") return seconds_text(value);
    // cpu_usage is in percent, the others are shares.
    return percent_text(one.rule == "cpu_usage" ? value / 100 : value) + " %";
  };
  std::string name = one.rule;
  std::replace(name.begin(), name.end(), '_', ' ');
  return fmt::format("-{:.0f} {} {} {} {}", one.penalty, name, figure(one.value), one.value < one.threshold ? '<' : '>',
                     figure(one.threshold));
}

Line health(const BoardTarget& target, std::size_t width) {
  LineBuilder line(width);
  const std::string state = state_of(target);
  line.add(state, style_of(state));
  if (!target.snapshot) return line.add(target.error.empty() ? "" : ": " + target.error).take();
  const Snapshot& snapshot = *target.snapshot;
  const double score = snapshot.health_score;
  line.add("  health ", Style::kDim);
  line.add(fmt::format("{:.0f}", score), score >= 90 ? Style::kGood : score >= 60 ? Style::kWarn : Style::kBad);
  line.add(" of 100", Style::kDim);
  const char* separator = ": ";
  for (const HealthDeduction& one : snapshot.health_deductions) {
    line.add(std::exchange(separator, ", "), Style::kDim).add(deduction_text(one), Style::kWarn);
  }
  return line.take();
}

Line load(const Snapshot& snapshot, std::size_t width) {
  const QueryMetrics& q = snapshot.query_metrics;
  LineBuilder line(width);
  line.add(rate_text(q.queries_per_second), Style::kStrong).add(" queries/s", Style::kDim);
  if (q.queries_per_second_5m) {
    line.add(" (5m ", Style::kDim).add(rate_text(*q.queries_per_second_5m)).add(")", Style::kDim);
  }
  line.add("  avg ", Style::kDim).add(seconds_text(q.avg_response_time_seconds));
  line.add("  p95 ", Style::kDim).add(seconds_text(q.p95_response_time_seconds), Style::kStrong);
  line.add("  p99 ", Style::kDim).add(seconds_text(q.p99_response_time_seconds));
  line.add("  err ", Style::kDim);
  line.add(q.error_rate ? percent_text(q.error_rate) + " %" : "-",
           q.error_rate.value_or(0) > 0 ? Style::kBad : Style::kPlain);
  return line.take();
}

Line resources(const Snapshot& snapshot, std::size_t width) {
  const ResourceMetrics& target = snapshot.target_metrics;
  const auto with_sign = [](const std::string& percent) { return percent == "-" ? percent : percent + " %"; };
  const auto running = snapshot.query_metrics.current_concurrent;
  LineBuilder line(width);
  line.add("in flight ", Style::kDim).add(running ? fmt::format("{}", *running) : "-");
  line.add("  uptime ", Style::kDim).add(target.uptime_seconds ? age_text(*target.uptime_seconds) : "-");
  if (snapshot.availability) {
    line.add("  24h up ", Style::kDim).add(with_sign(availability_text(snapshot.availability->ratio_24h)));
  }
  const auto cpu = target.cpu_usage ? std::optional(*target.cpu_usage / 100) : std::nullopt;
  line.add("  cpu ", Style::kDim).add(with_sign(percent_text(cpu)));
  line.add("  mem ", Style::kDim).add(with_sign(percent_text(target.memory_usage)));
  line.add("  hits ", Style::kDim).add(with_sign(percent_text(snapshot.cache_metrics.hit_rate)));
  return line.take();
}

Style style_of(const BoardAlert& alert) {
  if (alert.held || alert.pending || alert.severity == Severity::kInfo) return Style::kDim;
  return alert.severity == Severity::kWarning ? Style::kWarn : Style::kBad;
}

Line alerts(const Board& board, const BoardTarget* target, std::size_t width) {
  LineBuilder line(width);
  line.add("alerts ", Style::kDim);
  if (!board.no_alerts.empty()) return line.add(board.no_alerts, Style::kDim).take();
  std::size_t elsewhere = 0;
  const char* separator = "";
  for (const BoardAlert& alert : board.alerts) {
    if (target == nullptr || alert.target != target->name) {
      elsewhere += alert.pending || alert.held ? 0 : 1;
      continue;
    }
    const std::string type = alert.type.empty() ? "" : " of " + alert.type;
    const std::string since = age_text(static_cast<double>(board.time_ms - alert.since_ms) / 1000);
    line.add(std::exchange(separator, "; ")).add(alert.pending ? "pending " : alert.held ? "held back " : "");
    line.add(fmt::format("{}: {}{}, {}", name_of(alert.severity), alert.name, type, since), style_of(alert));
  }
  if (*separator == '\0') line.add("none", Style::kGood);
  if (elsewhere > 0) line.add(fmt::format("  ({} of other targets)", elsewhere), Style::kWarn);
  return line.take();
}

std::string losses_of(const Snapshot& snapshot) {
  std::uint64_t sum = 0;
  std::string reasons;
  for (const auto& [reason, count] : snapshot.losses.counts) {
    sum += count;
    if (count > 0) reasons += fmt::format(" {} {}", reason, count);
  }
  return sum == 0 ? "nothing" : fmt::format("{}:{}", sum, reasons);
}

// In which mode the probes are, and of when the figures of queries are if they are off in this interval.
std::string mode_text(const BoardTarget& target) {
  const std::string& mode = target.snapshot->overhead.mode;
  if (target.queries() == target.snapshot.get()) return mode;
  return mode + ": figures of " + clock_text(target.queries()->timestamp_ms);
}

void add_cost(LineBuilder& line, const BoardTarget& target) {
  const Overhead& overhead = target.snapshot->overhead;
  const auto share = overhead.percent_of_target_cpu;
  line.add("costs ", Style::kDim).add(share ? percent_text(*share / 100) + " %" : "-").add(" of its cpu", Style::kDim);
  if (overhead.ns_per_query) {
    line.add(", ", Style::kDim).add(seconds_text(*overhead.ns_per_query / 1e9)).add("/query", Style::kDim);
  }
  line.add(" (").add(mode_text(target), overhead.mode == "full" ? Style::kPlain : Style::kWarn).add(")");
  const std::string lost = losses_of(*target.snapshot);
  line.add("  lost ", Style::kDim).add(lost, lost == "nothing" ? Style::kPlain : Style::kWarn).add("  ");
}

Line cost(const Board& board, const BoardTarget* target, std::size_t width) {
  LineBuilder line(width);
  if (target != nullptr && target->snapshot) add_cost(line, *target);
  const auto cpu = board.agent.cpu_percent;
  line.add("agent ", Style::kDim).add(cpu ? percent_text(*cpu / 100) + " %" : "- %");
  if (board.agent.resident_bytes) line.add(fmt::format(" {:.0f} MiB", *board.agent.resident_bytes / 1048576));
  return line.take();
}

Line message(const Board& board, std::size_t width) {
  LineBuilder line(width);
  if (board.trouble.empty()) return line.add(board.news, Style::kDim).take();
  const double seconds = static_cast<double>(board.time_ms - board.trouble_since_ms) / 1000;
  return line.add(fmt::format("OLD FIGURES for {}: {}", age_text(seconds), board.trouble), Style::kBad).take();
}

}  // namespace

std::vector<Line> header(const View& view, const Board& board, std::size_t width) {
  const BoardTarget* target = shown_target(view, board);
  const Snapshot* snapshot = target != nullptr ? target->snapshot.get() : nullptr;
  std::vector<Line> lines = {title(view, board, target, width)};
  lines.push_back(target != nullptr ? health(*target, width)
                                    : LineBuilder(width).add("nothing is watched", Style::kWarn).take());
  lines.push_back(snapshot != nullptr ? load(*target->queries(), width) : Line{});
  lines.push_back(snapshot != nullptr ? resources(*snapshot, width) : Line{});
  lines.push_back(alerts(board, target, width));
  lines.push_back(cost(board, target, width));
  lines.push_back(message(board, width));
  return lines;
}

}  // namespace outrider
