#include "userspace/export/openmetrics.h"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <iterator>

namespace outrider {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr std::string_view kTotal = "_total";

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else {
      if (c == '\\' || c == '"') out += '\\';
      out += c;
    }
  }
}

void append_number(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else {
    fmt::format_to(std::back_inserter(out), FMT_COMPILE("{}"), value);
  }
}

// Bounds are label values, compared as text: the format asks for one spelling, a float even where it is whole.
void append_bound(std::string& out, double value) {
  const std::size_t begin = out.size();
  append_number(out, value);
  if (std::isfinite(value) && out.find_first_of(".e", begin) == std::string::npos) out += ".0";
}

// Without the braces, so that a histogram's bound can follow.
std::string label_text(const std::vector<ClientMetric::Label>& labels) {
  std::string out;
  for (const auto& label : labels) {
    if (!out.empty()) out += ',';
    out += label.name;
    out += "=\"";
    append_escaped(out, label.value);
    out += '"';
  }
  return out;
}

std::string_view base_name(const MetricFamily& family) {
  std::string_view name = family.name;
  if (family.type == MetricType::Counter && name.ends_with(kTotal)) name.remove_suffix(kTotal.size());
  return name;
}

void append_metadata(std::string& out, const MetricFamily& family, std::string_view type) {
  const std::string_view name = base_name(family);
  out += fmt::format("# TYPE {} {}\n", name, type);
  for (const std::string_view unit : {"seconds", "bytes"}) {
    if (name.ends_with("_" + std::string(unit))) out += fmt::format("# UNIT {} {}\n", name, unit);
  }
  out += fmt::format("# HELP {} ", name);
  append_escaped(out, family.help);
  out += '\n';
}

// What stands before a sample's value.
void append_series(std::string& out, std::string_view name, std::string_view suffix, std::string_view labels) {
  out += name;
  out += suffix;
  if (!labels.empty()) {
    out += '{';
    out += labels;
    out += '}';
  }
  out += ' ';
}

void append_sample(std::string& out, std::string_view name, std::string_view suffix, std::string_view labels,
                   double value) {
  append_series(out, name, suffix, labels);
  append_number(out, value);
  out += '\n';
}

void append_count(std::string& out, std::uint64_t count) {
  fmt::format_to(std::back_inserter(out), FMT_COMPILE("{}\n"), count);
}

void append_histogram(std::string& out, std::string_view name, const ClientMetric& metric) {
  const auto& histogram = metric.histogram;
  const std::string labels = label_text(metric.label);
  const std::string bucket_begin = fmt::format("{}_bucket{{{}{}le=\"", name, labels, labels.empty() ? "" : ",");
  for (const auto& bucket : histogram.bucket) {
    out += bucket_begin;
    append_bound(out, bucket.upper_bound);
    out += "\"} ";
    append_count(out, bucket.cumulative_count);
  }
  append_series(out, name, "_count", labels);
  append_count(out, histogram.sample_count);
  append_sample(out, name, "_sum", labels, histogram.sample_sum);
}

void append_family(std::string& out, const MetricFamily& family) {
  const std::string_view name = base_name(family);
  switch (family.type) {
    case MetricType::Counter:
      append_metadata(out, family, "counter");
      for (const ClientMetric& metric : family.metric) {
        append_sample(out, name, kTotal, label_text(metric.label), metric.counter.value);
      }
      break;
    case MetricType::Gauge:
      append_metadata(out, family, "gauge");
      for (const ClientMetric& metric : family.metric) {
        append_sample(out, name, "", label_text(metric.label), metric.gauge.value);
      }
      break;
    case MetricType::Histogram:
      append_metadata(out, family, "histogram");
      for (const ClientMetric& metric : family.metric) append_histogram(out, name, metric);
      break;
    default:
      break;  // FamilySet makes no others
  }
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// Cuts the part up to `separator` off `rest`.
std::string_view next_part(std::string_view& rest, char separator) {
  const std::size_t end = rest.find(separator);
  const std::string_view part = trimmed(rest.substr(0, end));
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return part;
}

struct MediaRange {
  std::string type;
  std::string version;
  double weight = 1;
};

MediaRange parse_range(std::string_view text) {
  MediaRange range;
  range.type = lower(next_part(text, ';'));
  while (!text.empty()) {
    std::string_view value = next_part(text, ';');
    const std::string name = lower(next_part(value, '='));
    if (value.size() > 1 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    if (name == "version") range.version = std::string(value);
    if (name != "q") continue;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), range.weight);
    if (error != std::errc() || !(range.weight >= 0 && range.weight <= 1)) range.weight = 0;
  }
  return range;
}

}  // namespace

std::string openmetrics_text(const std::vector<MetricFamily>& families) {
  std::string out;
  for (const MetricFamily& family : families) append_family(out, family);
  out += "# EOF\n";
  return out;
}

std::string openmetrics_text(const std::vector<Snapshot>& snapshots, const PrometheusOptions& options) {
  return openmetrics_text(prometheus_families(snapshots, options));
}

std::string openmetrics_text(const Report& report, const PrometheusOptions& options) {
  return openmetrics_text(prometheus_families(report, options));
}

bool accepts_openmetrics(std::string_view accept) {
  double openmetrics = 0;
  double plain = 0;
  while (!accept.empty()) {
    const MediaRange range = parse_range(next_part(accept, ','));
    const bool known = range.version.empty() || range.version == "1.0.0" || range.version == "0.0.1";
    if (range.type == "application/openmetrics-text" && known) openmetrics = std::max(openmetrics, range.weight);
    if (range.type == "text/plain") plain = std::max(plain, range.weight);
  }
  return openmetrics > 0 && openmetrics >= plain;
}

}  // namespace outrider
