#include "userspace/model/flame.h"

#include <algorithm>
#include <vector>

namespace outrider {
namespace {

// Of a node beside its name: itself, its place in its parent's map, and what the allocator takes for both.
constexpr std::size_t kBytesOfNode = sizeof(FlameNode) + sizeof(std::pair<const std::string, void*>) + 64;

void visit_stacks(const FlameNode& node, std::vector<std::string>& frames,
                  const std::function<void(std::span<const std::string>, std::uint64_t)>& visit) {
  if (node.self > 0) visit(frames, node.self);
  for (const auto& [name, child] : node.children) {
    frames.push_back(name);
    visit_stacks(*child, frames, visit);
    frames.pop_back();
  }
}

}  // namespace

FlameNode& FlameTree::child(FlameNode& parent, const std::string& name) {
  const auto found = parent.children.find(name);
  if (found != parent.children.end()) return *found->second;
  ++nodes_;
  bytes_ += kBytesOfNode + name.size();
  return *parent.children.emplace(name, std::make_unique<FlameNode>()).first->second;
}

void FlameTree::put(std::span<const std::string> frames, std::uint64_t now, std::uint64_t before) {
  FlameNode* node = &root_;
  const auto count = [&] {
    node->total += now;
    node->before_total += before;
  };
  count();
  std::size_t depth = 0;
  for (const std::string& frame : frames) {
    const bool full = (nodes_ >= kMaxNodes || ++depth == kMaxDepth) && !node->children.contains(frame);
    node = &child(*node, full ? "[more]" : frame);
    count();
    if (full) break;
  }
  node->self += now;
  node->before_self += before;
}

void FlameTree::for_each_stack(const std::function<void(std::span<const std::string>, std::uint64_t)>& visit) const {
  std::vector<std::string> frames;
  visit_stacks(root_, frames, visit);
}

double FlameGraph::broken_share() const {
  if (tree.total() == 0) return 0;
  return static_cast<double>(broken) / static_cast<double>(tree.total());
}

double FlameGraph::in_unit(std::uint64_t value) const {
  return kind == FlameKind::kOnCpu ? static_cast<double>(value) : static_cast<double>(value) / 1e9;
}

double FlameGraph::before_in_unit(std::uint64_t value) const {
  if (!baseline) return 0;
  const double scaled = static_cast<double>(value) * baseline->scale;
  return kind == FlameKind::kOnCpu ? scaled : scaled / 1e9;
}

}  // namespace outrider
