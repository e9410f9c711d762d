#include "userspace/model/flame.h"

#include <algorithm>

namespace outrider {

FlameNode& FlameTree::child(FlameNode& parent, const std::string& name) {
  const auto found = parent.children.find(name);
  if (found != parent.children.end()) return *found->second;
  ++nodes_;
  return *parent.children.emplace(name, std::make_unique<FlameNode>()).first->second;
}

void FlameTree::add(std::span<const std::string> frames, std::uint64_t value) {
  FlameNode* node = &root_;
  node->total += value;
  std::size_t depth = 0;
  for (const std::string& frame : frames) {
    const bool full = (nodes_ >= kMaxNodes || ++depth == kMaxDepth) && !node->children.contains(frame);
    node = &child(*node, full ? "[more]" : frame);
    node->total += value;
    if (full) break;
  }
  node->self += value;
}

double FlameGraph::broken_share() const {
  if (tree.total() == 0) return 0;
  return static_cast<double>(broken) / static_cast<double>(tree.total());
}

double FlameGraph::in_unit(std::uint64_t value) const {
  return kind == FlameKind::kOnCpu ? static_cast<double>(value) : static_cast<double>(value) / 1e9;
}

}  // namespace outrider
