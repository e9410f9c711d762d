// Recordings that are over, to be looked at again and to be compared with: the newest, in memory, so a restart forgets
// them. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "userspace/model/flame.h"

namespace outrider {

/// What recordings must have in common to be compared.
struct FlameSubject {
  std::string target, type;
  FlameKind kind = FlameKind::kOnCpu;
  friend bool operator==(const FlameSubject&, const FlameSubject&) = default;
};

struct KeptFlame {
  FlameSubject subject;
  std::int64_t time_ms = 0;                  ///< Unix time of its end; no other has the same
  std::chrono::steady_clock::time_point at;  ///< the same moment, by a clock that is not set
  std::shared_ptr<const FlameGraph> graph;
};

class FlameArchive {
 public:
  static constexpr std::size_t kMostOfOne = 8, kMost = 64, kMostBytes = 32U << 20U;

  /// The oldest give way, of the same subject first. Returns its time: `time_ms`, or the next that no other has.
  std::int64_t add(KeptFlame flame);

  /// Newest first.
  [[nodiscard]] std::vector<KeptFlame> of(const FlameSubject& subject) const;
  /// Null: there is none of that time, or there is no more.
  [[nodiscard]] const KeptFlame* find(std::int64_t time_ms) const;
  void keep_only(const std::set<std::string>& targets);

 private:
  using Place = std::deque<KeptFlame>::const_iterator;
  Place drop(const Place& which);  ///< the one behind it

  std::deque<KeptFlame> kept_;  ///< oldest first
  std::size_t bytes_ = 0;
};

}  // namespace outrider
