// Stacks merged into a tree, which is what a flame graph draws: each node's value is that of all stacks that go through
// it. Plain data; not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>

namespace outrider {

/// What the values are: samples of threads that ran, or nanoseconds that threads waited.
enum class FlameKind { kOnCpu, kOffCpu };

struct FlameNode {
  std::uint64_t total = 0;  ///< of the stacks that go through here
  std::uint64_t self = 0;   ///< of those that end here
  std::map<std::string, std::unique_ptr<FlameNode>, std::less<>> children;
};

class FlameTree {
 public:
  /// Adds a stack, the outermost frame first. When the tree has grown to its limit, what is new of the stack is one
  /// frame, "[more]".
  void add(std::span<const std::string> frames, std::uint64_t value);

  [[nodiscard]] const FlameNode& root() const { return root_; }
  [[nodiscard]] std::uint64_t total() const { return root_.total; }
  [[nodiscard]] std::size_t nodes() const { return nodes_; }

  static constexpr std::size_t kMaxNodes = 100'000;
  static constexpr std::size_t kMaxDepth = 256;

 private:
  FlameNode& child(FlameNode& parent, const std::string& name);

  FlameNode root_;
  std::size_t nodes_ = 0;
};

/// A profile of one target and what is to be known about it.
struct FlameGraph {
  std::string target;
  std::string type;  ///< empty: all types; the outermost frame is the type then
  FlameKind kind = FlameKind::kOnCpu;
  double seconds = 0;      ///< how long was looked
  unsigned frequency = 0;  ///< of samples, on each CPU; 0: waits
  FlameTree tree;
  std::uint64_t stacks = 0;  ///< samples, or waits, in the tree
  std::uint64_t broken = 0;  ///< of the tree's total: their outermost frames are missing, "[truncated]" says so
  std::uint64_t short_waits = 0, short_wait_ns = 0;  ///< waits too short to be in the tree
  std::map<std::string, std::uint64_t> losses;       ///< by reason

  [[nodiscard]] double broken_share() const;  ///< 0..1
  /// "samples" or "seconds", and a value of the tree in it.
  [[nodiscard]] const char* unit() const { return kind == FlameKind::kOnCpu ? "samples" : "seconds"; }
  [[nodiscard]] double in_unit(std::uint64_t value) const;
};

inline constexpr const char* kTruncatedFrame = "[truncated]";

}  // namespace outrider
