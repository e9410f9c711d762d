#include "userspace/service/health_trend.h"

#include <array>

#include "userspace/model/trend.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

Json nullable(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

}  // namespace

Json health_trend_json(const std::vector<HealthMark>& marks, std::int64_t from_ms, std::int64_t to_ms,
                       std::optional<double> now) {
  std::array<std::vector<double>, 2> halves;
  const std::int64_t middle = from_ms + (to_ms - from_ms) / 2;
  for (auto& half : halves) half.reserve(marks.size());
  for (const HealthMark& mark : marks) halves[mark.time_ms >= middle ? 1 : 0].push_back(mark.score);
  const Trend trend = compare(halves[1], halves[0]);
  const char* direction = "steady";
  if (trend.significant) direction = trend.z > 0 ? "improving" : "worsening";
  return {{"score", nullable(now)},
          {"direction", direction},
          {"change", nullable(trend.change)},
          {"significant", trend.significant}};
}

}  // namespace outrider
