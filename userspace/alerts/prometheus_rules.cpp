#include "userspace/alerts/prometheus_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "userspace/base/units.h"

namespace outrider {
namespace {

constexpr double kMib = 1024.0 * 1024.0;
constexpr std::string_view kWindow = "[1m]";

/// A figure that is a gauge, and what it is multiplied by there.
struct Gauge {
  std::string_view field, metric;
  std::string_view percentile = {};
  double factor = 1;
};

constexpr std::array kGauges = {
    Gauge{"query_metrics.queries_per_second", "queries_per_second"},
    Gauge{"query_metrics.queries_per_second_5m", "queries_per_second_5m"},
    Gauge{"query_metrics.success_rate", "query_success_rate"},
    Gauge{"query_metrics.error_rate", "query_error_rate"},
    Gauge{"query_metrics.avg_response_time_seconds", "query_response_time_seconds"},
    Gauge{"query_metrics.p50_response_time_seconds", "query_response_time_percentile_seconds", "p50"},
    Gauge{"query_metrics.p95_response_time_seconds", "query_response_time_percentile_seconds", "p95"},
    Gauge{"query_metrics.p99_response_time_seconds", "query_response_time_percentile_seconds", "p99"},
    Gauge{"query_metrics.p999_response_time_seconds", "query_response_time_percentile_seconds", "p99.9"},
    Gauge{"query_metrics.max_response_time_seconds", "query_response_time_percentile_seconds", "max"},
    Gauge{"query_metrics.avg_processing_time_seconds", "query_processing_time_seconds"},
    Gauge{"query_metrics.current_concurrent", "queries_in_flight"},
    Gauge{"query_metrics.peak_concurrent", "queries_in_flight_peak"},
    Gauge{"query_metrics.oldest_in_flight_seconds", "query_oldest_in_flight_seconds"},
    Gauge{"cache_metrics.hit_rate", "cache_hit_rate"},
    Gauge{"system_metrics.cpu_usage", "cpu_usage_percent"},
    Gauge{"system_metrics.memory_usage", "memory_usage_percent", {}, 100},
    Gauge{"target_metrics.cpu_usage", "target_cpu_usage_percent"},
    Gauge{"target_metrics.cpu_cores", "target_cpu_cores"},
    Gauge{"target_metrics.memory_usage", "target_memory_usage_percent", {}, 100},
    Gauge{"target_metrics.rss_mb", "target_resident_memory_bytes", {}, kMib},
    Gauge{"target_metrics.page_faults_per_second", "target_page_faults_per_second"},
    Gauge{"target_metrics.disk_usage", "target_disk_usage_percent", {}, 100},
    Gauge{"target_metrics.thread_count", "target_threads"},
    Gauge{"target_metrics.handle_count", "target_open_files"},
    Gauge{"target_metrics.uptime_seconds", "target_uptime_seconds"},
    Gauge{"health_score", "health_score"},
    Gauge{"availability.error_budget_left", "target_error_budget_left_ratio"},
    Gauge{"overhead.percent_of_target_cpu", "probe_overhead_percent"}};

/// YAML reads JSON's strings.
std::string yaml_text(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// Prometheus expands templates in labels and annotations.
std::string plain(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool opens = text.compare(i, 2, "{{") == 0;
    out += opens ? "{{ \"{{\" }}" : std::string(1, text[i]);
    if (opens) ++i;
  }
  return out;
}

/// A shell pattern as a regular expression, which Prometheus anchors at both ends.
std::string regex_of(const std::string& pattern) {
  std::string out;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    const std::size_t close = c == '[' ? pattern.find(']', i + 2) : std::string::npos;
    if (close != std::string::npos) {
      std::string inside = pattern.substr(i + 1, close - i - 1);
      if (inside.front() == '!') inside.front() = '^';
      out += "[" + inside + "]";
      i = close;
    } else if (c == '*' || c == '?') {
      out += c == '*' ? ".*" : ".";
    } else {
      if (std::string_view(".+()|^$[]{}\\").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return out;
}

std::string matcher(const char* label, const std::vector<std::string>& patterns) {
  std::string regex;
  for (const std::string& pattern : patterns) regex += (regex.empty() ? "" : "|") + regex_of(pattern);
  return patterns.empty() || regex == ".*" ? "" : fmt::format("{}=~{}", label, yaml_text(regex));
}

class Expression {
 public:
  Expression(const Rule& rule, const std::string& prefix) : rule_(rule), prefix_(prefix) {}

  /// Empty if there is no metric for it.
  [[nodiscard]] std::string text() const;

 private:
  [[nodiscard]] std::string metric(std::string_view name, const std::string& more = "") const;
  [[nodiscard]] std::string rate(std::string_view name, const std::string& more = "") const {
    return fmt::format("rate({}{})", metric(name, more), kWindow);
  }
  [[nodiscard]] std::string of_type() const;
  [[nodiscard]] std::string wait_share() const;
  [[nodiscard]] std::string figure(double& factor) const;
  [[nodiscard]] bool of_host() const { return rule_.condition.field.starts_with("system_metrics."); }

  const Rule& rule_;
  const std::string& prefix_;
};

std::string Expression::metric(std::string_view name, const std::string& more) const {
  std::string labels;
  const auto add = [&labels](const std::string& label) {
    if (!label.empty()) labels += (labels.empty() ? "" : ",") + label;
  };
  if (!of_host()) add(matcher("target", rule_.targets));
  add(matcher("type", rule_.types));
  add(more);
  return fmt::format("{}_{}{}", prefix_, name, labels.empty() ? "" : "{" + labels + "}");
}

std::string Expression::wait_share() const {
  constexpr std::string_view kBegin = "waits.";
  constexpr std::string_view kEnd = "_share";
  const std::string& field = rule_.condition.field;
  const std::string name = field.substr(kBegin.size(), field.size() - kBegin.size() - kEnd.size());
  const std::string by = rule_.types.empty() ? "class, type" : "class";
  const std::string own = rate("query_wait_seconds_total", fmt::format("class=\"{}\"", name));
  return fmt::format("sum without ({}) ({}) / sum without ({}) ({})", by, own, by, rate("query_wait_seconds_total"));
}

std::string Expression::of_type() const {
  const std::string& field = rule_.condition.field;
  std::string count = rate("query_duration_seconds_count");
  std::string errors = fmt::format("{} / {}", rate("query_type_failed_total"), count);
  if (field == "query_metrics.queries_per_second") return count;
  if (field == "query_metrics.error_rate") return errors;
  if (field == "query_metrics.success_rate") return "1 - " + errors;
  if (field == "query_metrics.avg_response_time_seconds") {
    return fmt::format("{} / {}", rate("query_duration_seconds_sum"), count);
  }
  const bool p95 = field == "query_metrics.p95_response_time_seconds";
  if (!p95 && field != "query_metrics.p99_response_time_seconds") return "";
  return fmt::format("histogram_quantile({}, {})", p95 ? 0.95 : 0.99, rate("query_duration_seconds_bucket"));
}

std::string Expression::figure(double& factor) const {
  const std::string& field = rule_.condition.field;
  if (field.starts_with("waits.")) return wait_share();
  if (!rule_.types.empty()) return of_type();
  const auto gauge = std::find_if(kGauges.begin(), kGauges.end(), [&](const Gauge& one) { return one.field == field; });
  if (gauge == kGauges.end()) return "";
  factor = gauge->factor;
  return metric(gauge->metric, gauge->percentile.empty() ? "" : fmt::format("percentile=\"{}\"", gauge->percentile));
}

std::string Expression::text() const {
  double factor = 1;
  const std::string value = figure(factor);
  if (value.empty()) return "";
  if (rule_.absent && of_host()) return fmt::format("absent({})", value);
  if (rule_.absent) return fmt::format("{} unless on (instance, target) ({})", metric("agent_target_attached"), value);
  std::string text = fmt::format("{} {} {:.10g}", value, rule_.condition.above ? '>' : '<', rule_.threshold * factor);
  if (rule_.least_queries <= 1) return text;  // without a query there is no figure
  const std::string queries =
      rule_.types.empty() ? fmt::format("{} * {}", metric("queries_per_second"), metric("target_interval_seconds"))
                          : fmt::format("{} * {}", rate("query_duration_seconds_count"), 60);
  const char* on = rule_.types.empty() ? "instance, target" : "instance, target, type";
  return fmt::format("{} and on ({}) {} >= {}", text, on, queries, rule_.least_queries);
}

std::string rule_yaml(const Rule& rule, const std::string& expression) {
  std::string out;
  if (rule.clear) out += "      # `clear` has no counterpart: this one is over at the threshold.\n";
  out += fmt::format("      - alert: {}\n        expr: {}\n", yaml_text(rule.name), yaml_text(expression));
  if (rule.hold.count() > 0) out += fmt::format("        for: {}\n", format_duration(rule.hold));
  if (rule.clear_for.count() > 0) out += fmt::format("        keep_firing_for: {}\n", format_duration(rule.clear_for));
  out += fmt::format("        labels:\n          severity: {}\n", name_of(rule.severity));
  for (const auto& [name, value] : rule.labels) out += fmt::format("          {}: {}\n", name, yaml_text(plain(value)));
  const bool host = rule.condition.field.starts_with("system_metrics.");
  std::string where = host ? " on {{ $labels.instance }}" : " on {{ $labels.target }}";
  if (!rule.types.empty()) where += ", type {{ $labels.type }}";
  out += fmt::format("        annotations:\n          summary: {}\n", yaml_text(plain(rule.name) + where));
  if (!rule.annotation.empty()) out += fmt::format("          description: {}\n", yaml_text(plain(rule.annotation)));
  return out;
}

}  // namespace

PrometheusRules prometheus_rules(const std::vector<Rule>& rules, const std::string& prefix) {
  PrometheusRules out;
  std::string body;
  std::string comments;
  for (const Rule& rule : rules) {
    const std::string expression = Expression(rule, prefix).text();
    if (!expression.empty()) {
      body += rule_yaml(rule, expression);
      continue;
    }
    out.left_out.push_back(fmt::format("\"{}\" was left out: no metric says {}{}", rule.name, rule.condition.field,
                                       rule.types.empty() ? "" : " by type"));
    comments += "# " + out.left_out.back() + "\n";
  }
  out.yaml = comments + "groups:\n  - name: outrider\n    rules:" + (body.empty() ? " []\n" : "\n" + body);
  return out;
}

}  // namespace outrider
