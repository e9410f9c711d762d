// How fast an objective's error budget is being used up: multi-window, multi-burn-rate alerting as in "Alerting on
// SLOs", chapter 5 of The Site Reliability Workbook (Google, 2018), table 5-8: 14.4 times the allowed rate over an hour
// (2 % of the budget of 30 days), 6 times over 6 hours (5 %), once over 3 days (10 %), each only while the last twelfth
// of the window burns as fast, so that it is over soon after the cause is. Constant memory (3 KB), not thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "userspace/detect/incident.h"

namespace outrider {

/// Sums by clock-aligned buckets; the oldest are forgotten. A clock that goes back goes on in the newest bucket.
template <std::size_t Windows>
class CountRing {
 public:
  struct Counts {
    double all = 0, bad = 0;

    template <typename Self, typename State>
    static void visit(Self& self, State& state) {
      state(self.all, self.bad);
    }
  };

  void add(std::int64_t number, const Counts& counts) {
    const std::int64_t steps = number - newest_;
    newest_ = number;
    for (std::int64_t i = 0; i < steps && i < static_cast<std::int64_t>(Windows); ++i) {
      place_ = (place_ + 1) % Windows;
      buckets_[place_] = {};
    }
    buckets_[place_].all += counts.all;
    buckets_[place_].bad += counts.bad;
  }
  /// Of the newest `windows` buckets.
  [[nodiscard]] Counts sum(std::size_t windows) const {
    Counts sum;
    for (std::size_t ago = 0; ago < windows && ago < Windows; ++ago) {
      const Counts& one = buckets_[(place_ + Windows - ago) % Windows];
      sum.all += one.all;
      sum.bad += one.bad;
    }
    return sum;
  }

  template <typename Self, typename State>
  static void visit(Self& self, State& state) {
    state(self.buckets_, self.newest_);
    state.index(self.place_, Windows);
  }

 private:
  std::array<Counts, Windows> buckets_{};
  std::int64_t newest_ = 0;
  std::size_t place_ = 0;
};

class BurnRate {
 public:
  static constexpr std::size_t kPairs = 3;

  /// `objective`: 0..1, the share that should be good. `metric`: borrowed, with static lifetime.
  BurnRate(double objective, const char* metric);

  /// `all` and `bad` of an interval that ended at `now_ms`. Events have the arm "burn" and as metric the one above;
  /// the score is the burn rate over the long window, the value the bad share in it, which `expected` allows.
  void observe(std::int64_t now_ms, double interval_seconds, double all, double bad,
               std::vector<IncidentEvent>& events);

  /// What was found is over; it is found again if what comes from now on burns, too.
  void forget_evidence();

  /// Of an event: 0 is the fastest pair.
  static std::size_t pair_of(const IncidentEvent& event);

  template <typename Self, typename State>
  static void visit(Self& self, State& state) {
    state(self.watched_seconds_, self.since_, self.minutes_, self.five_minutes_, self.hours_, self.incidents_[0],
          self.incidents_[1], self.incidents_[2], self.found_);
    state.times(self.judged_ms_);
  }

 private:
  void judge(std::int64_t now_ms);

  double objective_;
  double watched_seconds_ = 0;
  CountRing<60>::Counts since_;  ///< the last forget_evidence()
  CountRing<60> minutes_;
  CountRing<72> five_minutes_;
  CountRing<72> hours_;
  std::int64_t judged_ms_ = 0;
  std::array<std::optional<Finding>, kPairs> found_;
  std::array<Incident, kPairs> incidents_;
};

}  // namespace outrider
