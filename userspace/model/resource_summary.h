// Resource figures of a whole run out of those of its intervals. Not thread-safe.
#pragma once

#include <map>
#include <string>

#include "userspace/model/snapshot.h"

namespace outrider {

/// Rates and percentages become their mean over time, what is "in the interval" its sum, and what is "now" the last
/// value. A figure that no interval had stays null, with the last reason given for it.
class ResourceSummary {
 public:
  void add(const ResourceSample& sample, double seconds);
  [[nodiscard]] ResourceSample result() const;

 private:
  struct Mean {
    double weighted = 0;
    double seconds = 0;
  };
  void add_mean(const std::string& name, std::optional<double> figure, double seconds);
  void add_sum(const std::string& name, std::optional<double> figure);
  [[nodiscard]] std::optional<double> mean(const std::string& name) const;
  [[nodiscard]] std::optional<double> sum(const std::string& name) const;

  std::map<std::string, Mean> means_;
  std::map<std::string, double> sums_;
  ResourceSample last_;
};

}  // namespace outrider
