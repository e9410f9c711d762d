#include "userspace/detect/incident_notice.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <string_view>

#include "userspace/detect/incident.h"
#include "userspace/model/incident_id.h"

namespace outrider {
namespace {

struct Kind {
  std::string_view arm;
  std::string_view metric_part;  ///< empty: any
  const char* name;
  Severity severity;
};

constexpr std::array<Kind, 15> kKinds = {{
    {"spike", "", "Latency spike", Severity::kWarning},
    {"shift", "response_time", "Latency shift", Severity::kWarning},
    {"shift", "hit_rate", "Cache hit rate collapse", Severity::kWarning},
    {"errors", "", "Error burst", Severity::kCritical},
    {"drop", "", "Traffic drop", Severity::kCritical},
    {"limit", "", "CPU saturation", Severity::kWarning},
    {"growth", "", "Memory growth", Severity::kWarning},
    {"exhaustion", "memory", "Memory exhaustion", Severity::kCritical},
    {"exhaustion", "disk", "Disk exhaustion", Severity::kCritical},
    {"exhaustion", "handle", "File handle exhaustion", Severity::kCritical},
    {"burn 1h", "", "Error budget burn", Severity::kCritical},
    {"burn 6h", "", "Error budget burn", Severity::kWarning},
    {"burn 3d", "", "Error budget burn", Severity::kInfo},
    {"stall", "", "Target stalled", Severity::kCritical},
    {"down", "", "Target down", Severity::kCritical},
}};
constexpr Kind kOther = {"", "", "Anomaly", Severity::kWarning};

const Kind& kind_of(const IncidentEvent& event) {
  const auto* found = std::find_if(kKinds.begin(), kKinds.end(), [&](const Kind& kind) {
    return event.arm == kind.arm && event.metric.find(kind.metric_part) != std::string::npos;
  });
  return found == kKinds.end() ? kOther : *found;
}

std::string words_of(const std::string& metric) {
  if (metric.ends_with("avg_response_time_seconds")) return "mean response time";
  if (metric.ends_with("p95_response_time_seconds")) return "95th percentile of response time";
  if (metric.ends_with("error_rate")) return "share of failed queries";
  if (metric.ends_with("queries_per_second")) return "throughput";
  if (metric.ends_with("hit_rate")) return "cache hit rate";
  if (metric.ends_with("cpu_usage")) return "CPU use of the host";
  if (metric.ends_with("memory_used_mb")) return "memory in use";
  return metric;
}

std::string time_of_day(std::int64_t time_ms) {
  constexpr std::int64_t kDaySeconds = 86'400;
  const std::int64_t second = ((time_ms / 1000) % kDaySeconds + kDaySeconds) % kDaySeconds;
  return fmt::format("{:02}:{:02}:{:02} UTC", second / 3600, second / 60 % 60, second % 60);
}

std::string sentence_of(const IncidentEvent& event, const NoticeContext& context) {
  std::string text = words_of(event.metric);
  if (!context.type.empty()) text += fmt::format(" of type {}", context.type);
  text += fmt::format(" is {}, expected {}", format_figure(event.metric, event.value),
                      format_figure(event.metric, event.expected));
  if (event.metric.ends_with("response_time_seconds")) text += " at this load";
  if (const auto effect = event.effect_percent()) text += fmt::format(" ({:+.0f} %)", *effect);
  return text + fmt::format(", since {} ({})", time_of_day(event.since_ms),
                            format_length(static_cast<double>(event.at_ms - event.since_ms) / 1000));
}

}  // namespace

std::string format_length(double seconds) {
  constexpr double kTwoDays = 2 * 86'400;
  if (seconds < 120) return fmt::format("{:.0f} s", seconds);
  if (!(seconds < kTwoDays))
    return std::isfinite(seconds) ? fmt::format("{:.1f} days", seconds / 86'400) : "an unknown time";
  const auto minutes = static_cast<std::int64_t>(seconds / 60);
  if (minutes < 60) return fmt::format("{} min", minutes);
  return fmt::format("{} h {} min", minutes / 60, minutes % 60);
}

Notice notice_of(const IncidentEvent& event, const NoticeContext& context) {
  const Kind& kind = kind_of(event);
  Notice notice;
  notice.what = event.what == IncidentEvent::What::kOpen ? Notice::What::kFiring : Notice::What::kWorse;
  notice.id = incident_id({context.target, context.type, event.arm, event.metric, std::to_string(event.since_ms)});
  notice.name = kind.name;
  notice.arm = event.arm;
  notice.severity = kind.severity;
  notice.target = context.target;
  notice.type = context.type;
  notice.metric = event.metric;
  notice.at_ms = event.at_ms;
  notice.since_ms = event.since_ms;
  const bool down = event.arm == "down";
  if (!down) notice.value = event.value;
  if (!down && event.arm != "stall") {
    notice.expected = event.expected;
    notice.score = event.score;
  }
  notice.cause = context.cause;
  const std::string sentence = context.sentence.empty() ? sentence_of(event, context) : context.sentence;
  notice.text = fmt::format("{}: {}", context.target, sentence);
  if (!context.cause.empty()) notice.text += fmt::format("; moved most: {}", context.cause);
  notice.text += fmt::format("; found by {}", event.arm);
  return notice;
}

std::string closing_text(const Notice& notice, std::int64_t now_ms, const std::string& why) {
  std::string name = notice.name;
  // "CPU saturation" keeps its capitals.
  if (name.size() > 1 && std::islower(static_cast<unsigned char>(name[1])) != 0) {
    name[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(name[0])));
  }
  const std::string of = notice.type.empty() ? "" : fmt::format(" of type {}", notice.type);
  const double length = static_cast<double>(std::max<std::int64_t>(0, now_ms - notice.since_ms)) / 1000;
  return fmt::format("{}: {}{} since {} is closed after {}: {}", notice.target, name, of, time_of_day(notice.since_ms),
                     format_length(length), why);
}

}  // namespace outrider
