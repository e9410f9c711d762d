#include "userspace/store/trusted_clock.h"

#include <algorithm>
#include <cstdlib>

namespace outrider {
namespace {

// What a clock may be corrected by between two readings without anybody wondering.
constexpr std::int64_t kToleranceMs = 60'000;
// Longer than a time server needs to set a clock right again after the machine has started with a wrong one.
constexpr std::int64_t kBelievedAfterMs = 600'000;

}  // namespace

std::int64_t TrustedClock::read(const Moment& now) {
  const std::int64_t passed = now.steady_ms - steady_ms_.value_or(now.steady_ms);
  const std::int64_t expected = trusted_ms_.value_or(now.unix_ms) + passed;
  const std::int64_t jump = now.unix_ms - expected;
  steady_ms_ = now.steady_ms;
  trusted_ms_ = expected;
  // A clock that is set twice is two jumps.
  if (!doubt_ || std::abs(jump - doubt_->jump_ms) > kToleranceMs) doubt_ = {now.steady_ms, jump};
  if (std::abs(jump) <= kToleranceMs || now.steady_ms - doubt_->since_steady_ms >= kBelievedAfterMs) {
    trusted_ms_ = now.unix_ms;
    doubt_.reset();
  }
  return std::min(*trusted_ms_, now.unix_ms);
}

}  // namespace outrider
