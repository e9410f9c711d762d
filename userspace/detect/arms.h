// The tests besides latency's, one class each: constant memory, one observe() a sample, a finding while the figure is
// out of line. Not thread-safe. `learn`: the sample may be taken for a normal one. forget_evidence(): what was seen
// says nothing of what is now, but for what is normal.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "userspace/detect/floor_trend.h"
#include "userspace/detect/incident.h"

namespace outrider {

/// Share of failed queries: a Bernoulli CUSUM from the usual share to five times that, at least 1 %.
class ErrorArm {
 public:
  void observe(std::int64_t now_ms, double queries, double error_rate, bool learn);
  void forget_evidence();
  [[nodiscard]] std::optional<Finding> finding() const { return finding_; }

  template <typename Self, typename State>
  static void visit(Self& self, State& state) {
    state(self.queries_, self.failed_, self.sum_, self.run_queries_, self.run_failed_, self.finding_);
    state.times(self.begin_ms_);
  }

 private:
  double queries_ = 0, failed_ = 0;  ///< with the weight of the past halved every hour
  double sum_ = 0;
  double run_queries_ = 0, run_failed_ = 0;  ///< since the sum left 0
  std::int64_t begin_ms_ = 0;                ///< 0: with the next sample
  std::optional<Finding> finding_;
};

/// Throughput that falls to less than half within a minute, by blocks of 10 samples. A slow ebb is no fall.
class TrafficArm {
 public:
  void observe(std::int64_t now_ms, double queries_per_second, bool learn);
  void forget_evidence();
  [[nodiscard]] std::optional<Finding> finding() const { return finding_; }
  void accept_level();

  template <typename Self, typename State>
  static void visit(Self& self, State& state) {
    state(self.sum_, self.blocks_, self.count_, self.level_, self.reference_, self.low_, self.finding_);
    state.index(self.in_block_, kBlock);
    state.times(self.block_since_ms_, self.since_ms_);
  }

 private:
  static constexpr std::size_t kBlock = 10, kBlocks = 12;

  void end_block(std::int64_t now_ms, bool learn);
  [[nodiscard]] double before() const;

  double sum_ = 0;
  std::size_t in_block_ = 0;
  std::array<double, kBlocks> blocks_{};  ///< ring of means
  std::size_t count_ = 0;
  double level_ = 0;      ///< of the long run
  double reference_ = 0;  ///< before the fall; 0: there is none
  std::size_t low_ = 0;
  std::int64_t block_since_ms_ = 0, since_ms_ = 0;  ///< of a block, 0: with the next sample
  std::optional<Finding> finding_;
};

/// A figure that stays above a limit for a minute.
class LimitArm {
 public:
  explicit LimitArm(double limit) : limit_(limit) {}
  void observe(std::int64_t now_ms, double value);
  void forget_evidence() {
    above_since_ms_.reset();
    finding_.reset();
  }
  [[nodiscard]] std::optional<Finding> finding() const { return finding_; }

  template <typename Self, typename State>
  static void visit(Self& self, State& state) {
    state(self.level_, self.seen_, self.finding_);
    state.times(self.above_since_ms_);
  }

 private:
  double limit_;
  double level_ = 0, seen_ = 0;
  std::optional<std::int64_t> above_since_ms_;
  std::optional<Finding> finding_;
};

/// Cache hit rate that falls by 0.12 or more below its usual level, by blocks of 10 samples.
class CacheArm {
 public:
  void observe(std::int64_t now_ms, double queries, double hit_rate, bool learn);
  void forget_evidence();
  [[nodiscard]] std::optional<Finding> finding() const { return finding_; }

  template <typename Self, typename State>
  static void visit(Self& self, State& state) {
    state(self.hits_, self.queries_, self.level_, self.blocks_, self.low_, self.finding_);
    state.index(self.in_block_, kBlock);
    state.times(self.block_since_ms_, self.since_ms_);
  }

 private:
  static constexpr std::size_t kBlock = 10;

  double hits_ = 0, queries_ = 0;
  std::size_t in_block_ = 0;
  double level_ = 0, blocks_ = 0;
  std::size_t low_ = 0;
  std::int64_t block_since_ms_ = 0, since_ms_ = 0;  ///< of a block, 0: with the next sample
  std::optional<Finding> finding_;
};

/// Memory that grows steadily: the slope of three-minute floors over 21 minutes.
class GrowthArm {
 public:
  void observe(std::int64_t now_ms, double value);
  [[nodiscard]] std::optional<Finding> finding() const { return finding_; }
  /// What came before an interruption is no part of a trend.
  void restart() { trend_ = {}; }

  template <typename Self, typename State>
  static void visit(Self& self, State& state) {
    state(self.trend_, self.finding_);
  }

 private:
  FloorTrend trend_;
  std::optional<Finding> finding_;
};

}  // namespace outrider
