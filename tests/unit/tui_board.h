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

inline TypeMetrics type_of(double per_second, double average, double p95, double p99, double success) {
  TypeMetrics type;
  type.interval_count = static_cast<std::uint64_t>(per_second);
  type.count = 10 * type.interval_count;
  type.queries_per_second = per_second;
  type.avg_response_time_seconds = average;
  type.p95_response_time_seconds = p95;
  type.p99_response_time_seconds = p99;
  type.success_rate = success;
  type.waits = WaitSeconds{};
  return type;
}

inline void add_queries(QueryMetrics& q) {
  q.queries_per_second = 150;
  q.queries_per_second_5m = 148;
  q.avg_response_time_seconds = 0.0026667;
  q.p95_response_time_seconds = 0.0125;
  q.p99_response_time_seconds = 0.02;
  q.error_rate = 0.0333;
  q.current_concurrent = 3;
  q.waits = WaitSeconds{};
  TypeMetrics factual = type_of(100, 0.001, 0.002, 0.003, 1);
  factual.cache_hit_rate = 0.98;
  (*factual.waits)[OUTRIDER_WAIT_CPU] = (*q.waits)[OUTRIDER_WAIT_CPU] = 0.075;
  (*factual.waits)[OUTRIDER_WAIT_LOCK] = (*q.waits)[OUTRIDER_WAIT_LOCK] = 0.025;
  TypeMetrics path = type_of(50, 0.006, 0.0125, 0.02, 0.9);
  path.failed = 50;
  path.abandoned = 1;
  (*path.waits)[OUTRIDER_WAIT_DISK] = (*q.waits)[OUTRIDER_WAIT_DISK] = 0.3;
  q.query_type_breakdown = {{"factual", factual}, {"other", {}}, {"path", path}};
}

/// Two types: `factual` takes a quarter of the time, `path` three and fails in a tenth of the queries.
inline Snapshot two_types() {
  Snapshot s;
  s.timestamp_ms = 1'700'000'000'042;  // 22:13:20 UTC
  s.target = "engine";
  s.interval_seconds = 1;
  s.overhead = {210, 0.3, "full", 1};
  add_queries(s.query_metrics);
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
