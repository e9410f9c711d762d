// detection-bench [--detector NAME] [--seeds FIRST-LAST] [--normal-seeds N] [--stress]: runs a detector over the
// corpus and prints the table of its false incidents, what it found, and how soon.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "alerts/corpus/corpus.h"

namespace {

using namespace outrider;

constexpr int kMergeGap = 60;

struct Alert {
  int begin = 0, end = 0;
  std::string arm;
};

/// Incidents of all arms as one series: those that overlap or follow within a minute are one.
std::vector<Alert> alerts_of(Detector& detector, Run& run, int seconds, std::int64_t& flagged, int from,
                             double& detector_seconds) {
  std::vector<Alert> alerts;
  std::vector<IncidentEvent> events;
  int open = 0;
  std::vector<DetectorSample> rows;
  rows.reserve(static_cast<std::size_t>(seconds));
  for (int second = 0; second < seconds; ++second) rows.push_back(run.next());
  const auto begin = std::chrono::steady_clock::now();
  for (int second = 0; second < seconds; ++second) {
    events.clear();
    detector.observe(rows[static_cast<std::size_t>(second)], events);
    for (const IncidentEvent& event : events) {
      if (event.what == IncidentEvent::What::kOpen && open++ == 0) {
        if (alerts.empty() || second - alerts.back().end > kMergeGap) {
          alerts.push_back({second, second, event.arm + " " + event.metric});
        }
      }
      if (event.what == IncidentEvent::What::kClose) --open;
    }
    if (open > 0) {
      alerts.back().end = second;
      if (second >= from) ++flagged;
    }
  }
  detector_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return alerts;
}

struct EventScore {
  int events = 0, found = 0, true_alerts = 0, false_alerts = 0;
  std::vector<int> delays;
};

struct NormalScore {
  double days = 0;
  int alerts = 0;
  std::int64_t flagged = 0, seconds = 0;
  std::map<int, std::pair<int, int>> chance;  ///< deadline -> (windows, with an opening)
  std::map<std::string, int> arms;
};

int percentile(std::vector<int> values, double q) {
  if (values.empty()) return -1;
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(
      std::min<double>(static_cast<double>(values.size()) - 1, q * static_cast<double>(values.size())))];
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

void score_normal(const std::vector<Alert>& alerts, const Scenario& scenario, NormalScore& score) {
  score.days += (scenario.seconds - scenario.scored_from) / 86'400.0;
  score.seconds += scenario.seconds - scenario.scored_from;
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
  std::string detector = "default";
  int first = 0, last = 23, normal_seeds = 5;
  bool stress = false, verbose = false;
};

int run(const Options& options) {
  double seconds_in_detector = 0;
  std::int64_t snapshots = 0;
  std::map<std::string, NormalScore> normals;
  NormalScore all;
  for (const Scenario& scenario : normal_scenarios()) {
    for (int seed = options.first; seed < options.first + options.normal_seeds; ++seed) {
      auto detector = make_detector(options.detector);
      Run engine(scenario, static_cast<std::uint64_t>(seed), options.stress);
      NormalScore& score = normals[scenario.name];
      const auto alerts =
          alerts_of(**detector, engine, scenario.seconds, score.flagged, scenario.scored_from, seconds_in_detector);
      snapshots += scenario.seconds;
      score_normal(alerts, scenario, score);
      if (options.verbose) {
        for (const Alert& alert : alerts)
          fmt::print("{} {} at {}-{}: {}\n", scenario.name, seed, alert.begin, alert.end, alert.arm);
      }
    }
  }
  fmt::print("{:<12} {:>6} {:>8} {:>8}  arms\n", "normal", "days", "alerts/d", "flagged");
  double worst = 0;
  for (const auto& [name, score] : normals) {
    std::string arms;
    for (const auto& [arm, count] : score.arms) arms += fmt::format("{} x{}; ", arm, count);
    worst = std::max(worst, score.alerts / score.days);
    fmt::print("{:<12} {:>6.1f} {:>8.2f} {:>7.3f}%  {}\n", name, score.days, score.alerts / score.days,
               100.0 * static_cast<double>(score.flagged) / static_cast<double>(score.seconds), arms);
    all.days += score.days;
    all.alerts += score.alerts;
    all.flagged += score.flagged;
    all.seconds += score.seconds;
    for (const auto& [deadline, chance] : score.chance) {
      all.chance[deadline].first += chance.first;
      all.chance[deadline].second += chance.second;
    }
  }
  fmt::print("all: {:.2f} false incidents a day, worst {:.2f}, {:.3f} % of normal intervals flagged\n",
             all.alerts / all.days, worst, 100.0 * static_cast<double>(all.flagged) / static_cast<double>(all.seconds));
  if (options.stress) return EXIT_SUCCESS;
  EventScore sum;
  fmt::print("{:<12} {:>6} {:>6} {:>7} {:>7} {:>6} {:>6} {:>7}\n", "events", "count", "found", "p50", "p90", "true",
             "false", "chance");
  for (const Scenario& scenario : event_scenarios()) {
    EventScore score;
    int deadline = 0;
    for (int seed = options.first; seed <= options.last; ++seed) {
      auto detector = make_detector(options.detector);
      Run engine(scenario, static_cast<std::uint64_t>(seed), false);
      std::int64_t flagged = 0;
      const auto alerts =
          alerts_of(**detector, engine, scenario.seconds, flagged, scenario.scored_from, seconds_in_detector);
      snapshots += scenario.seconds;
      score_events(alerts, engine, scenario.scored_from, score);
      deadline = engine.events().front().deadline;
      if (options.verbose) {
        for (const LabelledEvent& event : engine.events())
          fmt::print("{} {} event at {}\n", scenario.name, seed, event.begin);
        for (const Alert& alert : alerts)
          fmt::print("{} {} alert at {}-{}: {}\n", scenario.name, seed, alert.begin, alert.end, alert.arm);
      }
    }
    const auto& chance = all.chance[deadline];
    fmt::print("{:<12} {:>6} {:>5.1f}% {:>5} s {:>5} s {:>6} {:>6} {:>7.4f}\n", scenario.name, score.events,
               100.0 * score.found / score.events, percentile(score.delays, 0.5), percentile(score.delays, 0.9),
               score.true_alerts, score.false_alerts,
               chance.first > 0 ? static_cast<double>(chance.second) / chance.first : 0);
    sum.events += score.events;
    sum.found += score.found;
    sum.true_alerts += score.true_alerts;
    sum.false_alerts += score.false_alerts;
  }
  const int reported = std::max(1, sum.true_alerts + sum.false_alerts);
  fmt::print("recall {:.1f} %, precision {:.3f}; {:.0f} ns a snapshot\n", 100.0 * sum.found / sum.events,
             static_cast<double>(sum.true_alerts) / reported,
             1e9 * seconds_in_detector / static_cast<double>(snapshots));
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
    if (i + 1 < count && argument == "--normal-seeds") options.normal_seeds = std::atoi(arguments[i + 1]);
    if (i + 1 < count && argument == "--seeds") std::sscanf(arguments[i + 1], "%d-%d", &options.first, &options.last);
  }
  return run(options);
}
