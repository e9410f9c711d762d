// detection-bench [--detector NAME] [--seeds FIRST-LAST] [--normal-seeds N] [--stress] [--verbose]: runs a detector
// over the corpus and prints its false incidents, what it found, and how soon. --detector: those of make_detector(), or
// "static". --normal-seeds: how many of the seeds the normal scenarios are run with.
// detection-bench --nab DIRECTORY: scores the files of the Numenta Anomaly Benchmark that are there instead.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "alerts/corpus/corpus.h"
#include "alerts/corpus/nab_bench.h"
#include "alerts/corpus/static_rules.h"
#include "userspace/detect/anomaly_score.h"

namespace {

using namespace outrider;

constexpr int kMergeGap = 60;

Result<std::unique_ptr<Detector>> make(const std::string& name) {
  if (name == "static") return std::unique_ptr<Detector>(std::make_unique<StaticRules>());
  return make_detector(name);
}

struct Alert {
  int begin = 0, end = 0;
  std::string arm;
  std::vector<std::pair<int, int>> spans;  ///< in which an incident was open
};

/// Incidents of all arms as one series: those that overlap or follow within a minute are one.
std::vector<Alert> alerts_of(Detector& detector, Run& run, int seconds, double& detector_seconds) {
  std::vector<DetectorSample> rows;
  rows.reserve(static_cast<std::size_t>(seconds));
  for (int second = 0; second < seconds; ++second) rows.push_back(run.next());
  std::vector<Alert> alerts;
  std::vector<IncidentEvent> events;
  int open = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (int second = 0; second < seconds; ++second) {
    events.clear();
    detector.observe(rows[static_cast<std::size_t>(second)], events);
    for (const IncidentEvent& event : events) {
      const bool opens = event.what == IncidentEvent::What::kOpen;
      if (opens && open++ == 0) {
        if (alerts.empty() || second - alerts.back().end > kMergeGap) {
          alerts.push_back({second, second, event.arm + " " + event.metric, {}});
        }
        alerts.back().spans.emplace_back(second, second);
      }
      if (event.what == IncidentEvent::What::kClose) --open;
    }
    if (open > 0) alerts.back().end = alerts.back().spans.back().second = second;
  }
  detector_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return alerts;
}

bool flagged(const std::vector<Alert>& alerts, int second) {
  return std::any_of(alerts.begin(), alerts.end(), [second](const Alert& alert) {
    if (second < alert.begin || second > alert.end) return false;
    return std::any_of(alert.spans.begin(), alert.spans.end(),
                       [second](const auto& span) { return span.first <= second && second <= span.second; });
  });
}

/// Seconds by what they were and what was said of them.
struct Confusion {
  std::int64_t true_positive = 0, false_positive = 0, true_negative = 0, false_negative = 0;

  void add(bool label, bool said) {
    ++(label ? (said ? true_positive : false_negative) : (said ? false_positive : true_negative));
  }
  [[nodiscard]] double false_positive_rate() const {
    return static_cast<double>(false_positive) /
           static_cast<double>(std::max<std::int64_t>(1, false_positive + true_negative));
  }
  [[nodiscard]] double accuracy() const {
    const auto all = true_positive + false_positive + true_negative + false_negative;
    return static_cast<double>(true_positive + true_negative) / static_cast<double>(std::max<std::int64_t>(1, all));
  }
};

struct EventScore {
  int events = 0, found = 0, true_alerts = 0, false_alerts = 0;
  std::vector<int> delays;
};

struct NormalScore {
  double days = 0;
  int alerts = 0;
  std::map<int, std::pair<int, int>> chance;  ///< deadline -> (windows, with an opening)
  std::map<std::string, int> arms;
};

/// "12 s"; "-" where nothing was found.
std::string percentile(std::vector<int> seconds, double q) {
  if (seconds.empty()) return "-";
  std::sort(seconds.begin(), seconds.end());
  const auto count = static_cast<double>(seconds.size());
  return fmt::format("{} s", seconds[static_cast<std::size_t>(std::min(count - 1, q * count))]);
}

void score_events(const std::vector<Alert>& alerts, const Run& run, int from, EventScore& score) {
  std::vector<bool> explained(alerts.size());
  for (const LabelledEvent& event : run.events()) {
    ++score.events;
    bool found = false;
    for (std::size_t i = 0; i < alerts.size(); ++i) {
      const int at = alerts[i].begin;
      if (at >= event.begin && at <= event.forgiven_until) {
        if (at <= event.end) explained[i] = true;
        if (!found && at <= event.begin + event.deadline) {
          found = true;
          score.delays.push_back(at - event.begin);
        }
      }
    }
    score.found += found ? 1 : 0;
  }
  for (std::size_t i = 0; i < alerts.size(); ++i) {
    if (alerts[i].begin < from) continue;
    const auto forgiven = [&](const LabelledEvent& event) {
      return alerts[i].begin >= event.begin && alerts[i].begin <= event.forgiven_until;
    };
    if (explained[i]) {
      ++score.true_alerts;
    } else if (std::none_of(run.events().begin(), run.events().end(), forgiven)) {
      ++score.false_alerts;
    }
  }
}

void confuse(const std::vector<Alert>& alerts, const Run& run, const Scenario& scenario, Confusion& confusion) {
  for (int second = scenario.scored_from; second < scenario.seconds; ++second) {
    const auto in = [second](const LabelledEvent& event) { return event.begin <= second && second <= event.end; };
    const auto after = [second](const LabelledEvent& event) {
      return event.end < second && second <= event.forgiven_until;
    };
    const bool label = std::any_of(run.events().begin(), run.events().end(), in);
    if (!label && std::any_of(run.events().begin(), run.events().end(), after)) continue;
    confusion.add(label, flagged(alerts, second));
  }
}

void score_normal(const std::vector<Alert>& alerts, const Scenario& scenario, NormalScore& score) {
  score.days += (scenario.seconds - scenario.scored_from) / 86'400.0;
  for (const Alert& alert : alerts) {
    if (alert.begin < scenario.scored_from) continue;
    ++score.alerts;
    ++score.arms[alert.arm];
  }
  for (const int deadline : {15, 30, 60, 120, 300, 600, 1800}) {
    auto& [windows, opened] = score.chance[deadline];
    for (int begin = scenario.scored_from; begin + deadline <= scenario.seconds; begin += deadline) {
      ++windows;
      opened += std::any_of(alerts.begin(), alerts.end(),
                            [&](const Alert& alert) { return alert.begin >= begin && alert.begin < begin + deadline; });
    }
  }
}

struct Options {
  std::string detector = "default", nab;
  int first = 0, last = 23, normal_seeds = 5;
  bool stress = false, verbose = false;
};

class Bench {
 public:
  explicit Bench(Options options) : options_(std::move(options)) {}

  void normal();
  void faults();
  void print_sum() const;

 private:
  std::vector<Alert> run(const Scenario& scenario, int seed, Run& engine);

  Options options_;
  double seconds_in_detector_ = 0;
  std::int64_t snapshots_ = 0;
  NormalScore all_;
  Confusion normal_seconds_, all_seconds_;
};

std::vector<Alert> Bench::run(const Scenario& scenario, int seed, Run& engine) {
  const auto detector = *make(options_.detector);
  auto alerts = alerts_of(*detector, engine, scenario.seconds, seconds_in_detector_);
  snapshots_ += scenario.seconds;
  confuse(alerts, engine, scenario, all_seconds_);
  if (options_.verbose) {
    for (const LabelledEvent& event : engine.events())
      fmt::print("{} {} event at {}\n", scenario.name, seed, event.begin);
    for (const Alert& alert : alerts) {
      fmt::print("{} {} alert at {}-{}: {}\n", scenario.name, seed, alert.begin, alert.end, alert.arm);
    }
  }
  return alerts;
}

void Bench::normal() {
  fmt::print("{:<12} {:>6} {:>8} {:>9}  {}\n", "normal", "days", "alerts/d", "flagged", "by");
  double worst = 0;
  for (const Scenario& scenario : normal_scenarios()) {
    NormalScore score;
    Confusion seconds;
    for (int seed = options_.first; seed < options_.first + options_.normal_seeds; ++seed) {
      Run engine(scenario, static_cast<std::uint64_t>(seed), options_.stress);
      const auto alerts = run(scenario, seed, engine);
      score_normal(alerts, scenario, score);
      score_normal(alerts, scenario, all_);
      confuse(alerts, engine, scenario, seconds);
      confuse(alerts, engine, scenario, normal_seconds_);
    }
    std::string arms;
    for (const auto& [arm, count] : score.arms) arms += fmt::format("{} x{}; ", arm, count);
    worst = std::max(worst, score.alerts / score.days);
    fmt::print("{:<12} {:>6.1f} {:>8.2f} {:>7.3f} %  {}\n", scenario.name, score.days, score.alerts / score.days,
               100 * seconds.false_positive_rate(), arms);
  }
  fmt::print("false incidents a day: {:.2f}, in the worst scenario {:.2f}; {:.3f} % of normal intervals flagged\n",
             all_.alerts / all_.days, worst, 100 * normal_seconds_.false_positive_rate());
}

void Bench::faults() {
  EventScore sum;
  fmt::print("{:<12} {:>6} {:>7} {:>7} {:>7} {:>6} {:>6} {:>7}\n", "faults", "count", "found", "p50", "p90", "true",
             "false", "chance");
  for (const Scenario& scenario : event_scenarios()) {
    EventScore score;
    int deadline = 0;
    for (int seed = options_.first; seed <= options_.last; ++seed) {
      Run engine(scenario, static_cast<std::uint64_t>(seed), false);
      const auto alerts = run(scenario, seed, engine);
      score_events(alerts, engine, scenario.scored_from, score);
      deadline = engine.events().front().deadline;
    }
    const auto& [windows, opened] = all_.chance[deadline];
    fmt::print("{:<12} {:>6} {:>5.1f} % {:>7} {:>7} {:>6} {:>6} {:>7.4f}\n", scenario.name, score.events,
               100.0 * score.found / score.events, percentile(score.delays, 0.5), percentile(score.delays, 0.9),
               score.true_alerts, score.false_alerts, windows > 0 ? static_cast<double>(opened) / windows : 0);
    sum.events += score.events;
    sum.found += score.found;
    sum.true_alerts += score.true_alerts;
    sum.false_alerts += score.false_alerts;
  }
  const int reported = std::max(1, sum.true_alerts + sum.false_alerts);
  fmt::print("recall at the deadline: {:.1f} %, precision of incidents: {:.3f}\n", 100.0 * sum.found / sum.events,
             static_cast<double>(sum.true_alerts) / reported);
}

void Bench::print_sum() const {
  fmt::print(
      "of all intervals: false-positive rate {:.3f} %, accuracy {:.2f} %; {:.0f} ns a snapshot, {} bytes of state\n",
      100 * all_seconds_.false_positive_rate(), 100 * all_seconds_.accuracy(),
      1e9 * seconds_in_detector_ / static_cast<double>(std::max<std::int64_t>(1, snapshots_)),
      (*make(options_.detector))->state_bytes());
}

int run(const Options& options) {
  if (!options.nab.empty()) {
    const Status printed = print_nab(options.nab, AnomalyScore::kAlarm);
    if (!printed) fmt::print(stderr, "detection-bench: {}\n", printed.error().message);
    return printed ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  if (const auto made = make(options.detector); !made) {
    fmt::print(stderr, "detection-bench: {}\n", made.error().message);
    return 2;
  }
  Bench bench(options);
  bench.normal();
  if (!options.stress) bench.faults();
  bench.print_sum();
  return EXIT_SUCCESS;
}

}  // namespace

int main(int count, char** arguments) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    if (argument == "--stress") options.stress = true;
    if (argument == "--verbose") options.verbose = true;
    if (i + 1 < count && argument == "--detector") options.detector = arguments[i + 1];
    if (i + 1 < count && argument == "--nab") options.nab = arguments[i + 1];
    if (i + 1 < count && argument == "--normal-seeds") options.normal_seeds = std::atoi(arguments[i + 1]);
    if (i + 1 < count && argument == "--seeds") std::sscanf(arguments[i + 1], "%d-%d", &options.first, &options.last);
  }
  return run(options);
}
