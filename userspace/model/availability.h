// How much of the time a target was there and served: the state now, the ratios over 1 h, 24 h and 30 d, and what is
// left of the down time that an objective allows. Memory is constant (2,162 buckets, 26 KB): a ring of minutes for the
// two short windows and a ring of hours for the long one. Time is handed in as Unix milliseconds. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/model/snapshot.h"

namespace outrider {

struct AvailabilityOptions {
  double objective = 0.999;                ///< 0..1, share of 30 days in which the target should be up
  std::int64_t stalled_after_ms = 30'000;  ///< in flight, and nothing ends for this long
  /// Longest time between two observations that the second one vouches for; a longer one is unknown as a whole.
  std::int64_t longest_gap_ms = 10'000;
};

/// What is seen of a target at one moment.
struct AvailabilityObservation {
  std::int64_t now_ms = 0;                ///< Unix time
  std::optional<bool> running;            ///< its process is there; none if that cannot be told
  std::optional<std::int64_t> in_flight;  ///< queries that run; none if that is not followed
  std::uint64_t ended = 0;                ///< queries that ever ended, in whichever way
};

/// The observation that a snapshot amounts to.
AvailabilityObservation observation_of(const Snapshot& snapshot, std::optional<bool> running);

/// Sums of time by clock-aligned bucket. A bucket carries its number, so one that is outdated reads as empty.
class AvailabilityRing {
 public:
  struct Sums {
    std::int64_t up_ms = 0, bad_ms = 0;
  };
  struct Bucket {
    std::uint32_t number = 0;  ///< Unix time over the width
    std::uint32_t up_ms = 0, bad_ms = 0;
  };

  /// `width_ms` of a bucket; `windows` of that width can be summed.
  AvailabilityRing(std::int64_t width_ms, std::size_t windows) : width_ms_(width_ms), buckets_(windows + 1) {}

  /// Adds [from_ms, to_ms), split at the buckets' edges.
  void add(std::int64_t from_ms, std::int64_t to_ms, bool up);
  /// Adds a ring of the same width and size; where a bucket is of different times, the later one stays.
  void add(const AvailabilityRing& other);
  /// The bucket of `now_ms` and the `windows` before it.
  [[nodiscard]] Sums sums(std::int64_t now_ms, std::size_t windows) const;

  /// Buckets in use by number; runs of equal ones as one entry, as [first number, how many, up_ms, bad_ms].
  [[nodiscard]] std::vector<std::array<std::int64_t, 4>> runs() const;
  /// False, with the ring emptied, if an entry could not have come from runs().
  bool set_runs(const std::vector<std::array<std::int64_t, 4>>& runs);

 private:
  Bucket& bucket(std::int64_t number) { return buckets_[static_cast<std::size_t>(number) % buckets_.size()]; }

  std::int64_t width_ms_;
  std::vector<Bucket> buckets_;
};

class AvailabilityTracker {
 public:
  explicit AvailabilityTracker(const AvailabilityOptions& options = {}) : options_(options) {}

  /// The time since the last observation counts for the state found now: up, or bad when stalled or down. It counts
  /// as unknown, hence not at all, when the state is unknown, after a gap, before the first one, and when the clock
  /// went backwards. A process of which nothing ends for long is unknown too where it cannot be told what is in flight.
  void observe(const AvailabilityObservation& seen);

  /// Ratios are up / (up + stalled + down), none where nothing is known; a window starts at a bucket's edge, so it is
  /// up to a minute (1 h, 24 h) or an hour (30 d) longer than its name. The budget is the bad time that the objective
  /// allows in 30 full days; what is left of it is 0 when it is overspent. The state is unknown when the last
  /// observation is older than the longest gap.
  [[nodiscard]] Availability current(std::int64_t now_ms) const;

  /// All that a restarted agent needs, as one line of JSON; at most about 100 KB, a few hundred bytes for a target
  /// that was steadily up.
  [[nodiscard]] std::string serialise() const;

  /// Adds what serialise() gave to what this tracker has seen. On an error (no JSON, another version, impossible
  /// figures) nothing is added.
  Status restore(std::string_view text);

 private:
  enum class State { kUnknown, kUp, kStalled, kDown };
  State judge(const AvailabilityObservation& seen);

  AvailabilityOptions options_;
  AvailabilityRing minutes_{60'000, std::size_t{24} * 60};
  AvailabilityRing hours_{3'600'000, std::size_t{30} * 24};
  State state_ = State::kUnknown;
  std::optional<std::int64_t> last_ms_;      ///< last observation of this agent
  std::optional<std::int64_t> progress_ms_;  ///< when something last ended, or nothing was in flight
  std::uint64_t ended_ = 0;
};

}  // namespace outrider
