// Whether the trend of the health score tells a change from a moment.
#include "userspace/service/health_trend.h"

#include <gtest/gtest.h>

namespace outrider {
namespace {

// 300 seconds, a mark each; `bad` of those from `first` on are 80, all others 100.
nlohmann::ordered_json trend(int first, int bad) {
  std::vector<HealthMark> marks;
  marks.reserve(300);
  for (int second = 0; second < 300; ++second) {
    const bool low = second >= first && second < first + bad;
    marks.push_back({second * 1000, low ? 80.0 : 100.0});
  }
  return health_trend_json(marks, 0, 300'000, marks.back().score);
}

// 6 of the 15 blocks of the second half: the rank sum is 45 below what is expected, its standard deviation 16.7. The
// 150 single seconds would have had |z| = 8.6.
TEST(HealthTrend, one_dip_is_no_trend) {
  const auto dip = trend(200, 60);
  EXPECT_EQ(dip["direction"], "steady");
  EXPECT_FALSE(dip["significant"]);
  EXPECT_NEAR(dip["change"].get<double>(), -0.08, 1e-12);  // (90 x 100 + 60 x 80) / 150 = 92
  EXPECT_EQ(dip["score"], 100);
}

TEST(HealthTrend, a_half_that_is_worse_or_better_is_one) {
  EXPECT_EQ(trend(150, 150)["direction"], "worsening");
  EXPECT_NEAR(trend(150, 150)["change"].get<double>(), -0.2, 1e-12);
  EXPECT_EQ(trend(0, 150)["direction"], "improving");
}

TEST(HealthTrend, a_few_marks_are_none) {
  EXPECT_EQ(health_trend_json({}, 0, 300'000, {})["direction"], "steady");
  EXPECT_EQ(health_trend_json({{-5, 1}, {300'000, 2}}, 0, 300'000, {})["direction"], "steady");
}

}  // namespace
}  // namespace outrider
