// How much each row of a series, of which nothing is known but its times, is out of line with the rows before it.
// Streaming: no row sees a later one, and nothing is fitted to the series beforehand. About 3.3 KB, however long it
// runs; not thread-safe. The parameters are fixed, the same for every series.
//
// Four figures are taken of each row; each is compared with the largest that it has been, so that what happens again
// and again in a series is not news:
//   extreme   how far the value is beyond the range so far, against a tenth of that range
//   shift     the mean of the last rows less that of the long run
//   profile   what the value differs by from its usual one at that hour of the day or, once there are three weeks, of
//             the week; only where those hours explain most of the variance
//   restless  the mean step from row to row, now against the long run
// The largest of the four is the row's. After an alarm scores are halved, and recover within some hundred rows: what
// follows has to be worse to be an alarm of its own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace outrider {

class AnomalyScore {
 public:
  /// A score from here on is an alarm: the row has set a record.
  static constexpr double kAlarm = 0.5;

  /// 0 (nothing) to 1. The first hundred rows have 0, and so has a value that is not finite, which is passed over. A
  /// time before the last one is taken as it comes: only the hour that it is matters.
  double observe(std::int64_t time_ms, double value);

 private:
  /// A mean in which the weight of the past halves every so many rows; of few rows it is the plain one.
  class Mean {
   public:
    void add(double value, double half_life);
    [[nodiscard]] double value() const { return value_; }
    [[nodiscard]] double rows() const { return rows_; }

   private:
    double value_ = 0, rows_ = 0;
  };

  /// The largest that a figure has been, slowly forgotten.
  class Record {
   public:
    /// `figure` (not negative) as a share of the record before it.
    double share(double figure);

   private:
    double largest_ = 0;
    Mean mean_;
  };

  double extreme(double value);
  double shift(double value);
  double profile(std::int64_t time_ms, double value);
  double restless(double value);
  void learn_pace(std::int64_t time_ms);
  double after_alarms(double score);

  double rows_ = 0;
  Mean level_;  ///< of the long run
  double low_ = 0, high_ = 0;
  Mean recent_;
  Record shifts_;
  std::array<Mean, 24> day_;
  std::array<Mean, 168> week_;
  Mean rows_an_hour_;
  std::int64_t last_ms_ = 0;
  Mean recent_rest_;               ///< of what the profile leaves unexplained
  Mean rest_variance_, variance_;  ///< about the profile, about the level
  Record rests_;
  double last_value_ = 0;
  Mean recent_steps_, steps_;
  Record restless_;
  double muted_ = 0;  ///< 1 after an alarm, falling to 0
};

}  // namespace outrider
