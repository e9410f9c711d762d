#include "userspace/detect/type_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "userspace/base/units.h"

namespace outrider {
namespace {

constexpr double kAlmostASecond = 0.95, kLongestSample = 60;
constexpr std::int64_t kAcceptMs = 900'000;
// The target's own incident comes first where there is one, and it speaks for types that began to be slow with it.
constexpr std::int64_t kHoldMs = 30'000, kTogetherMs = 120'000;
constexpr double kLeastShareOfMove = 0.25;   // of what moved, for a type to be named
constexpr double kLeastTargetQueries = 100;  // usual ones
constexpr double kSlower = 1.1;

QueryCosts costs_of(const TypeMetrics* seen) {
  if (seen == nullptr || seen->interval_count == 0) return {};
  const auto queries = static_cast<double>(seen->interval_count);
  QueryCosts costs;
  costs.queries = queries;
  costs.failed = queries * (1 - seen->success_rate.value_or(1));
  costs.seconds = queries * seen->avg_response_time_seconds.value_or(0);
  if (seen->waits) costs.waits = &*seen->waits;
  return costs;
}

double ratio(double part, double of) { return of > 0 ? part / of : 0; }

}  // namespace

void TypeWatch::gather(Type& type, const Snapshot& snapshot, const TypeMetrics& seen) {
  const double seconds = seen.avg_response_time_seconds.value_or(0);
  if (!std::isfinite(seconds) || seen.interval_count == 0) return;
  type.queries += static_cast<double>(seen.interval_count);
  type.seconds += static_cast<double>(seen.interval_count) * seconds;
  type.recent += static_cast<double>(seen.interval_count);
  type.target_queries += snapshot.query_metrics.queries_per_second * snapshot.interval_seconds;
}

// The lesser of both effects: at its own load a type does not see how busy the others are, and at that of the target
// not how busy it is itself.
std::optional<Finding> TypeWatch::judge_latency(Type& type, std::int64_t now_ms, bool learn) {
  const bool full = type.elapsed >= kAlmostASecond && type.queries >= kLeastQueries;
  if (full) {
    LatencySample sample{now_ms, type.elapsed, type.target_queries / type.elapsed, type.queries,
                         type.seconds / type.queries};
    type.at_target_load.observe(sample, learn);
    sample.queries_per_second = type.queries / type.elapsed;
    type.at_own_load.observe(sample, learn);
  }
  if (full || type.elapsed >= kLongestSample) type.elapsed = type.queries = type.seconds = type.target_queries = 0;
  const auto at_target_load = type.at_target_load.shift(), at_own_load = type.at_own_load.shift();
  if (!at_target_load || !at_own_load) return std::nullopt;
  return at_target_load->expected > at_own_load->expected ? at_target_load : at_own_load;
}

void TypeWatch::judge(Type& type, std::int64_t now_ms, bool learn, std::vector<IncidentEvent>& found) {
  type.shift.update(now_ms, judge_latency(type, now_ms, learn && !type.shift.open()), found);
  if (type.shift.age_ms(now_ms) < kAcceptMs) return;
  type.shift.close(now_ms, "the new level is taken for normal", found);
  type.at_target_load.accept_level();
  type.at_own_load.accept_level();
}

void TypeWatch::tell(Type& type, std::int64_t now_ms, const Context& context, std::vector<IncidentEvent>& found,
                     std::vector<TypeEvent>& events) {
  for (IncidentEvent& event : found) {
    if (event.what == IncidentEvent::What::kOpen) {
      type.held_since_ms = now_ms;
      continue;
    }
    if (type.told) events.push_back({type.name, event, describe_wait(type.costs)});
    if (event.what == IncidentEvent::What::kClose) {
      type.held_since_ms = 0;
      type.told = false;
    }
  }
  if (type.held_since_ms == 0 || now_ms - type.held_since_ms < kHoldMs) return;
  type.held_since_ms = 0;
  const IncidentEvent opening = type.shift.as_opening(now_ms);
  if (context.target_opened_at_ms && opening.since_ms <= *context.target_opened_at_ms + kTogetherMs) return;
  type.told = true;
  events.push_back({type.name, opening, describe_wait(type.costs)});
}

void TypeWatch::went_down() {
  for (Type& type : types_) {
    type.elapsed = type.queries = type.seconds = type.target_queries = 0;
    type.at_target_load.forget_evidence();
    type.at_own_load.forget_evidence();
    type.shift.forget();
    type.held_since_ms = 0;
    type.told = false;
  }
}

void TypeWatch::admit(const std::string& name, double queries) {
  if (types_.size() >= kMost) {
    const auto least = std::min_element(types_.begin(), types_.end(), [](const Type& a, const Type& b) {
      return a.shift.open() != b.shift.open() ? b.shift.open() : a.recent < b.recent;
    });
    if (least->shift.open() || queries < 2 * least->recent) return;
    types_.erase(least);
  }
  if (types_.size() == types_.capacity()) types_.reserve(types_.size() + 8);  // doubled, half would lie idle
  const auto place = std::lower_bound(types_.begin(), types_.end(), name,
                                      [](const Type& type, const std::string& wanted) { return type.name < wanted; });
  Type& type = *types_.emplace(place);
  type.name = name;
  type.recent = queries;
  --left_out_;
}

// Both lists are in the order of names. At most one type is admitted an interval, so that ten thousand of them cost
// little and do not push each other out all the time.
void TypeWatch::observe(const Snapshot& snapshot, const Context& context, std::vector<TypeEvent>& events) {
  const auto& breakdown = snapshot.query_metrics.query_type_breakdown;
  const CostMeans::Keep keep(snapshot.interval_seconds);
  const auto* busiest = breakdown.empty() ? nullptr : &*breakdown.begin();
  std::uint64_t most = 0;
  left_out_ = 0;
  auto seen = breakdown.begin();
  const auto pass_over_until = [&](const std::string* name) {
    for (; seen != breakdown.end() && (name == nullptr || seen->first < *name); ++seen) {
      if (seen->second.interval_count == 0) continue;
      ++left_out_;
      if (seen->second.interval_count <= most) continue;
      most = seen->second.interval_count;
      busiest = &*seen;
    }
  };
  for (Type& type : types_) {
    pass_over_until(&type.name);
    const TypeMetrics* mine = seen != breakdown.end() && seen->first == type.name ? &(seen++)->second : nullptr;
    type.recent *= keep.usual;
    type.elapsed += snapshot.interval_seconds;
    if (mine != nullptr) gather(type, snapshot, *mine);
    type.costs.observe(snapshot.interval_seconds, costs_of(mine), keep, context.learn && !type.shift.open());
    found_.clear();
    judge(type, snapshot.timestamp_ms, context.learn, found_);
    tell(type, snapshot.timestamp_ms, context, found_, events);
  }
  pass_over_until(nullptr);
  if (most > 0) admit(busiest->first, static_cast<double>(most));
}

std::string TypeWatch::describe_slower(const CostMeans& target) const {
  const double usual_queries = target.usual().queries, now_queries = target.now().queries;
  if (types_.size() < 2 || usual_queries < kLeastTargetQueries || !(now_queries > 0)) return "";
  double all = 0, most = 0;
  const Type* best = nullptr;
  for (const Type& type : types_) {  // seconds of the type in a mean query of the target, be they more or slower
    const double more = type.costs.now().seconds / now_queries - type.costs.usual().seconds / usual_queries;
    all += std::max(0.0, more);
    if (more <= most) continue;
    most = more;
    best = &type;
  }
  if (best == nullptr || most < kLeastShareOfMove * all) return "";
  const CostMeans::Sums& usual = best->costs.usual();
  const CostMeans::Sums& now = best->costs.now();
  const double before = ratio(usual.seconds, usual.queries), after = ratio(now.seconds, now.queries);
  const std::string share = fmt::format("({:.0f} % of the increase)", 100 * most / all);
  if (after > kSlower * before) {
    return fmt::format("type {}, {} -> {} a query {}", best->name, format_seconds(before), format_seconds(after),
                       share);
  }
  return fmt::format("more queries of type {}, {:.1f} % -> {:.1f} % of all {}", best->name,
                     100 * usual.queries / usual_queries, 100 * now.queries / now_queries, share);
}

double TypeWatch::mix_share() const {
  double usual_queries = 0, now_queries = 0;
  for (const Type& type : types_) {
    usual_queries += type.costs.usual().queries;
    now_queries += type.costs.now().queries;
  }
  double by_mix = 0, all = 0;
  for (const Type& type : types_) {
    const CostMeans::Sums& usual = type.costs.usual();
    const CostMeans::Sums& now = type.costs.now();
    double expected = type.at_own_load.expected_seconds();
    if (!(expected > 0)) expected = usual.queries > 0 ? usual.seconds / usual.queries : ratio(now.seconds, now.queries);
    const double before = ratio(usual.seconds, usual_queries);
    by_mix += ratio(now.queries, now_queries) * expected - before;
    all += ratio(now.seconds, now_queries) - before;
  }
  return all > 0 ? by_mix / all : 0;
}

std::string TypeWatch::describe_failing() const {
  double all = 0;
  const Type* best = nullptr;
  for (const Type& type : types_) {
    all += type.costs.now().failed;
    if (best == nullptr || type.costs.now().failed > best->costs.now().failed) best = &type;
  }
  if (types_.size() < 2 || !(all > 0)) return "";
  const CostMeans::Sums& now = best->costs.now();
  if (now.failed < kLeastShareOfMove * all) return "";
  return fmt::format("type {}, of which {:.1f} % fail ({:.0f} % of the failures)", best->name,
                     100 * ratio(now.failed, now.queries), 100 * now.failed / all);
}

std::string TypeWatch::describe_missing() const {
  const auto rate = [](const CostMeans::Sums& sums) { return ratio(sums.queries, sums.elapsed); };
  double all = 0, most = 0;
  const Type* best = nullptr;
  for (const Type& type : types_) {
    const double missing = rate(type.costs.usual()) - rate(type.costs.now());
    all += std::max(0.0, missing);
    if (missing <= most) continue;
    most = missing;
    best = &type;
  }
  if (types_.size() < 2 || best == nullptr || most < kLeastShareOfMove * all) return "";
  return fmt::format("type {}, {:.1f}/s -> {:.1f}/s ({:.0f} % of what is missing)", best->name,
                     rate(best->costs.usual()), rate(best->costs.now()), 100 * most / all);
}

}  // namespace outrider
