#include "userspace/model/flame_difference.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace outrider {
namespace {

double scale_of(const FlameGraph& now, const FlameTree& before, double before_seconds) {
  if (now.kind == FlameKind::kOffCpu) return before_seconds > 0 ? now.seconds / before_seconds : 1;
  if (now.tree.total() == 0 || before.total() == 0) return 1;
  return static_cast<double>(now.tree.total()) / static_cast<double>(before.total());
}

std::uint64_t gone_below(const FlameNode& node) {
  if (node.total == 0) return node.before_total;
  std::uint64_t gone = 0;
  for (const auto& [name, child] : node.children) gone += gone_below(*child);
  return gone;
}

}  // namespace

FlameGraph compare_flames(const FlameGraph& now, const FlameTree& before, double before_seconds,
                          std::int64_t before_time_ms) {
  FlameGraph both(now, FlameTree());
  both.baseline = FlameBaseline{
      .seconds = before_seconds, .time_ms = before_time_ms, .scale = scale_of(now, before, before_seconds)};
  now.tree.for_each_stack([&](auto frames, std::uint64_t value) { both.tree.add(frames, value); });
  before.for_each_stack([&](auto frames, std::uint64_t value) { both.tree.add_before(frames, value); });
  return both;
}

double flame_change(const FlameGraph& graph, const FlameNode& node) {
  const FlameNode& root = graph.tree.root();
  const double whole = std::max(graph.in_unit(root.total), graph.before_in_unit(root.before_total));
  if (!graph.baseline || whole <= 0) return 0;
  return (graph.in_unit(node.total) - graph.before_in_unit(node.before_total)) / whole;
}

double flame_gone(const FlameGraph& graph) {
  const std::uint64_t total = graph.tree.root().before_total;
  return total == 0 ? 0 : static_cast<double>(gone_below(graph.tree.root())) / static_cast<double>(total);
}

int flame_change_band(double change) {
  constexpr std::array<double, 3> kFrom = {0.005, 0.03, 0.10};
  const auto band = std::upper_bound(kFrom.begin(), kFrom.end(), std::abs(change)) - kFrom.begin();
  return static_cast<int>(change < 0 ? -band : band);
}

}  // namespace outrider
