#include "userspace/service/queries.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iterator>
#include <utility>

#include "userspace/model/queries_json.h"
#include "userspace/model/statement.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

// Each of these has its own slowest ones, so that a bad minute does not hide the rest of the hour.
constexpr std::int64_t kPartMs = 300'000;
constexpr std::size_t kMostShown = 20;
constexpr const char* kNotProbed = "the starts of its queries are not probed now: light mode, or it is not watched";

}  // namespace

void Queries::configure(const Config& config) {
  if (const Status status = stacks_.start(); !status)
    spdlog::warn("stacks of queries in flight: {}", status.error().message);
  const std::lock_guard lock(mutex_);
  in_flight_after_seconds_ = std::chrono::duration<double>(config.in_flight_after).count();
  std::map<std::string, Kept> targets;
  for (const TargetConfig& target : config.targets) {
    Kept& kept = targets[target.name];
    // What was kept under another rule may say more than is allowed now.
    const auto old = targets_.find(target.name);
    if (old != targets_.end() && old->second.text == target.query_text) kept = std::move(old->second);
    kept.text = target.query_text;
    kept.in_flight.reset();  // it may not be watched any more
  }
  targets_ = std::move(targets);
  waiting_.clear();
}

void Queries::Part::enter(SlowQuery query) {
  const bool full = slowest.size() >= OUTRIDER_SLOW_QUERIES;
  if (full && query.duration_ns <= slowest.back().duration_ns) return;
  if (full) slowest.pop_back();
  const auto place = std::upper_bound(slowest.begin(), slowest.end(), query.duration_ns,
                                      [](std::uint64_t ns, const SlowQuery& other) { return ns > other.duration_ns; });
  slowest.insert(place, std::move(query));
}

void Queries::enter(Kept& kept, FoundQueries& found) {
  kept.time_ms = found.time_ms;
  kept.in_flight = std::move(found.in_flight);
  for (SlowQuery& query : found.slow) {
    std::vector<Part>& parts = kept.types[query.type];
    const std::int64_t begin = found.time_ms / kPartMs * kPartMs;
    if (parts.empty() || parts.back().begin_ms != begin) parts.push_back({.begin_ms = begin, .slowest = {}});
    parts.back().enter(std::move(query));
  }
  for (auto& [type, parts] : kept.types) {
    std::erase_if(parts, [&](const Part& part) { return part.begin_ms + kPartMs + kKeptMs < found.time_ms; });
  }
  std::erase_if(kept.types, [](const auto& type) { return type.second.empty(); });
  drop_excess(kept);
}

// An application may have a hundred thousand statements in an hour.
void Queries::drop_excess(Kept& kept) {
  if (kept.types.size() <= kMostTypes) return;
  std::vector<std::pair<std::uint64_t, std::string>> by_slowest;
  by_slowest.reserve(kept.types.size());
  for (const auto& [type, parts] : kept.types) {
    std::uint64_t slowest_ns = 0;
    for (const Part& part : parts) slowest_ns = std::max(slowest_ns, part.slowest.front().duration_ns);
    by_slowest.emplace_back(slowest_ns, type);
  }
  const auto end = by_slowest.begin() + static_cast<std::ptrdiff_t>(by_slowest.size() - kMostTypes);
  std::nth_element(by_slowest.begin(), end, by_slowest.end());
  for (auto gone = by_slowest.begin(); gone != end; ++gone) kept.types.erase(gone->second);
}

void Queries::add(FoundQueries found) {
  waiting_.push_back(std::move(found));
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return;
  for (FoundQueries& one : std::exchange(waiting_, {})) {
    const auto kept = targets_.find(one.target);
    if (kept != targets_.end()) enter(kept->second, one);
  }
}

std::optional<Json> Queries::answer(const std::string& target, const std::string& type, std::int64_t now_ms) {
  std::unique_lock lock(mutex_);
  const auto found = targets_.find(target);
  if (found == targets_.end()) return std::nullopt;
  std::vector<SlowQuery> slow;
  for (const auto& [name, parts] : found->second.types) {
    if (!type.empty() && !is_of_type(name, type)) continue;
    for (const Part& part : parts) slow.insert(slow.end(), part.slowest.begin(), part.slowest.end());
  }
  std::optional<std::vector<InFlightQuery>> in_flight = found->second.in_flight;
  Json body = {{"target", target},
               {"slow_of_seconds", kKeptMs / 1000},
               {"in_flight_after_seconds", in_flight_after_seconds_},
               {"text", found->second.text},
               {"time_ms", found->second.time_ms},
               {"slow", Json::array()},
               {"in_flight", in_flight ? Json::array() : Json(nullptr)},
               {"in_flight_missing", in_flight ? Json(nullptr) : Json(kNotProbed)}};
  lock.unlock();  // stacks take their time
  std::erase_if(slow, [&](const SlowQuery& query) {
    const std::int64_t end_ms = query.start_ms + static_cast<std::int64_t>(query.duration_ns / 1'000'000);
    return std::abs(now_ms - end_ms) > kKeptMs;  // one that ends in the future would stay for ever: it lies
  });
  std::sort(slow.begin(), slow.end(),
            [](const SlowQuery& a, const SlowQuery& b) { return a.duration_ns > b.duration_ns; });
  if (slow.size() > kMostShown) slow.resize(kMostShown);
  for (const SlowQuery& query : slow) body["slow"].push_back(to_json(query));
  for (const InFlightQuery& query : in_flight.value_or(std::vector<InFlightQuery>())) {
    if (type.empty() || is_of_type(query.type, type)) body["in_flight"].push_back(to_json(query, stacks_.of(query)));
  }
  return body;
}

}  // namespace outrider
