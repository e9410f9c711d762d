// A board made by hand for the tests of the terminal view, and the locale and time zone that they count on.
#pragma once

#include <gtest/gtest.h>

#include <clocale>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <utility>

#include "userspace/tui/board.h"
#include "userspace/tui/line.h"

namespace outrider {

/// Each test begins in a UTF-8 locale, in UTC.
class TuiTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(std::setlocale(LC_CTYPE, "C.UTF-8"), nullptr);
    setenv("TZ", "UTC", 1);
    tzset();
  }
  void TearDown() override { std::setlocale(LC_CTYPE, "C"); }
};

/// Two types: `factual` takes a quarter of the time, `path` three and fails in a tenth of the queries.
inline Snapshot two_types() {
  Snapshot s;
  s.timestamp_ms = 1'700'000'000'042;  // 22:13:20 UTC
  s.target = "engine";
  s.interval_seconds = 1;
  s.overhead = {210, 0.3, "full", 1};
  s.query_metrics.queries_per_second = 150;
  s.query_metrics.queries_per_second_5m = 148;
  s.query_metrics.avg_response_time_seconds = 0.0026667;
  s.query_metrics.p95_response_time_seconds = 0.0125;
  s.query_metrics.p99_response_time_seconds = 0.02;
  s.query_metrics.error_rate = 0.0333;
  s.query_metrics.current_concurrent = 3;
  TypeMetrics factual;
  factual.count = 1000;
  factual.interval_count = 100;
  factual.queries_per_second = 100;
  factual.avg_response_time_seconds = 0.001;
  factual.p95_response_time_seconds = 0.002;
  factual.p99_response_time_seconds = 0.003;
  factual.success_rate = 1;
  factual.cache_hit_rate = 0.98;
  factual.waits = WaitSeconds{};
  (*factual.waits)[OUTRIDER_WAIT_CPU] = 0.075;
  (*factual.waits)[OUTRIDER_WAIT_LOCK] = 0.025;
  TypeMetrics path;
  path.count = 500;
  path.failed = 50;
  path.abandoned = 1;
  path.interval_count = 50;
  path.queries_per_second = 50;
  path.avg_response_time_seconds = 0.006;
  path.p95_response_time_seconds = 0.0125;
  path.p99_response_time_seconds = 0.02;
  path.success_rate = 0.9;
  path.waits = WaitSeconds{};
  (*path.waits)[OUTRIDER_WAIT_DISK] = 0.3;
  s.query_metrics.waits = WaitSeconds{};
  (*s.query_metrics.waits)[OUTRIDER_WAIT_CPU] = 0.075;
  (*s.query_metrics.waits)[OUTRIDER_WAIT_LOCK] = 0.025;
  (*s.query_metrics.waits)[OUTRIDER_WAIT_DISK] = 0.3;
  s.query_metrics.query_type_breakdown = {{"factual", factual}, {"other", {}}, {"path", path}};
  s.target_metrics.thread_count = 5;
  s.target_metrics.uptime_seconds = 11'520;  // 3 h 12 min
  s.target_metrics.cpu_usage = 92.1;
  s.target_metrics.memory_usage = 0.031;
  s.cache_metrics.hit_rate = 0.98;
  s.health_score = 85;
  s.health_deductions = {{"cpu_usage", 92.1, 80, 15}};
  return s;
}

inline Board board_of(Snapshot snapshot) {
  Board board;
  board.source = "http://127.0.0.1:9717";
  board.time_ms = snapshot.timestamp_ms;
  board.targets = {{snapshot.target, "", std::make_shared<const Snapshot>(std::move(snapshot))}};
  board.agent = {1.25, 40.0 * 1048576};
  return board;
}

}  // namespace outrider
