// Whether a target's health gets better or worse. Pure, thread-safe.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

namespace outrider {

/// The health score at a moment.
struct HealthMark {
  std::int64_t time_ms = 0;
  double score = 0;
};

/// {score, direction: improving, steady or worsening, change, significant}: the marks of the window's second half
/// against those of its first, as means of blocks. `now`: the present score, if there is one.
nlohmann::ordered_json health_trend_json(const std::vector<HealthMark>& marks, std::int64_t from_ms, std::int64_t to_ms,
                                         std::optional<double> now);

}  // namespace outrider
