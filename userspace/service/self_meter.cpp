#include "userspace/service/self_meter.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>
#include <vector>

namespace outrider {
namespace {

constexpr double kLagQuantile = 0.99;

double seconds(SelfMeter::Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// proc(5): the second figure of statm, in pages.
std::optional<std::uint64_t> resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  if (!(statm >> size >> resident)) return std::nullopt;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

void SelfMeter::began(const Schedule::Due& due) {
  intervals_ += due.readings;
  missed_ += due.missed;
  const double lag = seconds(due.lag);
  const auto ns = static_cast<unsigned long long>(std::chrono::nanoseconds(due.lag).count());
  merge(lag_, {{outrider_hist_index(ns), 1}});
  lag_seconds_ += lag;
  last_lags_[rounds_++ % kLags] = lag;
}

void SelfMeter::ended(Clock::duration took) {
  reading_seconds_ = seconds(took);
  reading_seconds_total_ += reading_seconds_;
}

void SelfMeter::fill(AgentFigures& figures) const {
  figures.uptime_seconds = seconds(Clock::now() - start_);
  figures.cpu_seconds = cpu_seconds();
  figures.resident_bytes = resident_bytes();
  figures.intervals = intervals_;
  figures.missed_intervals = missed_;
  figures.lag = lag_;
  figures.lag_seconds = lag_seconds_;
  if (rounds_ > 0) {
    std::vector<double> lags(last_lags_.begin(),
                             last_lags_.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(rounds_, kLags)));
    std::sort(lags.begin(), lags.end());
    const double rank = std::ceil(kLagQuantile * static_cast<double>(lags.size()));
    figures.lag_p99_seconds = lags[static_cast<std::size_t>(rank) - 1];
    figures.reading_seconds = reading_seconds_;
  }
  figures.reading_seconds_total = reading_seconds_total_;
}

}  // namespace outrider
