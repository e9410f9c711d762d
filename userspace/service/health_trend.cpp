#include "userspace/service/health_trend.h"

#include <algorithm>
#include <array>

#include "userspace/model/trend.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kBlocks = 30;  // of the window: the test takes means of them, as neighbouring marks are alike

Json nullable(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

}  // namespace

Json health_trend_json(const std::vector<HealthMark>& marks, std::int64_t from_ms, std::int64_t to_ms,
                       std::optional<double> now) {
  struct Block {
    double sum = 0, marks = 0;
  };
  std::array<Block, kBlocks> blocks{};
  const std::int64_t length = std::max<std::int64_t>(to_ms - from_ms, 1);
  for (const HealthMark& mark : marks) {
    const std::int64_t index = std::clamp<std::int64_t>((mark.time_ms - from_ms) * kBlocks / length, 0, kBlocks - 1);
    Block& block = blocks.at(static_cast<std::size_t>(index));
    block.sum += mark.score;
    ++block.marks;
  }
  std::array<std::vector<double>, 2> halves;
  for (auto& half : halves) half.reserve(kBlocks / 2);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const Block& block = blocks[i];
    if (block.marks > 0) halves[i < blocks.size() / 2 ? 0 : 1].push_back(block.sum / block.marks);
  }
  const Trend trend = compare(halves[1], halves[0]);
  const char* direction = "steady";
  if (trend.significant) direction = trend.z > 0 ? "improving" : "worsening";
  return {{"score", nullable(now)},
          {"direction", direction},
          {"change", nullable(trend.change)},
          {"significant", trend.significant}};
}

}  // namespace outrider
