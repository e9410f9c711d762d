#include "userspace/model/resource_summary.h"

#include <algorithm>
#include <array>
#include <utility>

namespace outrider {
namespace {

using ResourceFigure = std::pair<const char*, std::optional<double> ResourceMetrics::*>;

constexpr std::array kMeans{ResourceFigure{"cpu_usage", &ResourceMetrics::cpu_usage},
                            ResourceFigure{"cpu_steal", &ResourceMetrics::cpu_steal},
                            ResourceFigure{"cpu_cores", &ResourceMetrics::cpu_cores},
                            ResourceFigure{"page_faults_per_second", &ResourceMetrics::page_faults_per_second}};
constexpr std::array kSums{ResourceFigure{"throttled_seconds", &ResourceMetrics::throttled_seconds},
                           ResourceFigure{"disk_read_mb", &ResourceMetrics::disk_read_mb},
                           ResourceFigure{"disk_write_mb", &ResourceMetrics::disk_write_mb},
                           ResourceFigure{"network_rx_mb", &ResourceMetrics::network_rx_mb},
                           ResourceFigure{"network_tx_mb", &ResourceMetrics::network_tx_mb}};

// Why the last sample lacks a figure that the whole run has.
void forget_reason(ResourceSample& sample, const std::string& name) {
  std::erase_if(sample.unavailable,
                [&](const std::string& line) { return line.find("." + name + ":") != std::string::npos; });
}

}  // namespace

void ResourceSummary::add_mean(const std::string& name, std::optional<double> figure, double seconds) {
  if (!figure || !(seconds > 0)) return;
  means_[name].weighted += *figure * seconds;
  means_[name].seconds += seconds;
}

void ResourceSummary::add_sum(const std::string& name, std::optional<double> figure) {
  if (figure) sums_[name] += *figure;
}

std::optional<double> ResourceSummary::mean(const std::string& name) const {
  const auto found = means_.find(name);
  if (found == means_.end()) return std::nullopt;
  return found->second.weighted / found->second.seconds;
}

std::optional<double> ResourceSummary::sum(const std::string& name) const {
  const auto found = sums_.find(name);
  if (found == sums_.end()) return std::nullopt;
  return found->second;
}

void ResourceSummary::add(const ResourceSample& sample, double seconds) {
  for (const auto& [name, figure] : kMeans) add_mean(name, sample.metrics.*figure, seconds);
  for (const auto& [name, figure] : kSums) add_sum(name, sample.metrics.*figure);
  const ResourceSample before = std::exchange(last_, sample);
  // A target that has exited keeps the last size that was seen.
  const auto keep = [&](const char* name, auto ResourceMetrics::*figure) {
    if (last_.metrics.*figure || !(before.metrics.*figure)) return;
    last_.metrics.*figure = before.metrics.*figure;
    forget_reason(last_, name);
  };
  keep("memory_usage", &ResourceMetrics::memory_usage);
  keep("memory_total_mb", &ResourceMetrics::memory_total_mb);
  keep("memory_used_mb", &ResourceMetrics::memory_used_mb);
  keep("rss_mb", &ResourceMetrics::rss_mb);
  keep("disk_usage", &ResourceMetrics::disk_usage);
  keep("thread_count", &ResourceMetrics::thread_count);
  keep("handle_count", &ResourceMetrics::handle_count);
  keep("uptime_seconds", &ResourceMetrics::uptime_seconds);
  if (!last_.allowed_cores) last_.allowed_cores = before.allowed_cores;
}

ResourceSample ResourceSummary::result() const {
  ResourceSample result = last_;
  const auto set = [&](const char* name, auto ResourceMetrics::*figure, const std::optional<double>& value) {
    result.metrics.*figure = value;
    if (value) forget_reason(result, name);
  };
  for (const auto& [name, figure] : kMeans) set(name, figure, mean(name));
  for (const auto& [name, figure] : kSums) set(name, figure, sum(name));
  return result;
}

}  // namespace outrider
