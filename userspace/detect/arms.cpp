#include "userspace/detect/arms.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace outrider {
namespace {

double half_of(double half_life) { return std::exp2(-1 / half_life); }
double gain(double half_life, double seen) { return std::max(1 - half_of(half_life), 1 / (1 + seen)); }

}  // namespace

void ErrorArm::observe(std::int64_t now_ms, double queries, double error_rate, bool learn) {
  constexpr double kLimit = 18, kTimes = 5, kLeast = 0.01;
  constexpr double kPriorQueries = 2000, kPriorFailed = 1;  // what is usual before anything was seen
  constexpr double kKnown = 3000;
  if (!(queries > 0)) return;
  const double failed = std::round(error_rate * queries);
  const double usual = std::min(0.5, (failed_ + kPriorFailed) / (queries_ + kPriorQueries));
  const double bad = std::min(0.9, std::max(kTimes * usual, kLeast));
  if (queries_ >= kKnown) {
    // Log-likelihood ratio of this second (Wald, 1945).
    const double step = failed * std::log(bad / usual) + (queries - failed) * std::log((1 - bad) / (1 - usual));
    sum_ = std::clamp(sum_ + step, 0.0, 2 * kLimit);
  }
  if (sum_ <= 0 || begin_ms_ == 0) begin_ms_ = now_ms;
  if (sum_ <= 0) {
    run_queries_ = run_failed_ = 0;
  } else {
    run_queries_ += queries;
    run_failed_ += failed;
  }
  finding_.reset();
  if (sum_ > kLimit) finding_ = Finding{run_failed_ / run_queries_, usual, sum_, begin_ms_};
  if (!learn || sum_ > 0.5 * kLimit) return;
  const double keep = half_of(3600);
  queries_ = keep * queries_ + queries;
  failed_ = keep * failed_ + failed;
}

void ErrorArm::forget_evidence() {
  sum_ = run_queries_ = run_failed_ = 0;
  begin_ms_ = 0;
  finding_.reset();
}

double TrafficArm::before() const {
  // The blocks of 30 to 60 seconds ago: before a fall that took less than that.
  double sum = 0;
  for (std::size_t ago = 4; ago < 7; ++ago) sum += blocks_[(count_ - 1 - ago) % kBlocks];
  return sum / 3;
}

void TrafficArm::end_block(std::int64_t now_ms, bool learn) {
  constexpr std::size_t kLeastBlocks = 30;
  constexpr double kShare = 0.5, kOfLevel = 0.3;
  const double mean = sum_ / static_cast<double>(in_block_);
  sum_ = 0;
  in_block_ = 0;
  const std::int64_t block_since_ms = std::exchange(block_since_ms_, now_ms);
  blocks_[count_++ % kBlocks] = mean;
  if (count_ > kLeastBlocks) {
    const double reference = reference_ > 0 ? reference_ : before();
    const bool low = mean < kShare * reference && mean < kShare * level_ && reference - mean > kOfLevel * level_;
    if (low && low_ == 0) since_ms_ = block_since_ms;
    low_ = low ? low_ + 1 : 0;
    reference_ = low ? reference : 0;
    finding_.reset();
    if (low_ >= 2) finding_ = Finding{mean, reference, reference > 0 ? 1 - mean / reference : 0, since_ms_};
  }
  if (learn && low_ == 0) level_ += gain(120, static_cast<double>(count_ - 1)) * (mean - level_);
}

void TrafficArm::observe(std::int64_t now_ms, double queries_per_second, bool learn) {
  if (block_since_ms_ == 0) block_since_ms_ = now_ms;
  sum_ += queries_per_second;
  if (++in_block_ == kBlock) end_block(now_ms, learn);
}

void TrafficArm::accept_level() {
  level_ = blocks_[(count_ - 1) % kBlocks];
  low_ = 0;
  reference_ = 0;
  finding_.reset();
}

// What it fell from stays: it has to come back to that.
void TrafficArm::forget_evidence() {
  sum_ = 0;
  in_block_ = low_ = 0;
  block_since_ms_ = 0;
  finding_.reset();
}

void LimitArm::observe(std::int64_t now_ms, double value) {
  constexpr std::int64_t kForMs = 60'000;
  finding_.reset();
  if (value < limit_) {
    above_since_ms_.reset();
    level_ += gain(3600, seen_++) * (value - level_);
    return;
  }
  if (!above_since_ms_) above_since_ms_ = now_ms;
  // A host that was never below it has no usual level.
  const double expected = seen_ > 0 ? level_ : limit_;
  if (now_ms - *above_since_ms_ >= kForMs) finding_ = Finding{value, expected, value / limit_, *above_since_ms_};
}

void CacheArm::observe(std::int64_t now_ms, double queries, double hit_rate, bool learn) {
  constexpr double kDrop = 0.12, kLeastQueries = 100, kLeastBlocks = 30, kSigmas = 5;
  if (block_since_ms_ == 0) block_since_ms_ = now_ms;
  hits_ += hit_rate * queries;
  queries_ += queries;
  if (++in_block_ < kBlock) return;
  in_block_ = 0;
  const std::int64_t block_since_ms = std::exchange(block_since_ms_, now_ms);
  const double queries_seen = queries_, rate = queries_ > 0 ? hits_ / queries_ : 0;
  hits_ = queries_ = 0;
  if (queries_seen < kLeastQueries) return;
  if (blocks_ >= kLeastBlocks) {
    const double sigma = std::sqrt(std::max(level_ * (1 - level_), 0.01) / queries_seen);
    const bool low = level_ - rate > std::max(kDrop, kSigmas * sigma);
    if (low && low_ == 0) since_ms_ = block_since_ms;
    low_ = low ? low_ + 1 : 0;
    finding_.reset();
    if (low_ >= 2) finding_ = Finding{rate, level_, (level_ - rate) / sigma, since_ms_};
  }
  if (!learn || low_ > 0) return;
  level_ += gain(120, blocks_) * (rate - level_);
  ++blocks_;
}

void CacheArm::forget_evidence() {
  hits_ = queries_ = 0;
  in_block_ = low_ = 0;
  block_since_ms_ = 0;
  finding_.reset();
}

void GrowthArm::observe(std::int64_t now_ms, double value) {
  constexpr double kT = 8, kPerHour = 0.08, kGrown = 0.03;
  if (!trend_.observe(now_ms, value)) return;
  finding_.reset();
  const auto line = trend_.line();
  if (!line || !(line->first > 0) || !(line->mean > 0)) return;
  const double per_hour = line->slope / line->mean * 3'600'000 / static_cast<double>(FloorTrend::kFloorMs);
  const double grown = (line->last - line->first) / line->first;
  if (line->t > kT && per_hour > kPerHour && grown >= kGrown) {
    finding_ = Finding{value, line->first, line->t, now_ms - FloorTrend::kSpanMs};
  }
}

}  // namespace outrider
