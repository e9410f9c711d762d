// What happened between two readings of a target's counters, and the running totals since attach. Plain data and
// plain functions; RunningTotals is owned by whoever watches the target and is not thread-safe. Nanoseconds.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "userspace/model/counters.h"
#include "userspace/model/histogram.h"

namespace outrider {

/// Figures of one query type: differences of TypeCounters, or their sum since attach.
struct TypeFigures {
  std::uint64_t queries = 0, failed = 0, abandoned = 0, timed = 0;
  std::uint64_t duration_ns = 0;
  std::uint64_t cache_hits = 0, cache_misses = 0;
  std::array<std::uint64_t, OUTRIDER_WAIT_CLASSES> wait_ns{};
  std::uint64_t max_ns = 0;
  SparseHistogram histogram;
  double unseen_queries = 0, unseen_failed = 0;  ///< estimated, for the time without probes

  void add(const TypeFigures& other);
};

/// Where queries are counted whose type has no slot.
inline constexpr const char* kOtherType = "other";

/// (valid UTF-8 name, nested)
using TypeId = std::pair<std::string, bool>;

/// Which type waited (valid UTF-8), for which (empty: for none), and the class of the wait.
struct BlockId {
  std::string type, blocked_by;
  std::uint32_t wait_class = 0;

  bool operator<(const BlockId& other) const {
    return std::tie(type, blocked_by, wait_class) < std::tie(other.type, other.blocked_by, other.wait_class);
  }
};

struct TargetFigures {
  std::map<TypeId, TypeFigures> types;
  /// Of totals: what types had that made room for others, as "other". It is none of the type `other`'s, for that is a
  /// counter, and would seem to have run all of it at once.
  std::map<TypeId, TypeFigures> given_up;
  std::map<std::string, PhaseCounters> phases;
  std::map<BlockId, PhaseCounters> blocks;         ///< waits, and their time
  std::uint64_t cache_hits = 0, cache_misses = 0;  ///< cache probes only
  std::uint64_t cpu_ns = 0, faults = 0;
  std::array<std::uint64_t, OUTRIDER_LOSSES> losses{};
  std::uint64_t peak = 0;
};

/// current - previous. A type of which nothing ended is left out; one that is new counts from zero; one that vanished
/// had nothing more; counters that fell (probes attached anew) count from zero too, because what they show has happened
/// since.
TargetFigures difference(const TargetCounters& previous, const TargetCounters& current);

/// CPU time and faults are summed over live threads and those that have exited; in between a thread is in neither sum.
/// Carries the highest sums over, so that its return is not taken for growth.
void keep_highest(const TargetCounters& previous, TargetCounters& current);

/// A reading covers `earlier`'s interval too, which nobody took: the highest figures and the slowest queries of both
/// are `current`'s.
void keep_maxima(const TargetCounters& earlier, TargetCounters& current);

/// Sums differences since attach, so that totals never fall and never wrap, and extrapolates query counts over
/// time without probes: by the share seen in an interval, or by the last known rate where nothing was seen.
class RunningTotals {
 public:
  /// `query_share`: share of the interval, 0..1, in which the query probes were attached.
  void add(const TargetFigures& interval, double seconds, double query_share = 1);

  /// What a type without a slot has had becomes that of `other`; it counts from zero if it comes back.
  void give_up(const std::string& type);

  [[nodiscard]] const TargetFigures& figures() const { return figures_; }
  /// Query counts contain an extrapolated part.
  [[nodiscard]] bool estimated() const { return estimated_; }
  /// Queries a second of that type when it was last seen; 0 if never.
  [[nodiscard]] double last_rate(const TypeId& type) const;
  [[nodiscard]] double seconds() const { return seconds_; }

 private:
  struct Rate {
    double queries = 0, failed = 0;
  };
  void extrapolate(const TargetFigures& interval, double seconds, double query_share);

  TargetFigures figures_;
  std::map<TypeId, Rate> rates_;
  double seconds_ = 0;
  bool estimated_ = false;
};

}  // namespace outrider
