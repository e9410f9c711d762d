#include "userspace/cli/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "userspace/base/units.h"
#include "userspace/model/snapshot_json.h"
#include "userspace/model/utf8.h"
#include "userspace/model/wait_names.h"

namespace outrider {
namespace {

constexpr unsigned kLinesBetweenHeaders = 20;

std::string seconds_or_dash(const std::optional<double>& seconds) { return seconds ? format_seconds(*seconds) : "-"; }

template <typename T>
std::string number_or_dash(const std::optional<T>& value, const char* format, double scale = 1) {
  return value ? fmt::format(fmt::runtime(format), static_cast<double>(*value) * scale) : "-";
}

std::uint64_t lost(const Snapshot& snapshot) {
  std::uint64_t sum = 0;
  for (const auto& [reason, count] : snapshot.losses.counts) sum += count;
  return sum;
}

// Red where a rule of the health score is broken, or something was lost.
std::string coloured(const std::string& text, bool bad, bool colour) {
  return bad && colour ? "\033[31m" + text + "\033[0m" : text;
}

bool broken(const Snapshot& snapshot, std::string_view part) {
  return std::any_of(snapshot.health_deductions.begin(), snapshot.health_deductions.end(),
                     [part](const HealthDeduction& d) { return d.rule.find(part) != std::string::npos; });
}

// "UPDATE 3f2a9c81d0e4 of user alice, database bench", where types are told apart by that.
std::string with_owner(const QueryMetrics& metrics, const std::string& type) {
  const auto found = metrics.query_type_breakdown.find(type);
  const bool owned = found != metrics.query_type_breakdown.end() && found->second.session;
  return without_controls(owned ? type + " of " + session_words(*found->second.session) : type);
}

}  // namespace

std::string format_waits(const std::optional<WaitSeconds>& waits, std::size_t most) {
  if (!waits) return "-";
  const double sum = std::accumulate(waits->begin(), waits->end(), 0.0);
  if (sum <= 0) return "-";
  std::array<std::size_t, OUTRIDER_WAIT_CLASSES> order{};
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return (*waits)[a] > (*waits)[b]; });
  std::string text;
  for (std::size_t i = 0; i < std::min(most, order.size()); ++i) {
    const double share = 100 * (*waits)[order[i]] / sum;
    if (share < 0.5) break;
    text += fmt::format("{}{} {:.0f}%", text.empty() ? "" : " ", kWaitNames[order[i]], share);
  }
  return text;
}

void Table::header(std::size_t label_width) {
  fmt::print(out_, "{:<8}  {:<{}}  {:>9} {:>8} {:>8} {:>8} {:>6} {:>5} {:>6} {:>6} {:>5} {:>6} {:>4}  {}\n", "time",
             "target", label_width, "queries/s", "mean", "p95", "p99", "err %", "conc", "hit %", "CPU %", "cost %",
             "health", "lost", "where the time goes");
}

void Table::line(const Snapshot& s) {
  const QueryMetrics& q = s.query_metrics;
  const std::string cost = number_or_dash(s.overhead.percent_of_target_cpu, "{:.1f}");
  fmt::print(
      out_, "{:<8}  {:<{}}  {:>9.0f} {} {:>8} {:>8} {} {:>5} {:>6} {:>6} {:>6} {:>6.0f} {}  {}\n",
      format_timestamp(s.timestamp_ms).substr(11, 8), without_controls(s.target), label_width_, q.queries_per_second,
      coloured(fmt::format("{:>8}", seconds_or_dash(q.avg_response_time_seconds)), broken(s, "response"),
               options_.colour),
      seconds_or_dash(q.p95_response_time_seconds), seconds_or_dash(q.p99_response_time_seconds),
      coloured(fmt::format("{:>6}", number_or_dash(q.error_rate, "{:.2f}", 100)), broken(s, "error"), options_.colour),
      number_or_dash(q.current_concurrent, "{:.0f}"), number_or_dash(s.cache_metrics.hit_rate, "{:.1f}", 100),
      number_or_dash(s.target_metrics.cpu_usage, "{:.1f}"), cost, s.health_score,
      coloured(fmt::format("{:>4}", lost(s)), lost(s) > 0, options_.colour),
      s.overhead.mode == "full" ? format_waits(q.waits, 4) : "(" + s.overhead.mode + ")");
}

void Table::type_lines(const Snapshot& s) {
  for (const auto& [name, type] : s.query_metrics.query_type_breakdown) {
    if (type.interval_count == 0) continue;
    const auto errors = type.success_rate ? std::optional<double>(1 - *type.success_rate) : std::nullopt;
    fmt::print(out_, "{:<8}  {:<{}}  {:>9.0f} {:>8} {:>8} {:>8} {:>6} {:>5} {:>6} {:>6} {:>6} {:>6} {:>4}  {}\n", "",
               "  " + without_controls(name), label_width_, type.queries_per_second,
               seconds_or_dash(type.avg_response_time_seconds), seconds_or_dash(type.p95_response_time_seconds),
               seconds_or_dash(type.p99_response_time_seconds), number_or_dash(errors, "{:.2f}", 100), "",
               number_or_dash(type.cache_hit_rate, "{:.1f}", 100), "", "", "", "", format_waits(type.waits, 4));
  }
}

void Table::summary(const Snapshot& s) {
  const QueryMetrics& q = s.query_metrics;
  fmt::print(out_, "\n{} in {}: {}{} queries, {} failed, {} abandoned", without_controls(s.target),
             format_seconds(s.interval_seconds), s.estimated ? "about " : "", q.total_queries, q.failed_queries,
             q.abandoned_queries);
  fmt::print(out_, "; mean {}, p50 {}, p95 {}, p99 {}, max {}\n", seconds_or_dash(q.avg_response_time_seconds),
             seconds_or_dash(q.p50_response_time_seconds), seconds_or_dash(q.p95_response_time_seconds),
             seconds_or_dash(q.p99_response_time_seconds), seconds_or_dash(q.max_response_time_seconds));
  fmt::print(out_, "  {:<24} {:>10} {:>8} {:>9} {:>8} {:>8} {:>8} {:>6}  {}\n", "type", "queries", "failed",
             "abandoned", "mean", "p95", "p99", "hit %", "where the time goes");
  for (const auto& [name, type] : q.query_type_breakdown) {
    if (type.count == 0 && type.abandoned == 0) continue;
    fmt::print(out_, "  {:<24} {:>10} {:>8} {:>9} {:>8} {:>8} {:>8} {:>6}  {}\n", without_controls(name), type.count,
               type.failed, type.abandoned, seconds_or_dash(type.avg_response_time_seconds),
               seconds_or_dash(type.p95_response_time_seconds), seconds_or_dash(type.p99_response_time_seconds),
               number_or_dash(type.cache_hit_rate, "{:.1f}", 100), format_waits(type.waits, 5));
  }
  for (const auto& [name, type] : q.query_type_breakdown) {
    if (type.statement && type.count > 0) {
      fmt::print(out_, "  {}: {}\n", with_owner(q, name), without_controls(*type.statement));
    }
  }
  for (const Blocking& one : q.blocking) {
    fmt::print(out_, "  {} waited {} ({} x, {}{}) for {}\n", with_owner(q, one.type), format_seconds(one.seconds),
               one.count, one.wait, one.share ? fmt::format(", {:.0f} % of its time", 100 * *one.share) : "",
               one.blocked_by.empty() ? "no query of this engine" : with_owner(q, one.blocked_by));
  }
  if (!q.phases.empty()) {
    fmt::print(out_, "  phases:");
    for (const auto& [name, phase] : q.phases) {
      if (phase.count == 0) continue;
      fmt::print(out_, " {} {} x {}", without_controls(name), phase.count,
                 format_seconds(phase.seconds / static_cast<double>(phase.count)));
    }
    fmt::print(out_, "\n");
  }
  fmt::print(out_, "  cost of the probes: {} a query, {} % of the target's CPU; percentiles are within 1.6 %\n",
             s.overhead.ns_per_query ? format_seconds(*s.overhead.ns_per_query / 1e9) : "-",
             number_or_dash(s.overhead.percent_of_target_cpu, "{:.2f}"));
  std::string losses;
  for (const auto& [reason, count] : s.losses.counts) {
    if (count > 0) losses += fmt::format(" {} {}", reason, count);
  }
  fmt::print(out_, "  lost:{}\n", losses.empty() ? " nothing" : losses);
}

void Table::print(const std::vector<Snapshot>& snapshots) {
  for (const Snapshot& snapshot : snapshots) {
    if (snapshot.summary) {
      summary(snapshot);
      continue;
    }
    std::size_t width = std::max(label_width_, without_controls(snapshot.target).size());
    if (options_.by_type) {
      for (const auto& [name, type] : snapshot.query_metrics.query_type_breakdown)
        width = std::max(width, without_controls(name).size() + 2);
    }
    if (width > label_width_) {
      label_width_ = width;
      lines_ = 0;
    }
    if (lines_++ % kLinesBetweenHeaders == 0) header(label_width_);
    line(snapshot);
    if (options_.by_type) type_lines(snapshot);
  }
  std::fflush(out_);
}

}  // namespace outrider
