#include "userspace/model/availability.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;
using Runs = std::vector<std::array<std::int64_t, 4>>;

constexpr int kVersion = 1;
constexpr std::size_t kHourOfMinutes = 60;
constexpr std::size_t kDayOfMinutes = 24 * kHourOfMinutes;
constexpr std::size_t kMonthOfHours = 30 * std::size_t{24};
constexpr double kMonthMs = 30.0 * 24 * 3'600'000;

std::optional<double> ratio(const AvailabilityRing::Sums& sums) {
  const std::int64_t known = sums.up_ms + sums.bad_ms;
  if (known <= 0) return std::nullopt;
  return static_cast<double>(sums.up_ms) / static_cast<double>(known);
}

// None unless the member is a list of lists of four integers that fit.
std::optional<Runs> runs_of(const Json& json, const char* name) {
  const auto list = json.find(name);
  if (list == json.end() || !list->is_array()) return std::nullopt;
  Runs runs;
  for (const Json& item : *list) {
    if (!item.is_array() || item.size() != 4) return std::nullopt;
    auto& run = runs.emplace_back();
    for (std::size_t i = 0; i < run.size(); ++i) {
      // Anything above 2^53 is nonsense here, and reading it as signed could wrap.
      if (!item[i].is_number_unsigned() || item[i].get<std::uint64_t>() >> 53 != 0) return std::nullopt;
      run[i] = item[i].get<std::int64_t>();
    }
  }
  return runs;
}

}  // namespace

AvailabilityObservation observation_of(const Snapshot& snapshot, std::optional<bool> running) {
  const QueryMetrics& metrics = snapshot.query_metrics;
  return {snapshot.timestamp_ms, running, metrics.current_concurrent,
          metrics.total_queries + metrics.abandoned_queries};
}

void AvailabilityRing::add(std::int64_t from_ms, std::int64_t to_ms, bool up) {
  from_ms = std::max<std::int64_t>(from_ms, 0);
  while (from_ms < to_ms) {
    const std::int64_t number = from_ms / width_ms_;
    const std::int64_t end = std::min(to_ms, (number + 1) * width_ms_);
    Bucket& slot = bucket(number);
    if (slot.number != number) slot = {static_cast<std::uint32_t>(number), 0, 0};
    std::uint32_t& sum = up ? slot.up_ms : slot.bad_ms;
    // A clock set back lives through some time twice; a bucket never holds more than its width of either kind.
    sum = static_cast<std::uint32_t>(std::min(sum + (end - from_ms), width_ms_));
    from_ms = end;
  }
}

void AvailabilityRing::add(const AvailabilityRing& other) {
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    Bucket& mine = buckets_[i];
    const Bucket& theirs = other.buckets_[i];
    if (theirs.number > mine.number) {
      mine = theirs;
    } else if (theirs.number == mine.number) {
      const auto width = static_cast<std::uint32_t>(width_ms_);
      mine.up_ms = std::min(mine.up_ms + theirs.up_ms, width);
      mine.bad_ms = std::min(mine.bad_ms + theirs.bad_ms, width);
    }
  }
}

AvailabilityRing::Sums AvailabilityRing::sums(std::int64_t now_ms, std::size_t windows) const {
  const std::int64_t newest = now_ms / width_ms_;
  const std::int64_t oldest = newest - static_cast<std::int64_t>(windows);
  Sums sums;
  for (const Bucket& slot : buckets_) {
    if (slot.number < oldest || slot.number > newest) continue;
    sums.up_ms += slot.up_ms;
    sums.bad_ms += slot.bad_ms;
  }
  return sums;
}

Runs AvailabilityRing::runs() const {
  std::vector<Bucket> used;
  std::copy_if(buckets_.begin(), buckets_.end(), std::back_inserter(used),
               [](const Bucket& slot) { return slot.up_ms > 0 || slot.bad_ms > 0; });
  std::sort(used.begin(), used.end(), [](const Bucket& a, const Bucket& b) { return a.number < b.number; });
  Runs runs;
  for (const Bucket& slot : used) {
    const bool extends = !runs.empty() && runs.back()[0] + runs.back()[1] == slot.number &&
                         runs.back()[2] == slot.up_ms && runs.back()[3] == slot.bad_ms;
    if (extends) {
      ++runs.back()[1];
    } else {
      runs.push_back({slot.number, 1, slot.up_ms, slot.bad_ms});
    }
  }
  return runs;
}

bool AvailabilityRing::set_runs(const Runs& runs) {
  std::fill(buckets_.begin(), buckets_.end(), Bucket{});
  for (const auto& [first, count, up_ms, bad_ms] : runs) {
    const bool possible = first >= 0 && count >= 1 && count <= static_cast<std::int64_t>(buckets_.size()) &&
                          first + count <= UINT32_MAX && up_ms >= 0 && up_ms <= width_ms_ && bad_ms >= 0 &&
                          bad_ms <= width_ms_;
    if (!possible) {
      std::fill(buckets_.begin(), buckets_.end(), Bucket{});
      return false;
    }
    for (std::int64_t number = first; number < first + count; ++number) {
      bucket(number) = {static_cast<std::uint32_t>(number), static_cast<std::uint32_t>(up_ms),
                        static_cast<std::uint32_t>(bad_ms)};
    }
  }
  return true;
}

AvailabilityTracker::State AvailabilityTracker::judge(const AvailabilityObservation& seen) {
  if (!seen.running) return State::kUnknown;
  if (!*seen.running) {
    progress_ms_.reset();
    return State::kDown;
  }
  const bool idle = seen.in_flight && *seen.in_flight <= 0;
  const bool moved = seen.ended != ended_ || idle;
  ended_ = seen.ended;
  // A clock that went back must not stretch the wait either.
  if (moved || !progress_ms_ || *progress_ms_ > seen.now_ms) progress_ms_ = seen.now_ms;
  if (seen.now_ms - *progress_ms_ < options_.stalled_after_ms) return State::kUp;
  // Without starts, an engine that hangs looks like one that has nothing to do.
  return seen.in_flight ? State::kStalled : State::kUnknown;
}

void AvailabilityTracker::observe(const AvailabilityObservation& seen) {
  const bool vouched = last_ms_ && seen.now_ms > *last_ms_ && seen.now_ms - *last_ms_ <= options_.longest_gap_ms;
  // What happened in a gap is not known, so nothing may have waited all through it.
  if (!vouched) progress_ms_.reset();
  const std::int64_t from_ms = last_ms_.value_or(seen.now_ms);
  last_ms_ = seen.now_ms;
  state_ = judge(seen);
  if (!vouched || state_ == State::kUnknown) return;
  minutes_.add(from_ms, seen.now_ms, state_ == State::kUp);
  hours_.add(from_ms, seen.now_ms, state_ == State::kUp);
}

Availability AvailabilityTracker::current(std::int64_t now_ms) const {
  static constexpr const char* kNames[] = {"unknown", "up", "stalled", "down"};
  const bool fresh = last_ms_ && now_ms - *last_ms_ <= options_.longest_gap_ms;
  const AvailabilityRing::Sums month = hours_.sums(now_ms, kMonthOfHours);
  Availability result;
  result.state = kNames[fresh ? static_cast<std::size_t>(state_) : 0];
  result.ratio_1h = ratio(minutes_.sums(now_ms, kHourOfMinutes));
  result.ratio_24h = ratio(minutes_.sums(now_ms, kDayOfMinutes));
  result.ratio_30d = ratio(month);
  const double allowed_ms = (1 - options_.objective) * kMonthMs;
  const auto used_ms = static_cast<double>(month.bad_ms);
  // Nothing known leaves nothing to say about the budget; an objective of 1 allows nothing at all.
  if (result.ratio_30d) {
    result.error_budget_left = used_ms <= 0 ? 1.0 : used_ms >= allowed_ms ? 0.0 : 1 - used_ms / allowed_ms;
  }
  return result;
}

std::string AvailabilityTracker::serialise() const {
  return Json{{"version", kVersion}, {"minutes", minutes_.runs()}, {"hours", hours_.runs()}}.dump();
}

Status AvailabilityTracker::restore(std::string_view text) {
  AvailabilityTracker kept(options_);
  const Json json = Json::parse(text, nullptr, false);
  const auto version = json.is_object() ? json.find("version") : json.end();
  if (!json.is_object() || version == json.end() || *version != kVersion) {
    return Error{fmt::format("the kept availability is not of version {}; it starts anew", kVersion)};
  }
  const auto minutes = runs_of(json, "minutes");
  const auto hours = runs_of(json, "hours");
  if (!minutes || !hours || !kept.minutes_.set_runs(*minutes) || !kept.hours_.set_runs(*hours)) {
    return Error{"the kept availability is damaged; it starts anew"};
  }
  minutes_.add(kept.minutes_);
  hours_.add(kept.hours_);
  return Ok{};
}

}  // namespace outrider
