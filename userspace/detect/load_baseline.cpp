#include "userspace/detect/load_baseline.h"

#include <algorithm>
#include <cmath>

namespace outrider {

double LoadBaseline::half_of(double half_life) { return std::exp2(-1 / half_life); }

// Cells lie at powers of the square root of 2, from 2^-8 queries a second on.
LoadBaseline::Place LoadBaseline::place_of(double load) {
  const double position = std::clamp(2 * (std::log2(load) + 8), 0.0, static_cast<double>(kCells) - 1.001);
  const auto cell = static_cast<std::size_t>(position);
  return {cell, position - static_cast<double>(cell)};
}

double LoadBaseline::level_at(const Place& place) const {
  const Cell& low = cells_[place.cell];
  const Cell& high = cells_[place.cell + 1];
  if (low.samples <= 0) return high.level;
  if (high.samples <= 0) return low.level;
  return (1 - place.share) * low.level + place.share * high.level;
}

LoadBaseline::Expected LoadBaseline::expected(double load) const {
  const Place place = place_of(load);
  return {level_at(place),
          (1 - place.share) * cells_[place.cell].samples + place.share * cells_[place.cell + 1].samples};
}

// A cell that was never used begins where its nearest neighbour is: figures change little over half an octave.
void LoadBaseline::begin(std::size_t cell, double value) {
  for (std::size_t distance = 1; distance < kCells; ++distance) {
    for (const std::size_t other : {cell - distance, cell + distance}) {
      if (other < kCells && cells_[other].samples > 0) {
        cells_[cell].level = cells_[other].level;
        return;
      }
    }
  }
  cells_[cell].level = value;
}

double LoadBaseline::learn(double load, double value, double clip) {
  const Place place = place_of(load);
  for (const std::size_t cell : {place.cell, place.cell + 1}) {
    if (cells_[cell].samples <= 0) begin(cell, value);
  }
  const double before = level_at(place);
  const double residual = std::clamp(value - before, -clip, clip);
  const auto learn_one = [&](Cell& cell, double weight) {
    cell.samples += weight;
    cell.level += weight * residual * std::max(gain_, 1 / (1 + cell.samples));
  };
  learn_one(cells_[place.cell], 1 - place.share);
  learn_one(cells_[place.cell + 1], place.share);
  return level_at(place) - before;
}

void LoadBaseline::shift(double by) {
  for (Cell& cell : cells_) cell.level += by;
}

}  // namespace outrider
