// When which reading is due. Readings lie on the wall clock's grid (every full second for 1 s), so that points of
// history hold whole intervals and several hosts' figures line up; waiting is done on the monotonic clock, so that a
// clock that is set moves one reading and no more. Pure: both clocks are handed in. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>

namespace outrider {

class Schedule {
 public:
  using Clock = std::chrono::steady_clock;
  using Wall = std::chrono::system_clock;

  /// One moment on both clocks.
  struct Now {
    Clock::time_point steady;
    Wall::time_point wall;

    static Now read() { return {Clock::now(), Wall::now()}; }
  };

  /// What is over at one moment.
  struct Due {
    std::set<std::uint32_t> entries;
    std::uint64_t readings = 0;  ///< how many of the entries are counted
    std::uint64_t missed = 0;    ///< counted intervals that will be read together with a later one
    Clock::duration lag{};       ///< of the entry that was due first
  };

  /// The first reading is half an interval to one and a half away. An entry that exists starts anew. `counted`: as a
  /// reading, in Due.
  void add(std::uint32_t entry, std::chrono::milliseconds interval, const Now& now, bool counted = true);
  void remove(std::uint32_t entry) { entries_.erase(entry); }

  /// When something is due next; the far future if there are no entries.
  [[nodiscard]] Clock::time_point next() const;

  /// The entries that are due by now; each is scheduled for its next reading.
  Due take(const Now& now);

 private:
  struct Entry {
    std::chrono::milliseconds interval{};
    Clock::time_point due;
    bool counted = true;
  };

  std::map<std::uint32_t, Entry> entries_;
};

}  // namespace outrider
