#include "userspace/export/influx_line.h"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "userspace/model/label_use.h"
#include "userspace/model/snapshot_fields.h"
#include "userspace/model/utf8.h"
#include "userspace/model/wait_names.h"

namespace outrider {
namespace {

using Tags = InfluxOptions::Tags;

constexpr std::int64_t kNanosecondsPerMillisecond = 1'000'000;

// Control characters in letters; false if `c` is none.
bool append_control(std::string& out, char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (byte >= 0x20 && byte != 0x7f) return false;
  if (c == '\n') {
    out += "\\n";
  } else if (c == '\r') {
    out += "\\r";
  } else if (c == '\t') {
    out += "\\t";
  } else {
    out += fmt::format("\\x{:02x}", byte);
  }
  return true;
}

constexpr std::string_view kKeySpecial = ",= ";
constexpr std::string_view kMeasurementSpecial = ", ";

void append_escaped(std::string& out, std::string_view text, std::string_view special) {
  for (const char c : valid_utf8(text)) {
    if (append_control(out, c)) continue;
    if (special.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  if (text.ends_with('\\')) out += '_';
}

// The fields of one point.
class Fields {
 public:
  void add(const char* name, double value) {
    if (!std::isfinite(value)) return;
    begin(name);
    fmt::format_to(std::back_inserter(text_), FMT_COMPILE("{}"), value);
  }
  void add(const char* name, std::int64_t value) {
    begin(name);
    fmt::format_to(std::back_inserter(text_), FMT_COMPILE("{}i"), value);
  }
  void add(const char* name, std::uint64_t value) {
    // The protocol's integers are signed; InfluxDB refuses what does not fit.
    constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
    add(name, static_cast<std::int64_t>(std::min(value, kMost)));
  }
  void add(const char* name, bool value) {
    begin(name);
    text_ += value ? "true" : "false";
  }
  void add(const char* name, const std::string& value) {
    begin(name);
    text_ += influx_quote(value);
  }
  template <typename T>
  void add(const char* name, const std::optional<T>& value) {
    if (value) add(name, *value);
  }
  void add_waits(const std::string& prefix, const std::optional<WaitSeconds>& waits) {
    if (!waits) return;
    for (std::size_t i = 0; i < waits->size(); ++i) add((prefix + kWaitNames[i] + "_seconds").c_str(), (*waits)[i]);
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  // The names are ours: there is nothing to escape in them.
  void begin(std::string_view name) {
    if (!text_.empty()) text_ += ',';
    text_ += name;
    text_ += '=';
  }

  std::string text_;
};

void append_point(std::string& out, const std::string& measurement, const Tags& tags, const Fields& fields,
                  std::int64_t time_ms) {
  if (fields.text().empty()) return;
  append_escaped(out, measurement, kMeasurementSpecial);
  // A map is sorted by key: what the protocol's authors advise for speed.
  for (const auto& [key, value] : tags) {
    if (key.empty() || value.empty()) continue;
    out += ',';
    append_escaped(out, key, kKeySpecial);
    out += '=';
    append_escaped(out, value, kKeySpecial);
  }
  out += ' ';
  out += fields.text();
  fmt::format_to(std::back_inserter(out), FMT_COMPILE(" {}\n"), time_ms * kNanosecondsPerMillisecond);
}

// The points of one snapshot.
class Writer {
 public:
  Writer(std::string& out, const InfluxOptions& options, const Snapshot& snapshot, Tags tags)
      : out_(out), options_(options), snapshot_(snapshot), tags_(std::move(tags)) {}

  void queries();
  void types();
  void phases();
  void cache_and_health();
  void availability();
  void agent();
  void resources();
  void system(const Tags& host_tags);

 private:
  void point(const char* measurement, const Tags& tags, const Fields& fields) {
    append_point(out_, options_.prefix + "_" + measurement, tags, fields, snapshot_.timestamp_ms);
  }
  [[nodiscard]] Tags tags_with(const char* key, const std::string& value) const {
    Tags tags = tags_;
    tags[key] = value;
    return tags;
  }

  std::string& out_;
  const InfluxOptions& options_;
  const Snapshot& snapshot_;
  Tags tags_;
};

void Writer::queries() {
  const QueryMetrics& metrics = snapshot_.query_metrics;
  Fields fields;
  fields.add("interval_seconds", snapshot_.interval_seconds);
  fields.add("total_queries", metrics.total_queries);
  fields.add("successful_queries", metrics.successful_queries);
  fields.add("failed_queries", metrics.failed_queries);
  fields.add("abandoned_queries", metrics.abandoned_queries);
  fields.add("interval_queries", metrics.interval_queries);
  fields.add("queries_per_second", metrics.queries_per_second);
  for_each_query_figure(metrics, [&](const char* name, const auto& figure) { fields.add(name, figure); });
  fields.add("estimated", snapshot_.estimated);
  point("queries", tags_, fields);
  Fields waits;
  waits.add_waits("", metrics.waits);
  point("waits", tags_, waits);
}

void Writer::types() {
  Tags tags = tags_;
  for (const auto& [name, type] : snapshot_.query_metrics.query_type_breakdown) {
    tags["type"] = name;
    const ClientSession whose = type.session ? *type.session : ClientSession{};
    tags["datname"] = whose.database;
    tags["usename"] = whose.user;
    Fields fields;
    fields.add("count", type.count);
    fields.add("failed", type.failed);
    fields.add("abandoned", type.abandoned);
    fields.add("interval_count", type.interval_count);
    fields.add("queries_per_second", type.queries_per_second);
    fields.add("avg_response_time_seconds", type.avg_response_time_seconds);
    fields.add("p95_response_time_seconds", type.p95_response_time_seconds);
    fields.add("p99_response_time_seconds", type.p99_response_time_seconds);
    fields.add("success_rate", type.success_rate);
    fields.add("cache_hit_rate", type.cache_hit_rate);
    fields.add("duration_seconds_total", type.duration_seconds_total);
    fields.add_waits("wait_", type.waits);
    point("types", tags, fields);
  }
}

void Writer::phases() {
  for (const auto& [name, phase] : snapshot_.query_metrics.phases) {
    Fields fields;
    fields.add("count", phase.count);
    fields.add("seconds", phase.seconds);
    fields.add("total_count", phase.total_count);
    fields.add("total_seconds", phase.total_seconds);
    point("phases", tags_with("phase", name), fields);
  }
}

void Writer::cache_and_health() {
  const CacheMetrics& metrics = snapshot_.cache_metrics;
  Fields cache;
  cache.add("hit_rate", metrics.hit_rate);
  cache.add("hits", metrics.hits);
  cache.add("misses", metrics.misses);
  cache.add("sampled_share", metrics.sampled_share);
  point("cache", tags_, cache);
  Fields health;
  health.add("score", snapshot_.health_score);
  point("health", tags_, health);
  for (const HealthDeduction& deduction : snapshot_.health_deductions) {
    Fields fields;
    fields.add("value", deduction.value);
    fields.add("threshold", deduction.threshold);
    fields.add("penalty", deduction.penalty);
    point("deductions", tags_with("rule", deduction.rule), fields);
  }
}

void Writer::availability() {
  if (!snapshot_.availability) return;
  const Availability& availability = *snapshot_.availability;
  Fields fields;
  fields.add("state", availability.state);
  fields.add("ratio_1h", availability.ratio_1h);
  fields.add("ratio_24h", availability.ratio_24h);
  fields.add("ratio_30d", availability.ratio_30d);
  fields.add("error_budget_left", availability.error_budget_left);
  point("availability", tags_, fields);
}

void Writer::agent() {
  const Overhead& price = snapshot_.overhead;
  Fields overhead;
  overhead.add("ns_per_query", price.ns_per_query);
  overhead.add("percent_of_target_cpu", price.percent_of_target_cpu);
  overhead.add("mode", price.mode);
  overhead.add("sampled_share", price.sampled_share);
  point("overhead", tags_, overhead);
  Fields losses;
  for (const auto& [reason, count] : snapshot_.losses.counts) losses.add(reason.c_str(), count);
  point("losses", tags_, losses);
}

void Writer::resources() {
  Fields fields;
  for_each_resource(snapshot_.target_metrics, true,
                    [&](const char* name, const auto& figure) { fields.add(name, figure); });
  point("target", tags_, fields);
}

void Writer::system(const Tags& host_tags) {
  Fields fields;
  for_each_resource(snapshot_.system_metrics, false,
                    [&](const char* name, const auto& figure) { fields.add(name, figure); });
  point("system", host_tags, fields);
}

// Targets are read one after the other, so the host's figures of one moment come with timestamps milliseconds apart.
bool same_moment(const Snapshot& snapshot, std::optional<std::int64_t> last_ms) {
  if (!last_ms) return false;
  const auto distance = static_cast<double>(std::abs(snapshot.timestamp_ms - *last_ms));
  return distance < std::max(1.0, snapshot.interval_seconds * 500);
}

// Snapshots one after the other.
class Lines {
 public:
  explicit Lines(const InfluxOptions& options) : options_(options) {}

  void add(const Snapshot& snapshot);
  void add(const AgentFigures& agent, std::int64_t time_ms);
  std::string take() { return std::move(out_); }

 private:
  const InfluxOptions& options_;
  std::string out_;
  std::set<std::pair<std::int64_t, std::string>> seen_;
  std::optional<std::int64_t> host_ms_;
};

void Lines::add(const Snapshot& snapshot) {
  std::string name = snapshot.target;
  for (int i = 2; !seen_.emplace(snapshot.timestamp_ms, name).second; ++i) {
    name = snapshot.target + "#" + std::to_string(i);
  }
  Tags tags{{"target", name}};
  if (const auto own = options_.target_tags.find(snapshot.target); own != options_.target_tags.end()) {
    for (const auto& [label, value] : own->second) {
      if (use_of_label(label) == LabelUse::kFree) tags.emplace(label, value);
    }
  }
  tags.insert(options_.tags.begin(), options_.tags.end());
  Writer writer(out_, options_, snapshot, std::move(tags));
  writer.queries();
  writer.types();
  writer.phases();
  writer.cache_and_health();
  writer.availability();
  writer.agent();
  writer.resources();
  if (same_moment(snapshot, host_ms_)) return;
  writer.system(options_.tags);
  host_ms_ = snapshot.timestamp_ms;
}

void Lines::add(const AgentFigures& agent, std::int64_t time_ms) {
  Fields fields;
  fields.add("uptime_seconds", agent.uptime_seconds);
  fields.add("cpu_seconds_total", agent.cpu_seconds);
  fields.add("resident_bytes", agent.resident_bytes);
  fields.add("map_bytes", agent.map_bytes);
  fields.add("intervals_total", agent.intervals);
  fields.add("missed_intervals_total", agent.missed_intervals);
  fields.add("loop_lag_p99_seconds", agent.lag_p99_seconds);
  fields.add("reading_seconds", agent.reading_seconds);
  append_point(out_, options_.prefix + "_agent", options_.tags, fields, time_ms);
}

}  // namespace

std::string influx_escape_key(std::string_view text) {
  std::string out;
  append_escaped(out, text, kKeySpecial);
  return out;
}

std::string influx_escape_measurement(std::string_view text) {
  std::string out;
  append_escaped(out, text, kMeasurementSpecial);
  return out;
}

std::string influx_quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : valid_utf8(text)) {
    if (c == '"' || c == '\\') out += '\\';
    // A newline inside quotes is legal in some versions and ends the line in others.
    if (c == '\n') {
      out += "\\\\n";
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string influx_lines(const std::vector<Snapshot>& snapshots, const InfluxOptions& options) {
  Lines lines(options);
  for (const Snapshot& snapshot : snapshots) lines.add(snapshot);
  return lines.take();
}

std::string influx_lines(const Report& report, const InfluxOptions& options) {
  Lines lines(options);
  for (std::size_t i = 0; i < report.snapshots.size(); ++i) {
    if (report.is_fresh(i)) lines.add(*report.snapshots[i]);
  }
  if (report.agent) lines.add(*report.agent, report.time_ms);
  return lines.take();
}

}  // namespace outrider
