#include "userspace/alerts/alert.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

bool beyond(double value, double threshold, bool above) { return above ? value > threshold : value < threshold; }

/// Whether what was seen is on the wrong side of `threshold`; none if it says nothing.
std::optional<bool> breach(const Rule& rule, const RuleObservation& seen, double threshold) {
  const bool number = seen.value && std::isfinite(*seen.value);
  if (rule.absent) return !number;
  if (!number || seen.queries < rule.least_queries) return std::nullopt;
  return beyond(*seen.value, threshold, rule.condition.above);
}

}  // namespace

// A clock that was set takes the begin of what is going on with it: it began so long ago, whatever the time is called.
void Alert::follow_clock(std::int64_t now_ms) {
  if (!last_ms_ || now_ms >= *last_ms_) return;
  const std::int64_t back = *last_ms_ - now_ms;
  since_ms_ -= back;
  if (clear_since_ms_) *clear_since_ms_ -= back;
}

std::optional<AlertEvent> Alert::resolve(const Rule& rule, std::int64_t now_ms) {
  AlertEvent event{AlertEvent::What::kResolved, rule.name, now_ms, since_ms_, value_, rule.threshold};
  state_ = State::kInactive;
  clear_since_ms_.reset();
  return event;
}

std::optional<AlertEvent> Alert::observe(const Rule& rule, const RuleObservation& seen) {
  follow_clock(seen.now_ms);
  const bool gap = last_ms_ && seen.now_ms - *last_ms_ > std::max(kLongestGapMs, 2 * seen.interval_ms);
  last_ms_ = seen.now_ms;
  if (gap && state_ == State::kPending) state_ = State::kInactive;
  if (gap) clear_since_ms_.reset();
  return state_ == State::kFiring ? observe_firing(rule, seen) : observe_quiet(rule, seen);
}

std::optional<AlertEvent> Alert::observe_firing(const Rule& rule, const RuleObservation& seen) {
  const std::optional<bool> still = breach(rule, seen, rule.clear.value_or(rule.threshold));
  if (!still) return std::nullopt;
  if (*still) {
    value_ = seen.value.value_or(0);
    clear_since_ms_.reset();
    return std::nullopt;
  }
  if (!clear_since_ms_) clear_since_ms_ = seen.now_ms;
  if (seen.now_ms - *clear_since_ms_ < rule.clear_for.count()) return std::nullopt;
  return resolve(rule, seen.now_ms);
}

std::optional<AlertEvent> Alert::observe_quiet(const Rule& rule, const RuleObservation& seen) {
  if (!breach(rule, seen, rule.threshold).value_or(false)) {
    state_ = State::kInactive;
    return std::nullopt;
  }
  if (state_ == State::kInactive) since_ms_ = seen.now_ms;
  state_ = State::kPending;
  value_ = seen.value.value_or(0);
  if (seen.now_ms - since_ms_ < rule.hold.count()) return std::nullopt;
  state_ = State::kFiring;
  return AlertEvent{AlertEvent::What::kFiring, rule.name, seen.now_ms, since_ms_, value_, rule.threshold};
}

std::optional<AlertEvent> Alert::end(const Rule& rule, std::int64_t now_ms) {
  if (state_ == State::kFiring) return resolve(rule, now_ms);
  state_ = State::kInactive;
  return std::nullopt;
}

std::string Alert::serialise() const {
  static constexpr const char* kNames[] = {"inactive", "pending", "firing"};
  Json json = {{"state", kNames[static_cast<std::size_t>(state_)]}, {"since_ms", since_ms_}, {"value", value_}};
  if (last_ms_) json["last_ms"] = *last_ms_;
  if (clear_since_ms_) json["clear_since_ms"] = *clear_since_ms_;
  return json.dump();
}

Status Alert::restore(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  const auto number = [&](const char* name) -> std::optional<std::int64_t> {
    const auto found = json.find(name);
    constexpr double kMost = 9007199254740992.0;  // 2^53: differences of two times must fit
    if (found == json.end() || !found->is_number_integer() || std::abs(found->get<double>()) > kMost)
      return std::nullopt;
    return found->get<std::int64_t>();
  };
  const auto state = json.is_object() ? json.find("state") : json.end();
  const bool known =
      json.is_object() && state != json.end() && (*state == "inactive" || *state == "pending" || *state == "firing");
  if (!known || !number("since_ms") || !json.contains("value") || !json["value"].is_number()) {
    return Error{"the kept state of an alert is damaged; it begins anew"};
  }
  state_ = *state == "firing" ? State::kFiring : *state == "pending" ? State::kPending : State::kInactive;
  since_ms_ = *number("since_ms");
  value_ = json["value"].get<double>();
  last_ms_ = number("last_ms");
  clear_since_ms_ = number("clear_since_ms");
  return Ok{};
}

}  // namespace outrider
