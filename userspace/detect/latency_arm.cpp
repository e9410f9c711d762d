#include "userspace/detect/latency_arm.h"

#include <algorithm>
#include <cmath>

namespace outrider {
namespace {

constexpr double kSecondsHalfLife = 600;
constexpr double kBlocksHalfLife = 50;
constexpr double kLeastSeconds = 120, kLeastBlocks = 30;
constexpr double kMadToSigma = 1.2533;                    // of a mean absolute deviation, for a normal distribution
constexpr double kSpikeSigmas = 4, kSpikeEffect = 0.336;  // ln 1.4
constexpr double kLargeSigmas = 2.5, kLargeEffect = 0.6;
constexpr std::size_t kSpikeHits = 5;
constexpr double kAllowance = 0.6, kClip = 4;
constexpr double kLeastScale = 0.01;
constexpr double kOutlier = 3;
constexpr double kSettled = 300;   // samples at about a load
constexpr double kAnything = 100;  // no limit to what one sample may teach

double gain(double half_life, double seen) { return std::max(1 - std::exp2(-1 / half_life), 1 / (1 + seen)); }

}  // namespace

void LatencyArm::learn_scale(double residual) {
  const double limit = seen_ < kLeastSeconds ? 1 : kOutlier * std::max(scale_, kLeastScale);
  scale_ += gain(kSecondsHalfLife, seen_) * (kMadToSigma * std::min(std::abs(residual), limit) - scale_);
  ++seen_;
}

void LatencyArm::look_for_spike(const LatencySample& sample, double residual, double z) {
  spike_.reset();
  if (seen_ < kLeastSeconds) return;
  const bool sure = z > kSpikeSigmas && residual > kSpikeEffect;
  // On small noisy engines nothing lies four deviations out, but not much is twice as slow for five seconds either.
  const bool large = z > kLargeSigmas && residual > kLargeEffect;
  if (sure || large) {
    hits_ms_[next_hit_] = sample.now_ms;
    next_hit_ = (next_hit_ + 1) % kSpikeWindow;
  }
  const double window_seconds = kSpikeWindow * std::max(1.0, sample.interval_seconds);
  const std::int64_t from_ms = sample.now_ms - std::llround(window_seconds * 1000);
  const auto recent = [&](std::int64_t at_ms) { return at_ms > from_ms; };
  if (static_cast<std::size_t>(std::count_if(hits_ms_.begin(), hits_ms_.end(), recent)) < kSpikeHits) return;
  std::int64_t since_ms = sample.now_ms;
  for (const std::int64_t at_ms : hits_ms_) {
    if (recent(at_ms)) since_ms = std::min(since_ms, at_ms);
  }
  spike_ = Finding{sample.seconds, sample.seconds / std::exp(residual), z, since_ms};
}

void LatencyArm::end_block(std::int64_t now_ms, double seconds, bool learn) {
  const auto middle = block_.begin() + static_cast<std::ptrdiff_t>(in_block_ / 2);
  std::nth_element(block_.begin(), middle, block_.begin() + static_cast<std::ptrdiff_t>(in_block_));
  const double median = *middle;
  in_block_ = 0;
  last_median_ = median;
  const double residual = median - level_;
  const double sigma = std::max(block_scale_, kLeastScale) * block_widen_ / kBlock;
  block_widen_ = 0;
  if (blocks_ >= kLeastBlocks) {
    sum_ = std::max(0.0, sum_ + std::clamp(residual / sigma, -kClip, kClip) - kAllowance);
    if (sum_ <= 0) {
      run_ = run_blocks_ = 0;
      run_begin_ms_ = now_ms;
    } else {
      run_ += residual;
      ++run_blocks_;
    }
    const double effect = run_blocks_ > 0 ? run_ / run_blocks_ : 0;
    const bool was = shift_.has_value();
    if (!was && sum_ > options_.shift_limit && effect >= options_.shift_effect && residual >= options_.shift_effect) {
      open_effect_ = effect;
      shift_ = Finding{seconds, seconds / std::exp(residual), sum_, run_begin_ms_};
    } else if (was && residual > open_effect_ / 2) {
      shift_ = Finding{seconds, seconds / std::exp(residual), sum_, shift_->since_ms};
    } else {
      shift_.reset();
      if (was) sum_ = run_ = run_blocks_ = 0;
    }
  } else {
    run_begin_ms_ = now_ms;
  }
  if (!learn || shift_) return;
  const double clipped = blocks_ < kLeastBlocks ? residual : std::clamp(residual, -kOutlier * sigma, kOutlier * sigma);
  const double by = gain(kBlocksHalfLife, blocks_);
  level_ += by * clipped;
  block_scale_ += by * (kMadToSigma * std::abs(clipped) * std::max(block_scale_, kLeastScale) / sigma - block_scale_);
  ++blocks_;
}

void LatencyArm::observe(const LatencySample& sample, bool learn) {
  const double queries_per_second = sample.queries_per_second, queries = sample.queries, seconds = sample.seconds;
  if (queries < options_.least_queries || !(seconds > 0) || !(queries_per_second > 0)) {
    spike_.reset();
    return;
  }
  const double value = std::log(seconds);
  const LoadBaseline::Expected expected = baseline_.expected(queries_per_second);
  if (expected.samples < kSettled) {  // a load that is new: what it does to latency is being learned
    baseline_.learn(queries_per_second, value, kAnything);
    expected_.reset();
    spike_.reset();
    return;
  }
  const double residual = value - expected.level;
  expected_ = expected.level + level_;
  const double widen = std::max(1.0, std::exp((log_queries_ - std::log(queries)) / 2));
  const double sigma = std::max(scale_, kLeastScale) * widen;
  look_for_spike(sample, residual - level_, (residual - level_) / sigma);
  if (run_begin_ms_ == 0) run_begin_ms_ = sample.now_ms;
  block_[in_block_++] = residual;
  block_widen_ += widen;
  if (in_block_ == kBlock) end_block(sample.now_ms, seconds, learn);
  if (!learn || shift_) return;
  // What the baseline takes over is no longer part of the level above it: together they stay where they are.
  level_ -= baseline_.learn(queries_per_second, value, 2 * sigma);
  log_queries_ += gain(kSecondsHalfLife, seen_) * (std::log(queries) - log_queries_);
  learn_scale(residual - level_);
}

double LatencyArm::expected_seconds() const { return expected_ ? std::exp(*expected_) : 0; }

void LatencyArm::accept_level() {
  baseline_.shift(last_median_);
  level_ = 0;
  forget_evidence();
}

void LatencyArm::forget_evidence() {
  sum_ = run_ = run_blocks_ = 0;
  run_begin_ms_ = 0;
  in_block_ = 0;
  block_widen_ = 0;
  shift_.reset();
  spike_.reset();
  hits_ms_.fill(0);
}

}  // namespace outrider
