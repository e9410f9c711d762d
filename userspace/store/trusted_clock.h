// The time by which history is forgotten. A clock that is set months ahead by mistake must not cost what was recorded:
// a jump is believed once it has lasted for ten minutes of a clock that nobody sets. Internal to store/. Not
// thread-safe.
#pragma once

#include <cstdint>
#include <optional>

namespace outrider {

/// The same instant on two clocks, in milliseconds.
struct Moment {
  std::int64_t unix_ms = 0;
  std::int64_t steady_ms = 0;  ///< only ever goes on, also while the machine sleeps
};

class TrustedClock {
 public:
  /// `known_unix_ms`: it was later than this when history was last written. Without it the first reading is believed.
  explicit TrustedClock(std::optional<std::int64_t> known_unix_ms = std::nullopt) : trusted_ms_(known_unix_ms) {}

  /// Unix milliseconds; never later than `now.unix_ms`.
  std::int64_t read(const Moment& now);

 private:
  struct Doubt {
    std::int64_t since_steady_ms = 0;
    std::int64_t jump_ms = 0;
  };
  std::optional<std::int64_t> trusted_ms_;  ///< at the last reading
  std::optional<std::int64_t> steady_ms_;   ///< at the last reading
  std::optional<Doubt> doubt_;
};

}  // namespace outrider
