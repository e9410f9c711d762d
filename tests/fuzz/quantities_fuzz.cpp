// Any text as a moment, a duration, a size, a percentage and a figure with its unit.
#include <cmath>

#include "tests/fuzz/fuzz_input.h"
#include "userspace/base/moment.h"
#include "userspace/base/quantity.h"
#include "userspace/base/units.h"

namespace {

using outrider::demand;

void check_units(const std::string& text) {
  if (const auto duration = outrider::parse_duration(text)) {
    demand(duration->count() > 0, "a duration is positive");
    const auto again = outrider::parse_duration(outrider::format_duration(*duration));
    demand(again && *again == *duration, "a duration is read back");
    outrider::format_seconds(static_cast<double>(duration->count()) / 1e6);
  }
  if (const auto size = outrider::parse_size(text)) {
    const auto again = outrider::parse_size(outrider::format_size(*size));
    demand(again && *again == *size, "a size is read back");
  }
  if (const auto percent = outrider::parse_percent(text)) demand(*percent >= 0 && *percent <= 100, "0 % to 100 %");
  if (const auto budget = outrider::parse_budget(text); budget && *budget) {
    demand(**budget > 0 && **budget <= 100, "a budget is a share");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::int64_t kNow = 1'700'000'000'000;
  const std::string text(outrider::text_of(data, size));
  outrider::made(outrider::parse_moment(text, kNow));
  check_units(text);
  for (const char* unit : {"seconds", "ratio", "percent", "1/s", "MiB", "count", "score"}) {
    const auto figure = outrider::parse_quantity(text, unit);
    if (!figure) continue;
    demand(outrider::in_range(*figure, unit), "a figure is in its unit's range");
    outrider::made(outrider::format_quantity(*figure, unit));
  }
  return 0;
}
