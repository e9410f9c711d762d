#include "userspace/model/figures.h"

#include <algorithm>
#include <tuple>

#include "userspace/model/utf8.h"

namespace outrider {
namespace {

std::uint64_t grown(std::uint64_t now, std::uint64_t before) { return now >= before ? now - before : now; }

TypeFigures difference(const TypeCounters& before, const TypeCounters& now) {
  TypeFigures result;
  result.queries = now.queries - before.queries;
  result.failed = grown(now.failed, before.failed);
  result.abandoned = grown(now.abandoned, before.abandoned);
  result.timed = grown(now.timed, before.timed);
  result.duration_ns = grown(now.duration_ns, before.duration_ns);
  result.cache_hits = grown(now.cache_hits, before.cache_hits);
  result.cache_misses = grown(now.cache_misses, before.cache_misses);
  for (std::size_t i = 0; i < result.wait_ns.size(); ++i) {
    result.wait_ns[i] = grown(now.wait_ns[i], before.wait_ns[i]);
  }
  result.max_ns = now.interval_max_ns;
  result.histogram = subtract(now.histogram, before.histogram);
  return result;
}

// A target's slots may hold types of an engine that had its place before.
bool unchanged(const TypeCounters& before, const TypeCounters& now) {
  return now.queries == before.queries && now.abandoned == before.abandoned && now.duration_ns == before.duration_ns &&
         now.cache_hits == before.cache_hits && now.cache_misses == before.cache_misses;
}

template <typename Key>
void add_to(std::map<Key, PhaseCounters>& sums, const Key& key, PhaseCounters counters) {
  PhaseCounters& sum = sums[key];
  sum.count += counters.count;
  sum.total_ns += counters.total_ns;
}

std::map<BlockId, PhaseCounters> by_id(const std::vector<BlockCounters>& blocks) {
  std::map<BlockId, PhaseCounters> sums;
  for (const BlockCounters& block : blocks) {
    add_to(sums, BlockId{valid_utf8(block.type), valid_utf8(block.blocked_by), block.wait_class},
           {block.count, block.ns});
  }
  return sums;
}

std::map<BlockId, PhaseCounters> difference(const std::vector<BlockCounters>& previous,
                                            const std::vector<BlockCounters>& current) {
  const std::map<BlockId, PhaseCounters> before = by_id(previous);
  std::map<BlockId, PhaseCounters> now = by_id(current);
  for (auto& [id, sum] : now) {
    const auto found = before.find(id);
    if (found == before.end() || found->second.count > sum.count) continue;
    sum = {sum.count - found->second.count, grown(sum.total_ns, found->second.total_ns)};
  }
  std::erase_if(now, [](const auto& block) { return block.second.count == 0; });
  return now;
}

}  // namespace

void TypeFigures::add(const TypeFigures& other) {
  queries += other.queries;
  failed += other.failed;
  abandoned += other.abandoned;
  timed += other.timed;
  duration_ns += other.duration_ns;
  cache_hits += other.cache_hits;
  cache_misses += other.cache_misses;
  for (std::size_t i = 0; i < wait_ns.size(); ++i) wait_ns[i] += other.wait_ns[i];
  max_ns = std::max(max_ns, other.max_ns);
  merge(histogram, other.histogram);
  unseen_queries += other.unseen_queries;
  unseen_failed += other.unseen_failed;
}

TargetFigures difference(const TargetCounters& previous, const TargetCounters& current) {
  static const TypeCounters kNone;
  using Key = std::tuple<std::string_view, bool, std::uint64_t>;
  std::map<Key, const TypeCounters*> before;
  for (const TypeCounters& type : previous.types) before[Key(type.type, type.nested, type.slot)] = &type;

  TargetFigures result;
  for (const TypeCounters& type : current.types) {
    const auto found = before.find(Key(type.type, type.nested, type.slot));
    const bool known = found != before.end() && found->second->queries <= type.queries;
    if (known && unchanged(*found->second, type)) continue;
    TypeFigures figures = difference(known ? *found->second : kNone, type);
    const auto [entry, added] = result.types.try_emplace({valid_utf8(type.type), type.nested}, std::move(figures));
    // Two names may become one when their invalid bytes are replaced; nothing was moved then.
    if (!added) entry->second.add(figures);
  }
  for (const auto& [name, phase] : current.phases) {
    const auto found = previous.phases.find(name);
    const PhaseCounters old = found == previous.phases.end() ? PhaseCounters{} : found->second;
    add_to(result.phases, valid_utf8(name), {grown(phase.count, old.count), grown(phase.total_ns, old.total_ns)});
  }
  result.blocks = difference(previous.blocks, current.blocks);
  result.cache_hits = grown(current.cache_hits, previous.cache_hits);
  result.cache_misses = grown(current.cache_misses, previous.cache_misses);
  // These are summed over live threads, so one that is just exiting is missing for a moment: no new beginning.
  result.cpu_ns = std::max(current.cpu_ns, previous.cpu_ns) - previous.cpu_ns;
  result.faults = std::max(current.faults, previous.faults) - previous.faults;
  for (std::size_t i = 0; i < result.losses.size(); ++i) {
    result.losses[i] = grown(current.losses[i], previous.losses[i]);
  }
  // The kernel notes a peak when a query starts; queries that were open all the time count as well.
  const auto open = std::max({previous.concurrent, current.concurrent, std::int64_t{0}});
  result.peak = std::max(current.interval_peak, static_cast<std::uint64_t>(open));
  return result;
}

void keep_highest(const TargetCounters& previous, TargetCounters& current) {
  current.cpu_ns = std::max(current.cpu_ns, previous.cpu_ns);
  current.faults = std::max(current.faults, previous.faults);
}

void keep_maxima(const TargetCounters& earlier, TargetCounters& current) {
  current.interval_peak = std::max(current.interval_peak, earlier.interval_peak);
  for (TypeCounters& type : current.types) {
    const auto same = std::find_if(earlier.types.begin(), earlier.types.end(), [&](const TypeCounters& other) {
      return other.slot == type.slot && other.nested == type.nested && other.type == type.type;
    });
    if (same != earlier.types.end()) type.interval_max_ns = std::max(type.interval_max_ns, same->interval_max_ns);
  }
  current.slow.insert(current.slow.end(), earlier.slow.begin(), earlier.slow.end());
}

void RunningTotals::add(const TargetFigures& interval, double seconds, double query_share) {
  for (const auto& [id, type] : interval.types) figures_.types[id].add(type);
  for (const auto& [name, phase] : interval.phases) add_to(figures_.phases, name, phase);
  for (const auto& [id, block] : interval.blocks) add_to(figures_.blocks, id, block);
  figures_.cache_hits += interval.cache_hits;
  figures_.cache_misses += interval.cache_misses;
  figures_.cpu_ns += interval.cpu_ns;
  figures_.faults += interval.faults;
  for (std::size_t i = 0; i < figures_.losses.size(); ++i) figures_.losses[i] += interval.losses[i];
  figures_.peak = std::max(figures_.peak, interval.peak);
  seconds_ += seconds;
  extrapolate(interval, seconds, query_share);
}

void RunningTotals::extrapolate(const TargetFigures& interval, double seconds, double query_share) {
  if (query_share < 1) estimated_ = true;
  if (query_share <= 0) {
    for (const auto& [id, rate] : rates_) {
      figures_.types[id].unseen_queries += rate.queries * seconds;
      figures_.types[id].unseen_failed += rate.failed * seconds;
    }
    return;
  }
  const double seen_seconds = seconds * query_share;
  for (auto& [id, rate] : rates_) {
    if (!interval.types.contains(id)) rate = {};
  }
  for (const auto& [id, type] : interval.types) {
    const auto queries = static_cast<double>(type.queries);
    const auto failed = static_cast<double>(type.failed);
    if (seen_seconds > 0) rates_[id] = {queries / seen_seconds, failed / seen_seconds};
    if (query_share >= 1) continue;
    figures_.types[id].unseen_queries += queries * (1 / query_share - 1);
    figures_.types[id].unseen_failed += failed * (1 / query_share - 1);
  }
}

void RunningTotals::give_up(const std::string& type) {
  for (const bool nested : {false, true}) {
    const auto found = figures_.types.find({type, nested});
    if (found == figures_.types.end()) continue;
    const TypeFigures figures = std::move(found->second);
    figures_.types.erase(found);
    figures_.given_up[{kOtherType, nested}].add(figures);
    rates_.erase({type, nested});
  }
}

double RunningTotals::last_rate(const TypeId& type) const {
  const auto found = rates_.find(type);
  return found == rates_.end() ? 0 : found->second.queries;
}

}  // namespace outrider
