// Collects samples into metric families, in the order in which the families are first named. Not thread-safe.
#pragma once

#include <prometheus/metric_family.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "userspace/model/histogram.h"

namespace outrider {

using Labels = std::vector<std::pair<std::string, std::string>>;

class FamilySet {
 public:
  explicit FamilySet(std::string prefix) : prefix_(std::move(prefix)) {}

  /// A null or a value that is no finite number adds nothing: a missing figure is not 0.
  void gauge(const std::string& name, const std::string& help, const Labels& labels, std::optional<double> value);
  void counter(const std::string& name, const std::string& help, const Labels& labels, double value);
  /// `bounds` as for fold(); +Inf, count and sum come by themselves.
  void histogram(const std::string& name, const std::string& help, const Labels& labels,
                 const SparseHistogram& histogram, const std::vector<std::uint32_t>& bounds, double sum_seconds);

  std::vector<prometheus::MetricFamily> take() { return std::move(families_); }

 private:
  prometheus::ClientMetric& add(const std::string& name, const std::string& help, prometheus::MetricType type,
                                const Labels& labels);

  std::string prefix_;
  std::vector<prometheus::MetricFamily> families_;
  std::map<std::string, std::size_t> index_;
};

}  // namespace outrider
