// Compares what was counted from outside with what the engine says it has counted. The two are never read at one
// moment: each reading of the engine lies between two of ours, so that what the engine has counted more than we have is
// known within bounds, as wide as what ran in between. What was missed since the first reading lies between the
// difference of those bounds and of the first ones. Pure arithmetic on what it is given; not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "userspace/audit/engine_counter.h"
#include "userspace/model/agent_figures.h"

namespace outrider {

class AuditBook {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// How far our total had come at some moment between two.
  struct Ours {
    Time begin, end;
    std::uint64_t queries = 0;
    std::uint64_t in_flight = 0;  ///< then: the engine may have counted them already
  };
  struct Theirs {
    Time begin, end;
    std::int64_t unix_ms = 0;
    EngineCount count;
  };

  /// Each later than those before. A total that shrinks begins anew.
  void ours(const Ours& total);
  /// The totals from here on have nothing to do with those before: nobody looked in between, or only now and then.
  void interrupt();
  /// Is compared as soon as a later total of ours is there; one that comes before that is left out.
  void theirs(Theirs reading);

  /// Since the first reading after the last interruption; none: there has been no second one yet.
  [[nodiscard]] const std::optional<AuditComparison>& comparison() const { return comparison_; }
  /// How often it had to begin anew, be it for us or for the engine.
  [[nodiscard]] std::uint64_t restarts() const { return restarts_; }

 private:
  /// Of the engine's total over ours.
  struct Excess {
    std::int64_t least = 0, most = 0;
  };

  void restart();
  void compare(const Theirs& reading, const Excess& excess);

  std::deque<Ours> ours_;          // the last one before the reading that waits, if one does, and all later ones
  std::optional<Theirs> waiting_;  // for a later total of ours
  std::optional<Theirs> first_, last_;
  Excess first_excess_;
  std::optional<AuditComparison> comparison_;
  std::uint64_t restarts_ = 0;
};

}  // namespace outrider
