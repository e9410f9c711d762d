// The mission's health score: 100 - 20 - 30 - 15 - 25 - 10 for the five rules.
#include "userspace/model/health.h"

#include <gtest/gtest.h>

namespace outrider {
namespace {

TEST(Health, NothingIsLostForWhatTheEngineDoesNotHave) {
  const Health health = assess_health(Snapshot{});
  EXPECT_DOUBLE_EQ(health.score, 100);
  EXPECT_TRUE(health.deductions.empty());
}

TEST(Health, ExactlyAtAThresholdIsHealthy) {
  Snapshot snapshot;
  snapshot.query_metrics.avg_response_time_seconds = 0.050;
  snapshot.query_metrics.error_rate = 0.05;
  snapshot.system_metrics.cpu_usage = 80;
  snapshot.system_metrics.memory_usage = 0.90;
  snapshot.cache_metrics.hit_rate = 0.70;
  EXPECT_DOUBLE_EQ(assess_health(snapshot).score, 100);
}

TEST(Health, EachRuleHasItsPenalty) {
  Snapshot snapshot;
  snapshot.query_metrics.avg_response_time_seconds = 0.051;
  EXPECT_DOUBLE_EQ(assess_health(snapshot).score, 80);
  snapshot.query_metrics.error_rate = 0.06;
  EXPECT_DOUBLE_EQ(assess_health(snapshot).score, 50);
  snapshot.target_metrics.cpu_usage = 81;  // the target's own limit counts as the host's does
  EXPECT_DOUBLE_EQ(assess_health(snapshot).score, 35);
  snapshot.system_metrics.memory_usage = 0.91;
  EXPECT_DOUBLE_EQ(assess_health(snapshot).score, 10);
  snapshot.cache_metrics.hit_rate = 0.69;
  const Health health = assess_health(snapshot);
  EXPECT_DOUBLE_EQ(health.score, 0);
  ASSERT_EQ(health.deductions.size(), 5U);
  EXPECT_EQ(health.deductions[1].rule, "error_rate");
  EXPECT_DOUBLE_EQ(health.deductions[1].value, 0.06);
  EXPECT_DOUBLE_EQ(health.deductions[1].threshold, 0.05);
  EXPECT_DOUBLE_EQ(health.deductions[1].penalty, 30);
}

TEST(Health, ThresholdsAreConfigurableAndTheScoreNeverNegative) {
  Snapshot snapshot;
  snapshot.query_metrics.avg_response_time_seconds = 0.3;
  snapshot.query_metrics.error_rate = 0.9;
  HealthThresholds thresholds;
  thresholds.response_time_seconds = {0.5, 20};
  EXPECT_DOUBLE_EQ(assess_health(snapshot, thresholds).score, 70);
  thresholds.response_time_seconds = {0.1, 80};
  EXPECT_DOUBLE_EQ(assess_health(snapshot, thresholds).score, 0);
  thresholds.error_rate.penalty = 0;
  EXPECT_DOUBLE_EQ(assess_health(snapshot, thresholds).score, 20);
}

}  // namespace
}  // namespace outrider
