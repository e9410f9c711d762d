// Mean throughput over the last five minutes. Not thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <optional>

namespace outrider {

/// A ring of 300 one-second rates. Longer intervals fill several seconds, shorter ones share a second.
class ThroughputWindow {
 public:
  static constexpr std::size_t kSeconds = 300;

  /// `queries` ended in the next `seconds`.
  void add(double queries, double seconds);
  /// Queries a second over the seconds seen, at most 300; none before the first add().
  [[nodiscard]] std::optional<double> mean() const;

 private:
  void push(double rate);

  std::array<double, kSeconds> rates_{};
  std::size_t next_ = 0;
  std::size_t used_ = 0;
  double partial_queries_ = 0;
  double partial_seconds_ = 0;
};

}  // namespace outrider
