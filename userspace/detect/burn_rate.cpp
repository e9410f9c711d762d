#include "userspace/detect/burn_rate.h"

#include <algorithm>
#include <string_view>

namespace outrider {
namespace {

// Fewer say nothing: one failure among twenty queries burns fifty times what 99.9 % allow.
constexpr double kLeastSeen = 100, kLeastBad = 5;
constexpr std::int64_t kEveryMs = 10'000;
constexpr std::int64_t kMinuteMs = 60'000;

struct Pair {
  const char* arm;
  double limit;
  double long_seconds;
};
constexpr std::array<Pair, BurnRate::kPairs> kTable = {
    {{"burn 1h", 14.4, 3'600}, {"burn 6h", 6, 21'600}, {"burn 3d", 1, 259'200}}};

}  // namespace

BurnRate::BurnRate(double objective, const char* metric)
    : objective_(objective),
      incidents_{Incident(kTable[0].arm, metric), Incident(kTable[1].arm, metric), Incident(kTable[2].arm, metric)} {}

std::size_t BurnRate::pair_of(const IncidentEvent& event) {
  const auto* found =
      std::find_if(kTable.begin(), kTable.end(), [&](const Pair& pair) { return event.arm == pair.arm; });
  return static_cast<std::size_t>(found - kTable.begin());
}

// Time that was never watched counts as good: an hour's budget is not used up by the first bad minute.
void BurnRate::judge(std::int64_t now_ms) {
  struct Window {
    double all, bad, short_all, short_bad;
  };
  const auto window = [](const auto& whole, const auto& part) {
    return Window{whole.all, whole.bad, part.all, part.bad};
  };
  const std::array<Window, kPairs> windows = {window(minutes_.sum(60), minutes_.sum(5)),
                                              window(five_minutes_.sum(72), minutes_.sum(30)),
                                              window(hours_.sum(72), five_minutes_.sum(72))};
  const double allowed = 1 - objective_;
  for (std::size_t i = 0; i < kPairs; ++i) {
    const Window& seen = windows[i];
    std::optional<Finding>& found = found_[i];
    const auto before = found;
    found.reset();
    // Of two windows that end now the shorter one has less.
    const double recent = std::min(seen.short_all, since_.all), recent_bad = std::min(seen.short_bad, since_.bad);
    if (recent < kLeastSeen || recent_bad < kLeastBad) continue;
    const double watched = std::min(1.0, watched_seconds_ / kTable[i].long_seconds);
    const double share = seen.bad / seen.all;
    const double burn = share * watched / allowed;
    if (burn < kTable[i].limit || recent_bad / recent < kTable[i].limit * allowed) continue;
    found = Finding{share, allowed, burn, before ? before->since_ms : now_ms};
  }
}

void BurnRate::forget_evidence() {
  since_ = {};
  found_ = {};
  for (Incident& incident : incidents_) incident.forget();
}

void BurnRate::observe(std::int64_t now_ms, double interval_seconds, double all, double bad,
                       std::vector<IncidentEvent>& events) {
  if (!(objective_ < 1)) return;  // nothing is allowed, and no rate of nothing is too fast
  since_.all += all;
  since_.bad += bad;
  watched_seconds_ = std::min(watched_seconds_ + interval_seconds, kTable.back().long_seconds);
  minutes_.add(now_ms / kMinuteMs, {all, bad});
  five_minutes_.add(now_ms / (5 * kMinuteMs), {all, bad});
  hours_.add(now_ms / (60 * kMinuteMs), {all, bad});
  if (judged_ms_ == 0 || now_ms - judged_ms_ >= kEveryMs) {
    judge(now_ms);
    judged_ms_ = now_ms;
  }
  for (std::size_t i = 0; i < kPairs; ++i) incidents_[i].update(now_ms, found_[i], events);
}

}  // namespace outrider
