#include "userspace/tui/figure_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>

#include "userspace/base/units.h"

namespace outrider {

std::string seconds_text(const std::optional<double>& seconds) { return seconds ? format_seconds(*seconds) : "-"; }

std::string rate_text(double per_second) {
  if (per_second <= 0) return "0";
  if (per_second < 9.995) return fmt::format("{:.2f}", per_second);
  if (per_second < 999.95) return fmt::format("{:.1f}", per_second);
  if (per_second < 999'999.5) return fmt::format("{:.0f}", per_second);
  return fmt::format("{:.3g}M", per_second / 1e6);
}

std::string percent_text(const std::optional<double>& share) {
  if (!share) return "-";
  const double percent = 100 * *share;
  const int decimals = percent < 9.995 ? 2 : percent < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f}", percent, decimals);
}

std::string availability_text(const std::optional<double>& ratio) {
  if (!ratio) return "-";
  const double percent = 100 * *ratio;
  const int decimals = percent < 10 ? 2 : percent < 99 ? 1 : 3;
  const double scale = std::pow(10, decimals);
  // A figure that is exactly 99.91 may be a little less in binary; no down time is as short as this.
  double down = std::floor(percent * scale + 1e-7) / scale;
  if (*ratio < 1) down = std::min(down, 99.999);
  std::string text = fmt::format("{:.{}f}", down, decimals);
  if (decimals == 3) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  return text;
}

std::string metric_text(const std::optional<double>& value, std::string_view unit) {
  if (!value) return "-";
  if (unit == "seconds") return format_seconds(*value);
  if (unit == "ratio") return fmt::format("{:.2f} %", 100 * *value);
  if (unit == "percent") return fmt::format("{:.1f} %", *value);
  if (unit == "MiB") return fmt::format("{:.1f} MiB", *value);
  const bool counted = unit == "queries" || unit == "count" || unit == "cores";
  if (!counted) return fmt::format("{:.1f}", *value);
  return fmt::format("{:.{}f}", *value, *value == std::floor(*value) ? 0 : 2);  // of several seconds it is a mean
}

std::string age_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::max(seconds, 0.0));
  const std::int64_t minutes = whole / 60;
  const std::int64_t hours = minutes / 60;
  if (minutes == 0) return fmt::format("{}s", whole);
  if (hours == 0) return fmt::format("{}m", minutes);
  if (hours < 24) return fmt::format("{}h {}m", hours, minutes % 60);
  return fmt::format("{}d {}h", hours / 24, hours % 24);
}

std::string clock_text(std::int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm local{};
  localtime_r(&seconds, &local);
  return fmt::format("{:02}:{:02}:{:02}", local.tm_hour, local.tm_min, local.tm_sec);
}

}  // namespace outrider
