// What can go wrong on demand: KIND[:VALUE][/SHARE]@SECOND[+LENGTH], e.g. `slow:50@10+5` (50 % more CPU work from
// second 10 to 15) or `cond:3/10@0` (3 ms on a condition variable in 10 % of the queries). Plain values, immutable once
// built.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "usdt/example/rng.h"
#include "userspace/base/result.h"

namespace outrider::example {

enum class FaultKind : uint8_t {
  kSlow,    // percent more CPU work
  kErrors,  // percent of the queries fail
  kDrop,    // percent of the traffic is missing
  kCold,    // percent of the looks into the cache find nothing
  kLeak,    // MB a second
  kHang,    // queries stop ending; VALUE is the length in seconds
  kCrash,   // abort()
  // Planted waits; VALUE in milliseconds, SHARE in percent of the queries.
  kLock,
  kDisk,
  kCond,
  kPipe,
  kSocket,
  kPoll,
  kSleep,
  kPageFault,
  kIoUring,
  kSpin,
};

struct FaultSpec {
  FaultKind kind = FaultKind::kSlow;
  double value = 0;
  double share_percent = 100;
  double begin_seconds = 0;
  std::optional<double> length_seconds;  ///< until the end of the load when empty

  [[nodiscard]] bool active_at(double second) const {
    return second >= begin_seconds && (!length_seconds || second < begin_seconds + *length_seconds);
  }
  bool operator==(const FaultSpec&) const = default;
};

/// Fails with one sentence that says what was expected.
Result<FaultSpec> parse_fault(std::string_view text);

/// Whether the kind makes the query that it hits wait (or spin) for VALUE milliseconds.
constexpr bool is_planted_wait(FaultKind kind) { return kind >= FaultKind::kLock; }

/// The kinds and their values, one line each, for --help.
std::string fault_help();

/// What is wrong with one query.
struct QueryFaults {
  double slow_percent = 0;
  bool fails = false;
  bool throws = false;  ///< the failure leaves as an exception
  bool hangs = false;
  bool misses = false;  ///< whatever the cache holds
  std::optional<FaultKind> wait;
  double wait_ms = 0;
};

class FaultPlan {
 public:
  explicit FaultPlan(std::vector<FaultSpec> specs) : specs_(std::move(specs)) {}

  /// Draws what hits a query that begins at `second`. The shares of planted waits are disjoint: two of 10 % each hit
  /// 20 % of the queries.
  [[nodiscard]] QueryFaults draw(double second, Rng& rng) const;
  /// The first active fault of a kind, or null.
  [[nodiscard]] const FaultSpec* active(FaultKind kind, double second) const;
  [[nodiscard]] bool has(FaultKind kind) const;
  [[nodiscard]] bool empty() const { return specs_.empty(); }
  [[nodiscard]] const std::vector<FaultSpec>& specs() const { return specs_; }
  /// Forgets every fault of a kind (the kernel refuses it).
  void remove(FaultKind kind);

 private:
  std::vector<FaultSpec> specs_;
};

}  // namespace outrider::example
