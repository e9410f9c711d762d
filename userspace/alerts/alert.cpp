#include "userspace/alerts/alert.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

namespace outrider {
namespace {

using Json = nlohmann::json;

bool beyond(double value, double threshold, bool above) { return above ? value > threshold : value < threshold; }

std::optional<double> figure(const Rule& rule, const RuleObservation& seen) {
  if (!seen.value || !std::isfinite(*seen.value) || seen.queries < rule.least_queries) return std::nullopt;
  return seen.value;
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
  const bool gap = last_ms_ && seen.now_ms - *last_ms_ > kLongestGapMs;
  last_ms_ = seen.now_ms;
  if (gap && state_ == State::kPending) state_ = State::kInactive;
  if (gap) clear_since_ms_.reset();
  const std::optional<double> value = figure(rule, seen);
  if (state_ == State::kFiring) {
    if (!value) return std::nullopt;
    if (beyond(*value, rule.clear.value_or(rule.threshold), rule.condition.above)) {
      value_ = *value;
      clear_since_ms_.reset();
      return std::nullopt;
    }
    if (!clear_since_ms_) clear_since_ms_ = seen.now_ms;
    if (seen.now_ms - *clear_since_ms_ < rule.clear_for.count()) return std::nullopt;
    return resolve(rule, seen.now_ms);
  }
  if (!value || !beyond(*value, rule.threshold, rule.condition.above)) {
    state_ = State::kInactive;
    return std::nullopt;
  }
  if (state_ == State::kInactive) since_ms_ = seen.now_ms;
  state_ = State::kPending;
  value_ = *value;
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
    if (found == json.end() || !found->is_number_integer()) return std::nullopt;
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
