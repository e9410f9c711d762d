// A straight line through the floors of a figure that goes up and down: the lowest value of each of the last seven
// spans of three minutes, so that a sawtooth has no slope. Least squares; constant memory, not thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace outrider {

class FloorTrend {
 public:
  static constexpr std::size_t kFloors = 7;
  static constexpr std::int64_t kFloorMs = 180'000;
  static constexpr std::int64_t kSpanMs = static_cast<std::int64_t>(kFloors) * kFloorMs;

  struct Line {
    double slope = 0;       ///< a floor
    double t = 0;           ///< the slope over its own standard error; 100 where the line is exact
    double late_slope = 0;  ///< of the last four floors
    double first = 0, last = 0, mean = 0;
  };

  /// True: a floor ended, and the line is a new one.
  bool observe(std::int64_t now_ms, double value);

  /// None before there are seven floors.
  [[nodiscard]] std::optional<Line> line() const;

  template <typename Self, typename State>
  static void visit(Self& self, State& state) {
    state(self.floors_, self.count_, self.floor_);
    state.times(self.begin_ms_);
  }

 private:
  [[nodiscard]] double at(std::size_t place) const { return floors_[(count_ + place) % kFloors]; }

  std::array<double, kFloors> floors_{};  ///< ring
  std::size_t count_ = 0;
  double floor_ = 0;
  std::int64_t begin_ms_ = 0;  ///< of the present floor; 0: there is none
};

}  // namespace outrider
