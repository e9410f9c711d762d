// What a figure usually is at a given load. A mean over all hours calls every busy one an anomaly, so the level is kept
// by half octaves of throughput and interpolated between them. Constant memory, not thread-safe.
#pragma once

#include <array>
#include <cstddef>

namespace outrider {

class LoadBaseline {
 public:
  /// `half_life`: of what a cell has learned, in samples that it saw.
  explicit LoadBaseline(double half_life) : gain_(1 - half_of(half_life)) {}

  struct Expected {
    double level = 0;
    double samples = 0;  ///< that were learned at about this load
  };

  /// `load` is above 0. Without samples the level means nothing.
  [[nodiscard]] Expected expected(double load) const;

  /// Moves what is expected at `load` towards `value`, as if that were at most `clip` away; returns by how much it
  /// moved.
  double learn(double load, double value, double clip);

  /// A new level has been accepted: at every load the same.
  void shift(double by);

  template <typename Self, typename State>
  static void visit(Self& self, State& state) {
    state(self.cells_);
  }

 private:
  static constexpr std::size_t kCells = 64;

  struct Cell {
    double level = 0;
    double samples = 0;

    template <typename Self, typename State>
    static void visit(Self& self, State& state) {
      state(self.level, self.samples);
    }
  };
  struct Place {
    std::size_t cell = 0;  ///< and the next one
    double share = 0;      ///< of the next one
  };

  static double half_of(double half_life);
  static Place place_of(double load);
  void begin(std::size_t cell, double value);
  [[nodiscard]] double level_at(const Place& place) const;

  double gain_;
  std::array<Cell, kCells> cells_{};
};

}  // namespace outrider
