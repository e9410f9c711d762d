// What a target's monitor tells when the target hangs, ends and comes back, or no longer speaks for the host.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/monitored_target.h"

namespace outrider {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

TEST(TargetEnds, a_stall_and_an_end_are_told_at_once_and_close_when_it_serves) {
  Target target;
  target.pass(1'800);
  target.read_rate = target.write_rate = 0;
  target.snapshot.availability->state = "stalled";
  target.pass(120);
  ASSERT_THAT(target.story(), ElementsAre("firing Target stalled"));  // and no fall of traffic
  EXPECT_EQ(target.told.front().severity, Severity::kCritical);
  EXPECT_EQ(target.told.front().at_ms - target.told.front().since_ms, 30'000);
  EXPECT_THAT(target.told.front().text, HasSubstr("none has ended for 30 s"));
  target.snapshot.availability->state = "unknown";
  target.pass(10);
  target.snapshot.availability->state = "down";
  target.pass(10);
  EXPECT_THAT(target.story(), ElementsAre("firing Target stalled", "resolved Target stalled", "firing Target down"));
  target.snapshot.availability->state = "up";
  target.pass(1);
  EXPECT_EQ(target.story().back(), "resolved Target down");
}

TEST(TargetEnds, with_a_target_that_is_down_everything_else_of_it_is_over) {
  Target target;
  target.pass(1'800);
  target.snapshot.availability->state = "stalled";
  target.pass(1);
  target.monitor->observe_state("down", target.snapshot.timestamp_ms + 1'000, target.told);
  EXPECT_THAT(target.story(), ElementsAre("firing Target stalled", "resolved Target stalled", "firing Target down"));
  target.read_rate = target.write_rate = 0;
  target.snapshot.availability->state = "up";
  target.pass(120);
  ASSERT_EQ(target.story().back(), "firing Traffic drop");
  target.told.clear();
  target.monitor->observe_state("down", target.snapshot.timestamp_ms + 1'000, target.told);
  EXPECT_THAT(target.story(), UnorderedElementsAre("firing Target down", "resolved Traffic drop"));
}

/// The target ends and, after `seconds`, is up again.
void restart(Target& target, int seconds) {
  target.told.clear();
  target.monitor->observe_state("down", target.clock_ms + 500, target.told);
  target.clock_ms += 1'000 * static_cast<std::int64_t>(seconds);
}

TEST(TargetEnds, what_a_restart_does_not_cure_is_found_anew_and_what_it_cures_is_over) {
  for (const int down_seconds : {1, 120}) {
    for (const bool cured : {false, true}) {
      Target target;
      target.pass(1'800);
      target.write_seconds += 0.0075;
      target.write_lock_seconds += 0.0075;
      target.pass(300);
      ASSERT_THAT(target.story(), ElementsAre("firing Latency shift"));
      const std::string id = target.told.front().id;
      restart(target, down_seconds);
      EXPECT_THAT(target.story(), UnorderedElementsAre("resolved Latency shift", "firing Target down"));
      target.told.clear();
      if (cured) {
        target.write_seconds -= 0.0075;
        target.write_lock_seconds -= 0.0075;
      }
      const std::int64_t up_ms = target.clock_ms;
      target.pass(300);
      if (cured) {
        EXPECT_THAT(target.story(), ElementsAre("resolved Target down")) << down_seconds;
        continue;
      }
      ASSERT_THAT(target.story(), ElementsAre("resolved Target down", "firing Latency shift")) << down_seconds;
      EXPECT_NE(target.told.back().id, id);
      EXPECT_GT(target.told.back().since_ms, up_ms);
    }
  }
}

// What comes up in the place of one that failed may serve nobody: of that is known that the traffic is away.
TEST(TargetEnds, what_comes_up_has_none_of_the_faults_of_before) {
  for (const bool serves : {false, true}) {
    Target target;
    target.snapshot.cache_metrics.hit_rate = 0.9;
    target.pass(3'600);
    target.error_rate = 0.5;
    target.write_seconds *= 3;
    target.snapshot.cache_metrics.hit_rate = 0.4;
    target.pass(300);
    EXPECT_THAT(target.story(), testing::IsSupersetOf({"firing Error burst", "firing Error budget burn"}));
    restart(target, 10);
    target.told.clear();
    if (serves) {
      target.error_rate = 0.0005;
      target.write_seconds /= 3;
      target.snapshot.cache_metrics.hit_rate = 0.9;
    } else {
      target.read_rate = target.write_rate = 0;
    }
    target.pass(600);
    if (serves) {
      EXPECT_THAT(target.story(), ElementsAre("resolved Target down"));
    } else {
      EXPECT_THAT(target.story(), ElementsAre("resolved Target down", "firing Traffic drop"));
    }
  }
}

TEST(TargetEnds, of_a_type_what_a_restart_does_not_cure_is_told_again_once) {
  Target target;
  target.read_seconds = 0.00002;
  target.pass(3'600);
  target.read_seconds = 0.00004;
  target.pass(600);
  ASSERT_THAT(target.story(), ElementsAre("firing Latency shift of READ"));
  for (int i = 0; i < 2; ++i) {
    restart(target, 1);
    target.pass(40);
    EXPECT_EQ(target.story().back(), "resolved Target down");
  }
  EXPECT_EQ(target.told.size(), 2U);
  target.pass(600);
  EXPECT_THAT(target.story(),
              ElementsAre("firing Target down", "resolved Target down", "firing Latency shift of READ"));
  target.pass(1'800);
  EXPECT_EQ(target.story().back(), "resolved Latency shift of READ");
  EXPECT_THAT(target.monitor->active(), IsEmpty());
}

TEST(TargetEnds, traffic_that_does_not_come_back_after_a_stall_is_told_then) {
  Target target;
  target.pass(1'800);
  target.read_rate = target.write_rate = 0;
  target.snapshot.availability->state = "stalled";
  target.pass(300);
  ASSERT_THAT(target.story(), ElementsAre("firing Target stalled"));
  target.read_rate = 6;
  target.write_rate = 2;
  target.snapshot.availability->state = "up";
  target.pass(180);
  EXPECT_THAT(target.story(), ElementsAre("firing Target stalled", "resolved Target stalled", "firing Traffic drop"));
}

TEST(TargetEnds, of_the_host_nothing_stays_open_where_another_tells_of_it) {
  Target target;
  target.snapshot.system_metrics.cpu_usage = 30;
  target.pass(1'800);
  target.snapshot.system_metrics.cpu_usage = 100;
  target.pass(120);
  ASSERT_THAT(target.story(), ElementsAre("firing CPU saturation"));
  target.monitor->watch_host(false, target.clock_ms, target.told);
  ASSERT_THAT(target.story(), ElementsAre("firing CPU saturation", "resolved CPU saturation"));
  EXPECT_THAT(target.monitor->active(), IsEmpty());
  target.pass(120);
  target.monitor->watch_host(true, target.clock_ms, target.told);
  target.pass(50);  // the minute begins anew
  EXPECT_EQ(target.told.size(), 2U);
  target.pass(30);
  EXPECT_EQ(target.story().back(), "firing CPU saturation");
}

}  // namespace
}  // namespace outrider
