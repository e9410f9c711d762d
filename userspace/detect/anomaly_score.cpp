#include "userspace/detect/anomaly_score.h"

#include <algorithm>
#include <cmath>

namespace outrider {
namespace {

// In rows. Series of monitoring have a row a minute to a row half an hour: a day is 50 to 1440.
constexpr double kRecent = 6;        // the shortest change that is more than one odd row
constexpr double kRecentSteps = 30;  // a spread needs more rows than a mean
constexpr double kLongRun = 1'000;   // some days
constexpr double kForget = 10'000;   // some weeks: until a record is half forgotten
constexpr double kFirst = 100;       // rows that say nothing
constexpr double kSettle = 50;       // rows before there are records: what swings at first would be one for long
constexpr double kMuted = 100;       // after an alarm
constexpr double kMutedBy = 0.5;

constexpr double kMargin = 0.1;     // of the range, that a new extreme lies beyond it
constexpr double kLeastRecord = 3;  // times the mean: what is no record even if nothing was larger yet
constexpr double kVisits = 5;       // half-life of an hour's usual value, in days or weeks
constexpr double kKnownDays = 2, kKnownWeeks = 3;
constexpr double kExplained = 0.5;  // of the variance
constexpr double kHuge = 1e100;     // so that squares are finite
constexpr double kMost = 1'000;     // records, and what there is for a step from a constant

constexpr std::int64_t kHourMs = 3'600'000;
// 1 January 1970 was a Thursday; any beginning of the week will do.
std::size_t hour_of(std::int64_t time_ms, std::int64_t hours) {
  const std::int64_t hour = (time_ms >= 0 ? time_ms : time_ms - kHourMs + 1) / kHourMs;
  return static_cast<std::size_t>((hour % hours + hours) % hours);
}

}  // namespace

void AnomalyScore::Mean::add(double value, double half_life) {
  value_ += std::max(1 - std::exp2(-1 / half_life), 1 / (1 + rows_)) * (value - value_);
  ++rows_;
}

double AnomalyScore::Record::share(double figure) {
  const double record = std::max(largest_, kLeastRecord * mean_.value());
  largest_ = std::max(figure, largest_ * std::exp2(-1 / kForget));
  mean_.add(figure, kForget);
  if (record > 0) return std::min(figure / record, kMost);
  return figure > 0 ? kMost : 0;
}

double AnomalyScore::extreme(double value) {
  const double beyond = std::max({value - high_, low_ - value, 0.0});
  const double range = high_ - low_;
  double share = 0;
  if (beyond > 0) share = range > 0 ? std::min(beyond / (kMargin * range), kMost) : kMost;
  const double keep = std::exp2(-1 / kForget);
  high_ = std::max(value, level_.value() + keep * (high_ - level_.value()));
  low_ = std::min(value, level_.value() + keep * (low_ - level_.value()));
  return share;
}

double AnomalyScore::shift(double value) {
  recent_.add(value, kRecent);
  return rows_ < kSettle ? 0 : shifts_.share(std::abs(recent_.value() - level_.value()));
}

double AnomalyScore::restless(double value) {
  const double step = std::abs(value - last_value_);
  last_value_ = value;
  recent_steps_.add(step, kRecentSteps);
  const double usual = steps_.value();
  steps_.add(step, kLongRun);
  return rows_ >= kSettle && usual > 0 ? restless_.share(recent_steps_.value() / usual) : 0;
}

double AnomalyScore::profile(std::int64_t time_ms, double value) {
  const double per_hour = std::max(1.0, rows_an_hour_.value());
  Mean& day = day_[hour_of(time_ms, 24)];
  Mean& week = week_[hour_of(time_ms, 168)];
  double share = 0;
  if (day.rows() >= kKnownDays * per_hour) {
    const double rest = value - (week.rows() >= kKnownWeeks * per_hour ? week : day).value();
    const double from_level = value - level_.value();
    rest_variance_.add(rest * rest, kLongRun);
    variance_.add(from_level * from_level, kLongRun);
    recent_rest_.add(rest, kRecent);
    const bool explains = rest_variance_.rows() > kFirst && rest_variance_.value() < kExplained * variance_.value();
    if (explains) share = rests_.share(std::abs(recent_rest_.value()));
  }
  day.add(value, kVisits * per_hour);
  week.add(value, kVisits * per_hour);
  return share;
}

void AnomalyScore::learn_pace(std::int64_t time_ms) {
  if (rows_ > 0 && time_ms > last_ms_) {
    const double per_hour = static_cast<double>(kHourMs) / static_cast<double>(time_ms - last_ms_);
    rows_an_hour_.add(std::clamp(per_hour, 0.01, 3'600.0), kFirst);
  }
  last_ms_ = time_ms;
}

double AnomalyScore::after_alarms(double score) {
  const double left = score * (1 - kMutedBy * muted_);
  muted_ *= std::exp2(-1 / kMuted);
  if (left > kAlarm) muted_ = 1;
  return left;
}

double AnomalyScore::observe(std::int64_t time_ms, double row_value) {
  if (!std::isfinite(row_value)) return 0;
  const double value = std::clamp(row_value, -kHuge, kHuge);
  if (rows_ <= 0) low_ = high_ = last_value_ = value;
  learn_pace(time_ms);
  const double largest = std::max({shift(value), extreme(value), profile(time_ms, value), restless(value)});
  level_.add(value, kLongRun);
  ++rows_;
  if (rows_ < kFirst) return 0;
  return after_alarms(largest / (1 + largest));
}

}  // namespace outrider
