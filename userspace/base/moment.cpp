#include "userspace/base/moment.h"

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <regex>

#include "userspace/base/units.h"

namespace outrider {
namespace {

constexpr std::int64_t kMsPerSecond = 1000;

// Groups: year, month, day; hour, minute; second; fraction; zone, its sign, hours and minutes.
const std::regex& calendar_pattern() {
  static const std::regex pattern(
      R"((\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?(Z|([+-])(\d{2}):?(\d{2}))?)");
  return pattern;
}

int number(const std::ssub_match& match) { return match.matched ? std::atoi(match.str().c_str()) : 0; }

// None for the 31st of June and the like, which timegm() would take for the 1st of July.
std::optional<std::int64_t> seconds_of(const std::tm& asked, const std::optional<int>& zone_minutes) {
  std::tm broken = asked;
  broken.tm_isdst = -1;
  const std::time_t seconds = zone_minutes ? timegm(&broken) : mktime(&broken);
  const bool same_day =
      broken.tm_year == asked.tm_year && broken.tm_mon == asked.tm_mon && broken.tm_mday == asked.tm_mday;
  if (!same_day || asked.tm_hour > 23 || asked.tm_min > 59 || asked.tm_sec > 59) return std::nullopt;
  return static_cast<std::int64_t>(seconds) - 60LL * zone_minutes.value_or(0);
}

std::optional<std::int64_t> parse_calendar(const std::string& text) {
  std::smatch match;
  if (!std::regex_match(text, match, calendar_pattern())) return std::nullopt;
  std::tm asked{};
  asked.tm_year = number(match[1]) - 1900;
  asked.tm_mon = number(match[2]) - 1;
  asked.tm_mday = number(match[3]);
  asked.tm_hour = number(match[4]);
  asked.tm_min = number(match[5]);
  asked.tm_sec = number(match[6]);
  std::optional<int> zone_minutes;
  if (match[8].matched) {
    const int minutes = 60 * number(match[10]) + number(match[11]);
    zone_minutes = match[9] == "-" ? -minutes : minutes;
  }
  const std::optional<std::int64_t> seconds = seconds_of(asked, zone_minutes);
  if (!seconds) return std::nullopt;
  const std::string fraction = (match[7].str() + "000").substr(0, 3);
  return *seconds * kMsPerSecond + std::atoi(fraction.c_str());
}

}  // namespace

std::int64_t unix_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

Result<std::int64_t> parse_moment(const std::string& text, std::int64_t now_ms) {
  if (text == "now") return now_ms;
  if (text.size() > 1 && text.size() < 13 && text[0] == '@' &&
      text.find_first_not_of("0123456789", 1) == std::string::npos) {
    return std::strtoll(text.c_str() + 1, nullptr, 10) * kMsPerSecond;
  }
  if (const auto calendar = parse_calendar(text)) return *calendar;
  if (const auto ago = parse_duration(text.starts_with('-') ? text.substr(1) : text)) return now_ms - ago->count();
  return Error{
      fmt::format("'{}' is no time: write 2h (so long ago), now, 2026-01-31, 2026-01-31T08:30:00 (local time), "
                  "2026-01-31T08:30:00Z or @1700000000",
                  text),
      EINVAL};
}

}  // namespace outrider
