// Stacks merged into a tree, which is what a flame graph draws: each node's value is that of all stacks that go through
// it. A graph that is compared with an earlier one has both values in each node. Plain data; not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace outrider {

/// What the values are: samples of threads that ran, or nanoseconds that threads waited.
enum class FlameKind { kOnCpu, kOffCpu };

struct FlameNode {
  std::uint64_t total = 0;                          ///< of the stacks that go through here
  std::uint64_t self = 0;                           ///< of those that end here
  std::uint64_t before_total = 0, before_self = 0;  ///< as they were in the earlier graph, unscaled
  std::map<std::string, std::unique_ptr<FlameNode>, std::less<>> children;
};

class FlameTree {
 public:
  /// Adds a stack, the outermost frame first. When the tree has grown to its limit, what is new of the stack is one
  /// frame, "[more]".
  void add(std::span<const std::string> frames, std::uint64_t value) { put(frames, value, 0); }
  /// As add(), of the earlier graph: a frame that this one does not have is one of value 0.
  void add_before(std::span<const std::string> frames, std::uint64_t value) { put(frames, 0, value); }

  /// Of this graph, not of the earlier one: `visit(frames, value)`, the outermost frame first.
  void for_each_stack(const std::function<void(std::span<const std::string>, std::uint64_t)>& visit) const;

  [[nodiscard]] const FlameNode& root() const { return root_; }
  [[nodiscard]] std::uint64_t total() const { return root_.total; }
  [[nodiscard]] std::size_t nodes() const { return nodes_; }
  /// What it takes of the memory, about.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

  static constexpr std::size_t kMaxNodes = 100'000;
  static constexpr std::size_t kMaxDepth = 256;

 private:
  void put(std::span<const std::string> frames, std::uint64_t now, std::uint64_t before);
  FlameNode& child(FlameNode& parent, const std::string& name);

  FlameNode root_;
  std::size_t nodes_ = 0;
  std::size_t bytes_ = 0;
};

/// What a graph is compared with.
struct FlameBaseline {
  double seconds = 0;        ///< how long was looked then
  std::int64_t time_ms = 0;  ///< Unix time of its end; 0: not known
  double scale = 1;          ///< its values times this are to be compared with the graph's
};

/// What is to be known about a profile of one target.
struct FlameFacts {
  std::string target;
  std::string type;  ///< empty: all types; the outermost frame is the type then
  FlameKind kind = FlameKind::kOnCpu;
  double seconds = 0;        ///< how long was looked
  unsigned frequency = 0;    ///< of samples, on each CPU; 0: waits
  std::uint64_t stacks = 0;  ///< samples, or waits, in the tree
  std::uint64_t broken = 0;  ///< of the tree's total: their outermost frames are missing, "[truncated]" says so
  std::uint64_t short_waits = 0, short_wait_ns = 0;  ///< waits too short to be in the tree
  std::map<std::string, std::uint64_t> losses;       ///< by reason
  std::optional<FlameBaseline> baseline;             ///< none: it is compared with nothing
};

struct FlameGraph : FlameFacts {
  FlameGraph() = default;
  FlameGraph(const FlameFacts& facts, FlameTree merged) : FlameFacts(facts), tree(std::move(merged)) {}

  FlameTree tree;

  [[nodiscard]] double broken_share() const;  ///< 0..1
  /// "samples" or "seconds", and a value of the tree in it.
  [[nodiscard]] const char* unit() const { return kind == FlameKind::kOnCpu ? "samples" : "seconds"; }
  [[nodiscard]] double in_unit(std::uint64_t value) const;
  /// A value of the earlier graph, scaled, in the same unit. Without a baseline 0.
  [[nodiscard]] double before_in_unit(std::uint64_t value) const;
};

inline constexpr const char* kTruncatedFrame = "[truncated]";

}  // namespace outrider
