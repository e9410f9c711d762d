// rules-bench INTERVALS: 1,000 rules that judge each of 20 types of 8 targets, over that many intervals with few
// breaches. Prints one JSON object: the median and the longest time of an interval (all targets), in milliseconds.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "userspace/alerts/rule_book.h"

namespace {

using namespace outrider;

constexpr int kRules = 1'000;
constexpr int kTargets = 8;
constexpr int kTypes = 20;

std::vector<Rule> make_rules() {
  std::vector<Rule> rules;
  const std::vector<TypeField>& fields = type_fields();
  for (int i = 0; i < kRules; ++i) {
    Rule rule;
    rule.name = rule.id = "rule_" + std::to_string(i);
    rule.condition.field = fields[static_cast<std::size_t>(i) % fields.size()].name;
    rule.threshold = 1e6 + i;
    rule.hold = std::chrono::seconds(30);
    rule.types = {"*"};
    rules.push_back(std::move(rule));
  }
  return rules;
}

Snapshot make_snapshot(int target) {
  Snapshot snapshot;
  snapshot.target = "target-" + std::to_string(target);
  snapshot.interval_seconds = 1;
  for (int i = 0; i < kTypes; ++i) {
    TypeMetrics& type = snapshot.query_metrics.query_type_breakdown["type-" + std::to_string(i)];
    type.interval_count = 100;
    type.waits.emplace().fill(1);
  }
  return snapshot;
}

/// About one figure in 200 is in breach, of some of the rules.
void draw(Snapshot& snapshot, std::mt19937& random) {
  std::uniform_real_distribution<double> chance;
  for (auto& [name, type] : snapshot.query_metrics.query_type_breakdown) {
    type.queries_per_second = chance(random) < 0.005 ? 2e6 : 100;
    type.avg_response_time_seconds = type.p95_response_time_seconds = type.p99_response_time_seconds = chance(random);
    type.success_rate = type.cache_hit_rate = chance(random);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int intervals = argc > 1 ? std::atoi(argv[1]) : 300;
  std::mt19937 random(1);
  std::vector<Notice> notices;
  RuleBook book;
  book.set_rules(make_rules(), 0, notices);
  std::vector<Snapshot> snapshots;
  snapshots.reserve(kTargets);
  for (int i = 0; i < kTargets; ++i) snapshots.push_back(make_snapshot(i));
  std::vector<double> milliseconds;
  for (int i = 0; i < std::max(intervals, 1); ++i) {
    for (Snapshot& snapshot : snapshots) {
      draw(snapshot, random);
      snapshot.timestamp_ms = i * 1000;
    }
    const auto begin = std::chrono::steady_clock::now();
    for (const Snapshot& snapshot : snapshots) book.observe(snapshot, notices);
    milliseconds.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  std::cout << nlohmann::json{{"rules", kRules},
                              {"targets", kTargets},
                              {"types", kTypes},
                              {"median_ms", milliseconds[milliseconds.size() / 2]},
                              {"longest_ms", milliseconds.back()}}
            << "\n";
  return EXIT_SUCCESS;
}
