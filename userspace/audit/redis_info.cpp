#include <algorithm>
#include <charconv>
#include <string_view>

#include "userspace/audit/engine_counter.h"

namespace outrider {

Result<EngineCount> parse_redis_info(std::string_view info) {
  constexpr std::string_view kRun = "run_id:";
  constexpr std::string_view kCommand = "cmdstat_";
  constexpr std::string_view kCalls = ":calls=";
  EngineCount count;
  bool commands = false;
  while (!info.empty()) {
    std::string_view line = info.substr(0, info.find('\n'));
    info.remove_prefix(std::min(line.size() + 1, info.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line == "# Commandstats") commands = true;
    if (line.starts_with(kRun)) count.epoch = line.substr(kRun.size());
    const std::size_t calls = line.starts_with(kCommand) ? line.find(kCalls) : std::string_view::npos;
    if (calls == std::string_view::npos) continue;
    const std::string_view number = line.substr(calls + kCalls.size());
    std::uint64_t value = 0;
    if (std::from_chars(number.data(), number.data() + number.size(), value).ec != std::errc{}) {
      return Error{"Redis's INFO has a command without a number of calls"};
    }
    count.queries += value;
  }
  if (count.epoch.empty() || !commands) return Error{"Redis's INFO has no run_id or no commandstats"};
  return count;
}

}  // namespace outrider
