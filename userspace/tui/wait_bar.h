// Where the time went, as a stacked bar: each wait class has a letter of its own, so that colour is a help and not
// needed. Pure, thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "userspace/model/snapshot.h"
#include "userspace/tui/line.h"

namespace outrider {

struct WaitClass {
  char letter;
  const char* name;  ///< as people say it
};

/// By OUTRIDER_WAIT_*.
extern const std::array<WaitClass, OUTRIDER_WAIT_CLASSES> kWaitClasses;

/// How many of `width` columns each class gets, by its share; they add up to `width`. All 0 if nothing was waited for.
std::array<std::size_t, OUTRIDER_WAIT_CLASSES> wait_columns(const WaitSeconds& waits, std::size_t width);

/// Adds the bar, the largest share first, or "-" if there is none.
void add_wait_bar(LineBuilder& line, const std::optional<WaitSeconds>& waits, std::size_t width);

/// Classes from the largest share to the smallest, without those that have none.
std::vector<std::size_t> waits_by_share(const WaitSeconds& waits);

/// The letters of the classes that are in `waits`, or of all: "c cpu  l lock". As many lines as it takes, one at least.
std::vector<Line> wait_legend(const std::optional<WaitSeconds>& waits, std::size_t width);

}  // namespace outrider
