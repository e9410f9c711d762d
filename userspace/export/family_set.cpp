#include "userspace/export/family_set.h"

#include <cmath>
#include <limits>

#include "userspace/model/utf8.h"

namespace outrider {

prometheus::ClientMetric& FamilySet::add(const std::string& name, const std::string& help, prometheus::MetricType type,
                                         const Labels& labels) {
  const auto [entry, fresh] = index_.try_emplace(name, families_.size());
  if (fresh) families_.push_back({prefix_ + "_" + name, help, type, {}});
  prometheus::ClientMetric& metric = families_[entry->second].metric.emplace_back();
  // Invalid UTF-8 in one label would make the collector discard the whole file.
  for (const auto& [label, value] : labels) metric.label.push_back({label, valid_utf8(value)});
  return metric;
}

void FamilySet::gauge(const std::string& name, const std::string& help, const Labels& labels,
                      std::optional<double> value) {
  if (!value || !std::isfinite(*value)) return;
  add(name, help, prometheus::MetricType::Gauge, labels).gauge.value = *value;
}

void FamilySet::counter(const std::string& name, const std::string& help, const Labels& labels, double value) {
  if (!std::isfinite(value)) return;
  add(name, help, prometheus::MetricType::Counter, labels).counter.value = value;
}

void FamilySet::histogram(const std::string& name, const std::string& help, const Labels& labels,
                          const SparseHistogram& histogram, const std::vector<std::uint32_t>& bounds,
                          double sum_seconds) {
  auto& target = add(name, help, prometheus::MetricType::Histogram, labels).histogram;
  // The count is that of the cells, not the kernel's query counter: both are read while they move.
  target.sample_count = histogram_count(histogram);
  target.sample_sum = sum_seconds;
  for (const FoldedBucket& bucket : fold(histogram, bounds)) {
    target.bucket.push_back({bucket.cumulative, static_cast<double>(bucket.upper_ns) / 1e9});
  }
  target.bucket.push_back({target.sample_count, std::numeric_limits<double>::infinity()});
}

}  // namespace outrider
