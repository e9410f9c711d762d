// What a scheduler hook's run costs a target, told apart from everybody else's runs.
#include "userspace/kernel/program_time.h"

#include <gtest/gtest.h>

namespace outrider {
namespace {

constexpr double kIdle = 40, kKnown = 130;

TEST(ActiveNanoseconds, IsTheMeanOfRunsThatAreAllOurs) {
  EXPECT_DOUBLE_EQ(active_nanoseconds({.runs = 1000, .nanoseconds = 250'000, .active = 1000}, kIdle, kKnown), 250);
}

TEST(ActiveNanoseconds, TakesOffWhatOthersCost) {
  // 4,000 of ours at 300 ns, 1,000 of others at 40; what was known weighs as 100 runs.
  const double found = active_nanoseconds({.runs = 5000, .nanoseconds = 1'240'000, .active = 4000}, kIdle, kKnown);
  EXPECT_NEAR(found, (4000 * 300 + 100 * kKnown) / 4100, 1e-9);
}

// A demo's engine that hardly ever waits, on a host that switches 4,000 times a second: 60 ns more than idle for each
// switch of the others would make 60 us of each of ours.
TEST(ActiveNanoseconds, OthersNoiseIsNotOurs) {
  const double found = active_nanoseconds({.runs = 4000, .nanoseconds = 4000 * 100.0, .active = 4}, kIdle, kKnown);
  EXPECT_LT(found, 6 * kKnown);
}

TEST(ActiveNanoseconds, IsNeverBelowNothing) {
  EXPECT_GE(active_nanoseconds({.runs = 4000, .nanoseconds = 4000 * 30.0, .active = 4}, kIdle, kKnown), 0);
}

}  // namespace
}  // namespace outrider
