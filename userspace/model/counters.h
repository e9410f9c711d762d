// What the kernel has counted up to one moment, as plain values: the reader in kernel/ fills it, the agent
// subtracts two of them. Everything grows except the fields that say "now". Not thread-safe; plain data.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "bpf/abi/abi.h"
#include "userspace/model/single_query.h"

namespace outrider {

/// A merged histogram (all shards); cells are modulo 2^32, see bpf/abi/histogram.h.
using HistogramCells = std::array<std::uint32_t, OUTRIDER_HIST_BUCKETS>;

/// Counters of one query type of one target, since attach. Nanoseconds.
struct TypeCounters {
  std::string type;
  std::uint64_t slot = 0;  ///< and use of it: of two with one name (one is given up) each grows for itself
  bool nested = false;     ///< queries that ran inside another one: in the type's figures, not in the totals
  std::uint64_t queries = 0;
  std::uint64_t failed = 0;
  std::uint64_t abandoned = 0;
  std::uint64_t duration_ns = 0;
  std::uint64_t cache_hits = 0;
  std::uint64_t cache_misses = 0;
  std::uint64_t timed = 0;  ///< queries whose waits were followed
  std::array<std::uint64_t, OUTRIDER_WAIT_CLASSES> wait_ns{};
  std::uint64_t interval_max_ns = 0;  ///< longest that ended in the interval just closed
  HistogramCells histogram{};
};

struct PhaseCounters {
  std::uint64_t count = 0;
  std::uint64_t total_ns = 0;
};

/// Waits of a type's queries that another query ended, or nobody's: `blocked_by` is empty then.
struct BlockCounters {
  std::string type, blocked_by;
  std::uint32_t wait_class = 0;
  std::uint64_t count = 0;
  std::uint64_t ns = 0;
};

/// Counters of one target, since attach.
struct TargetCounters {
  std::uint64_t time_ns = 0;  ///< CLOCK_MONOTONIC of the reading
  std::vector<TypeCounters> types;
  std::map<std::string, PhaseCounters> phases;
  std::vector<BlockCounters> blocks;
  std::uint64_t starts = 0;
  std::uint64_t cache_hits = 0;  ///< cache probes; those counted by the guard are in `types`
  std::uint64_t cache_misses = 0;
  std::uint64_t cpu_ns = 0;  ///< of all the target's threads, gone ones included
  std::uint64_t faults = 0;  ///< page faults, minor and major
  std::array<std::uint64_t, OUTRIDER_LOSSES> losses{};
  std::array<std::uint64_t, OUTRIDER_RUNS> runs{};
  std::int64_t concurrent = 0;        ///< now
  std::uint64_t interval_peak = 0;    ///< in the interval just closed
  std::uint64_t oldest_start_ns = 0;  ///< now; 0: nothing in flight
  std::uint32_t threads = 0;          ///< now
  std::vector<SlowQuery> slow;        ///< the slowest of each type that ended in the interval just closed
};

}  // namespace outrider
