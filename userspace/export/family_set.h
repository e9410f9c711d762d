// Collects samples into metric families, in the order in which the families are first named. Not thread-safe.
#pragma once

#include <prometheus/metric_family.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "userspace/model/histogram.h"

namespace outrider {

using Labels = std::vector<std::pair<std::string, std::string>>;

class FamilySet {
 public:
  explicit FamilySet(std::string prefix) : prefix_(std::move(prefix)) {}

  /// A null or a value that is no finite number adds nothing: a missing figure is not 0.
  void gauge(std::string_view name, std::string_view help, const Labels& labels, std::optional<double> value);
  void counter(std::string_view name, std::string_view help, const Labels& labels, double value);
  /// `bounds` as for fold(); +Inf, count and sum come by themselves.
  void histogram(std::string_view name, std::string_view help, const Labels& labels, const SparseHistogram& histogram,
                 const std::vector<std::uint32_t>& bounds, double sum_seconds);

  std::vector<prometheus::MetricFamily> take() { return std::move(families_); }

 private:
  prometheus::ClientMetric& add(std::string_view name, std::string_view help, prometheus::MetricType type,
                                const Labels& labels);

  std::string prefix_;
  std::vector<prometheus::MetricFamily> families_;
  std::map<std::string, std::size_t, std::less<>> index_;
};

}  // namespace outrider
