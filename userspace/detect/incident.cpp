#include "userspace/detect/incident.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "userspace/base/units.h"

namespace outrider {
namespace {

constexpr double kWorse = 1.5;

std::string sentence(const IncidentEvent& event) {
  const double length = static_cast<double>(event.at_ms - event.since_ms) / 1000;
  std::string text = fmt::format("{} is {}, expected {}", event.metric, format_figure(event.metric, event.value),
                                 format_figure(event.metric, event.expected));
  if (event.metric.ends_with("response_time_seconds")) text += " at this load";
  if (const auto effect = event.effect_percent()) text += fmt::format(" ({:+.0f} %)", *effect);
  return text + fmt::format(", for {:.0f} s; found by {}", length, event.arm);
}

}  // namespace

std::string format_figure(const std::string& metric, double value) {
  if (metric.ends_with("_seconds")) return format_seconds(value);
  if (metric.ends_with("_rate")) return fmt::format("{:.2f} %", 100 * value);
  if (metric.ends_with("cpu_usage")) return fmt::format("{:.0f} %", value);
  if (metric.ends_with("_usage")) return fmt::format("{:.1f} %", 100 * value);
  if (metric.ends_with("_count")) return fmt::format("{:.0f}", value);
  if (metric.ends_with("_mb")) return fmt::format("{:.0f} MiB", value);
  return fmt::format("{:.1f}/s", value);
}

std::optional<double> IncidentEvent::effect_percent() const {
  if (expected == 0) return std::nullopt;
  return 100 * (value / expected - 1);
}

// In logarithms, so that half and double are equally far.
double Incident::effect(const Finding& finding) const {
  constexpr double kSmall = 1e-12;
  const double ratio = std::log(std::max(finding.value, kSmall) / std::max(finding.expected, kSmall));
  return higher_ ? ratio : -ratio;
}

IncidentEvent Incident::event(IncidentEvent::What what, std::int64_t now_ms) const {
  IncidentEvent event;
  event.what = what;
  event.at_ms = now_ms;
  event.since_ms = last_.since_ms;
  event.arm = arm_;
  event.metric = metric_;
  event.value = last_.value;
  event.expected = last_.expected;
  event.score = last_.score;
  event.text = sentence(event);
  return event;
}

void Incident::update(std::int64_t now_ms, const std::optional<Finding>& finding, std::vector<IncidentEvent>& events) {
  if (!finding) {
    if (opened_ms_ && now_ms - last_seen_ms_ >= quiet_ms_) close(now_ms, kOver, events);
    return;
  }
  last_seen_ms_ = now_ms;
  last_ = *finding;
  if (opened_ms_) {
    if (effect(last_) < kWorse * effect(said_)) return;
    said_ = last_;
    events.push_back(event(IncidentEvent::What::kWorse, now_ms));
    return;
  }
  opened_ms_ = now_ms;
  said_ = last_;
  events.push_back(event(IncidentEvent::What::kOpen, now_ms));
}

void Incident::close(std::int64_t now_ms, const std::string& why, std::vector<IncidentEvent>& events) {
  if (!opened_ms_) return;
  IncidentEvent closing = event(IncidentEvent::What::kClose, now_ms);
  closing.text = fmt::format("{}: {}", metric_, why);
  closing.why = why;
  events.push_back(std::move(closing));
  opened_ms_.reset();
}

}  // namespace outrider
