#include "userspace/export/family_set.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "userspace/model/utf8.h"

namespace outrider {

prometheus::ClientMetric& FamilySet::add(std::string_view name, std::string_view help, prometheus::MetricType type,
                                         const Labels& labels) {
  auto entry = index_.find(name);
  if (entry == index_.end()) {
    entry = index_.emplace(name, families_.size()).first;
    families_.push_back({fmt::format("{}_{}", prefix_, name), std::string(help), type, {}});
  }
  prometheus::ClientMetric& metric = families_[entry->second].metric.emplace_back();
  metric.label.reserve(labels.size());
  // Invalid UTF-8 in one label would make the collector discard the whole file.
  for (const auto& [label, value] : labels) metric.label.push_back({label, valid_utf8(value)});
  return metric;
}

void FamilySet::gauge(std::string_view name, std::string_view help, const Labels& labels, std::optional<double> value) {
  if (!value || !std::isfinite(*value)) return;
  add(name, help, prometheus::MetricType::Gauge, labels).gauge.value = *value;
}

void FamilySet::counter(std::string_view name, std::string_view help, const Labels& labels, double value) {
  if (!std::isfinite(value)) return;
  add(name, help, prometheus::MetricType::Counter, labels).counter.value = value;
}

void FamilySet::histogram(std::string_view name, std::string_view help, const Labels& labels,
                          const SparseHistogram& histogram, const std::vector<std::uint32_t>& bounds,
                          double sum_seconds) {
  auto& target = add(name, help, prometheus::MetricType::Histogram, labels).histogram;
  // The count is that of the cells, not the kernel's query counter: both are read while they move.
  target.sample_count = histogram_count(histogram);
  target.sample_sum = sum_seconds;
  target.bucket.reserve(bounds.size() + 1);
  for (const FoldedBucket& bucket : fold(histogram, bounds)) {
    target.bucket.push_back({bucket.cumulative, static_cast<double>(bucket.upper_ns) / 1e9});
  }
  target.bucket.push_back({target.sample_count, std::numeric_limits<double>::infinity()});
}

}  // namespace outrider
