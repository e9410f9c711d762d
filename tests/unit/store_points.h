// What the tests of the store share: a directory that goes away, a clock that they set, and points made by hand.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "userspace/store/store.h"

namespace outrider {

/// A whole hour, and so on the grid of every tier.
inline constexpr std::int64_t kHourMs = 3'600'000;
inline constexpr std::int64_t kMinuteMs = 60'000;
inline constexpr std::int64_t kStartMs = 480'000 * kHourMs;

/// Exactly a bucket's lower edge each. The bucket of kFast ends 2^20 / 32 ns further on: the middle of its numbers is
/// 1,064,959.5.
inline constexpr std::uint64_t kFastNs = 1ULL << 20, kSlowNs = 1ULL << 24;
inline constexpr double kFastMiddleSeconds = 1'064'959.5e-9, kSlowSeconds = 16'777'216e-9;

inline void add_query(TypePoint& type, std::uint64_t ns, bool ok = true) {
  TypePoint one;
  one.queries = one.timed = 1;
  one.failed = ok ? 0 : 1;
  one.duration_ns = one.max_ns = ns;
  one.wait_ns[OUTRIDER_WAIT_CPU] = ns / 4;
  one.wait_ns[OUTRIDER_WAIT_LOCK] = ns - ns / 4;
  one.cache_hits = 3;
  one.cache_misses = 1;
  one.histogram = {{outrider_hist_index(ns), 1}};
  type.add(one);
}

/// Second `index`: one fast query of "read", and every tenth second a slow one of "write", which fails.
inline Point make_second(std::int64_t index, std::int64_t start_ms = kStartMs) {
  Point point;
  point.begin_ms = start_ms + index * 1'000;
  point.length_ms = 1'000;
  point.seconds = point.watched_seconds = point.up_seconds = 1;
  add_query(point.types["read"], kFastNs);
  if (index % 10 == 0) add_query(point.types["write"], kSlowNs, false);
  for (const auto& [name, type] : point.types) point.total.add(type);
  const auto cpu = static_cast<double>(index % 7);
  point.gauges["target_metrics.cpu_usage"] = {cpu, 1, cpu, cpu};
  point.peak_concurrent = index % 5;
  point.cache_hits = 3;
  point.cache_misses = 1;
  point.losses = 2;
  return point;
}

/// Second `index` with `types` more types, each some 200 bytes in every tier.
inline Point make_large_second(std::int64_t index, int types) {
  static const TypePoint kSpread = [] {
    TypePoint spread;
    for (std::uint64_t i = 0; i < 256; ++i) add_query(spread, i * i * 40'000 + 5'000);
    return spread;
  }();
  Point point = make_second(index);
  for (int type = 0; type < types; ++type) point.types["type " + std::to_string(type)] = kSpread;
  return point;
}

inline Point merged_seconds(std::int64_t first, std::int64_t last) {
  Point point;
  for (std::int64_t index = first; index < last; ++index) merge(point, make_second(index));
  return point;
}

inline void expect_equal(const TypePoint& a, const TypePoint& b) {
  EXPECT_EQ(a.queries, b.queries);
  EXPECT_EQ(a.failed, b.failed);
  EXPECT_EQ(a.abandoned, b.abandoned);
  EXPECT_EQ(a.timed, b.timed);
  EXPECT_EQ(a.duration_ns, b.duration_ns);
  EXPECT_EQ(a.cache_hits, b.cache_hits);
  EXPECT_EQ(a.cache_misses, b.cache_misses);
  EXPECT_EQ(a.max_ns, b.max_ns);
  EXPECT_EQ(a.wait_ns, b.wait_ns);
  ASSERT_EQ(a.histogram.size(), b.histogram.size());
  for (std::size_t i = 0; i < a.histogram.size(); ++i) {
    EXPECT_EQ(a.histogram[i].bucket, b.histogram[i].bucket);
    EXPECT_EQ(a.histogram[i].count, b.histogram[i].count);
  }
}

/// All but the place on the grid.
inline void expect_equal(const Point& a, const Point& b) {
  EXPECT_EQ(a.seconds, b.seconds);
  EXPECT_EQ(a.watched_seconds, b.watched_seconds);
  EXPECT_EQ(a.up_seconds, b.up_seconds);
  EXPECT_EQ(a.stalled_seconds, b.stalled_seconds);
  EXPECT_EQ(a.down_seconds, b.down_seconds);
  EXPECT_EQ(a.peak_concurrent, b.peak_concurrent);
  EXPECT_EQ(a.cache_hits, b.cache_hits);
  EXPECT_EQ(a.cache_misses, b.cache_misses);
  EXPECT_EQ(a.losses, b.losses);
  expect_equal(a.total, b.total);
  ASSERT_EQ(a.types.size(), b.types.size());
  for (const auto& [name, type] : a.types) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(b.types.contains(name));
    expect_equal(type, b.types.at(name));
  }
  ASSERT_EQ(a.gauges.size(), b.gauges.size());
  for (const auto& [name, gauge] : a.gauges) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(b.gauges.contains(name));
    const Gauge& other = b.gauges.at(name);
    EXPECT_EQ(gauge.sum, other.sum);
    EXPECT_EQ(gauge.seconds, other.seconds);
    EXPECT_EQ(gauge.min, other.min);
    EXPECT_EQ(gauge.max, other.max);
  }
}

class StoreTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "outrider-store-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
    options_.path = dir_ + "/history.db";
    options_.now_ms = [this] { return now_ms_.load(); };
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(dir_);
  }

  void open() {
    store_.reset();
    auto store = Store::make(options_);
    ASSERT_TRUE(store) << store.error().message;
    store_ = std::move(*store);
  }

  /// Seconds first .. last - 1 of `target`, and the clock three seconds after them: all that can be is rolled up.
  void write(std::int64_t first, std::int64_t last, const std::string& target = "engine") {
    for (std::int64_t index = first; index < last; ++index) {
      store_->add(target, make_second(index));
      if ((index + 1 - first) % 500 == 0) flush_at(index);
    }
    flush_at(last + 2);
  }

  void flush_at(std::int64_t index) {
    now_ms_ = kStartMs + index * 1'000;
    const Status done = store_->flush();
    ASSERT_TRUE(done) << done.error().message;
  }

  Result<History> read(std::int64_t from_ms, std::int64_t to_ms, std::int64_t step_ms,
                       const std::optional<std::string>& type = std::nullopt) {
    HistoryQuery query;
    query.target = "engine";
    query.from_ms = from_ms;
    query.to_ms = to_ms;
    query.step_ms = step_ms;
    query.type = type;
    query.all_types = !type;
    return store_->history(query);
  }

  std::string dir_;
  StoreOptions options_;
  std::atomic<std::int64_t> now_ms_ = kStartMs;
  std::unique_ptr<Store> store_;
};

}  // namespace outrider
