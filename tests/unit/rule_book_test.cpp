// Rules on targets and their types: who is told what, over reloads, restarts, and targets and types that vanish.
#include "userspace/alerts/rule_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "userspace/alerts/rule_notice.h"
#include "userspace/config/rules.h"
#include "userspace/model/incident_id.h"

namespace outrider {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t kStart = 1'700'000'000'000;  // 2023-11-14T22:13:20Z

std::vector<Rule> rules_of(const std::string& text) {
  const auto rules = parse_rules(text, "r.toml");
  if (rules) return *rules;
  ADD_FAILURE() << rules.error().message;
  return {};
}

const char* const kSlow = R"([[rule]]
name = "Slow"
condition = "response_time_high"
threshold = "100ms"
for = "10s"
labels = { team = "a" }
annotation = "look"
)";

const char* const kSlowTypes = R"([[rule]]
name = "Slow type"
condition = "query_metrics.p95_response_time_seconds"
above = "100ms"
types = ["read*", "write"]
targets = ["db-*"]
least_queries = 1
)";

struct Watched {
  explicit Watched(const std::string& rules) { set(rules); }

  void set(const std::string& rules) { book.set_rules(rules_of(rules), now, notices); }

  Snapshot snapshot(const std::string& target, std::optional<double> seconds) const {
    Snapshot s;
    s.timestamp_ms = now;
    s.target = target;
    s.query_metrics.interval_queries = 100;
    s.query_metrics.avg_response_time_seconds = seconds;
    s.query_metrics.waits = WaitSeconds{};
    s.query_metrics.waits->at(OUTRIDER_WAIT_CPU) = 1;
    s.query_metrics.waits->at(OUTRIDER_WAIT_LOCK) = 3;
    return s;
  }

  static void add_type(Snapshot& s, const std::string& name, double p95) {
    TypeMetrics& type = s.query_metrics.query_type_breakdown[name];
    type.interval_count = 5;
    type.p95_response_time_seconds = p95;
  }

  void pass(int seconds, std::optional<double> value, const std::string& target = "db") {
    for (int i = 0; i < seconds; ++i) {
      now += 1000;
      book.observe(snapshot(target, value), notices);
    }
  }

  void restart(const std::string& rules) {
    const std::string kept = book.serialise();
    book = RuleBook();
    set(rules);
    ASSERT_TRUE(book.restore(kept, now, notices));
  }

  /// "Slow fires db/type@11", in order; forgets them.
  std::vector<std::string> told() {
    std::vector<std::string> all;
    for (const Notice& n : notices) {
      all.push_back(n.name + (n.what == Notice::What::kFiring ? " fires " : " over ") + n.target +
                    (n.type.empty() ? "" : "/" + n.type) + "@" + std::to_string((n.at_ms - kStart) / 1000));
    }
    notices.clear();
    return all;
  }

  RuleBook book;
  std::int64_t now = kStart;
  std::vector<Notice> notices;
};

TEST(RuleBook, a_fault_of_the_host_is_one_alert_unless_targets_are_named) {
  const std::string rule = R"([[rule]]
name = "CPU"
condition = "cpu_usage_high"
threshold = "80%"
)";
  for (const bool named : {false, true}) {
    Watched watched(rule + (named ? "targets = [\"*\"]\n" : ""));
    for (const char* target : {"a", "b"}) {
      Snapshot snapshot = watched.snapshot(target, 0.01);
      snapshot.system_metrics.cpu_usage = 90;
      watched.book.observe(snapshot, watched.notices, target == std::string_view("b"));
    }
    EXPECT_EQ(watched.told().size(), named ? 2U : 1U);
  }
}

// Every third interval has probes, as under a dear duty cycle: 12 s in breach are 12 s, and what was not looked at
// neither ends an alert nor is missing. A minute without a look hides what the figure did.
TEST(RuleBook, intervals_in_which_nobody_looked_stop_no_clock_unless_they_hide_a_minute) {
  const auto unwatched = [](Watched& watched, int seconds) {
    for (int i = 0; i < seconds; ++i) {
      watched.now += 1000;
      Snapshot paused = watched.snapshot("db", std::nullopt);
      paused.overhead.sampled_share = 0;
      watched.book.observe(paused, watched.notices);
    }
  };
  const std::string missing = R"([[rule]]
name = "Missing"
condition = "response_time_high"
absent = true
)";
  Watched watched(kSlow + missing);
  for (int i = 0; i < 10; ++i) {
    watched.pass(1, 0.15);
    unwatched(watched, 2);
  }
  EXPECT_THAT(watched.told(), ElementsAre("Slow fires db@13"));
  watched.pass(1, 0.05);
  EXPECT_THAT(watched.told(), ElementsAre("Slow over db@31"));
  watched.pass(9, 0.15);
  unwatched(watched, 61);
  watched.pass(9, 0.15);
  EXPECT_THAT(watched.told(), IsEmpty());
  watched.pass(1, std::nullopt);
  EXPECT_THAT(watched.told(), ElementsAre("Missing fires db@111"));
}

// A paused interval keeps the last rate; one probed second is not 30 s. What /proc tells needs no probe: its absence
// counts from the first second, and so does its return.
TEST(RuleBook, only_figures_of_probes_wait_for_an_interval_with_probes) {
  Watched watched(R"([[rule]]
name = "Idle"
condition = "throughput_low"
threshold = "20/s"
for = "30s"
[[rule]]
name = "Blind"
condition = "target_metrics.cpu_usage"
absent = true
for = "5s"
)");
  const auto pass = [&](int seconds, const char* mode, std::optional<double> cpu) {
    for (int i = 0; i < seconds; ++i) {
      watched.now += 1000;
      Snapshot snapshot = watched.snapshot("db", std::nullopt);
      snapshot.query_metrics.queries_per_second = 10;
      snapshot.overhead.mode = mode;
      snapshot.overhead.sampled_share = mode == std::string_view("paused") ? 0 : 1;
      snapshot.target_metrics.cpu_usage = cpu;
      watched.book.observe(snapshot, watched.notices);
    }
  };
  pass(1, "full", 50);
  pass(40, "paused", 50);
  EXPECT_THAT(watched.told(), IsEmpty());
  pass(1, "full", 50);
  EXPECT_THAT(watched.told(), ElementsAre("Idle fires db@42"));
  pass(6, "paused", std::nullopt);
  EXPECT_THAT(watched.told(), ElementsAre("Blind fires db@48"));
  pass(1, "paused", 50);
  EXPECT_THAT(watched.told(), ElementsAre("Blind over db@49"));
}

TEST(RuleBook, a_figure_of_the_cache_is_judged_where_cache_probes_were) {
  Watched watched(R"([[rule]]
name = "Cold"
condition = "cache_hit_rate_low"
threshold = "70%"
for = "4s"
least_queries = 1
)");
  for (int i = 0; i < 3; ++i) {
    for (const bool probed : {true, false}) {
      watched.now += 1000;
      Snapshot snapshot = watched.snapshot("db", 0.01);
      snapshot.cache_metrics.sampled_share = probed ? 1 : 0;
      if (probed) snapshot.cache_metrics.hit_rate = 0.5;
      watched.book.observe(snapshot, watched.notices);
    }
  }
  EXPECT_THAT(watched.told(), ElementsAre("Cold fires db@5"));
}

// 9 s in breach of 100 ms; then the rule says 120 ms, and its 10 s begin with the new condition.
TEST(RuleBook, a_clock_does_not_run_on_for_a_condition_that_was_changed_over_a_restart) {
  Watched watched(kSlow);
  watched.pass(9, 0.15);
  std::string changed = kSlow;
  changed.replace(changed.find("100ms"), 5, "120ms");
  watched.restart(changed);
  watched.pass(10, 0.15);
  EXPECT_THAT(watched.told(), IsEmpty());
  watched.pass(1, 0.15);
  EXPECT_THAT(watched.told(), ElementsAre("Slow fires db@20"));
}

// In breach from the first second: 10 s later, at 11 s, it fires.
TEST(RuleBook, an_incident_is_told_at_its_begin_and_its_end_and_explains_itself) {
  Watched watched(kSlow);
  watched.pass(30, 0.15);
  ASSERT_EQ(watched.notices.size(), 1U);
  const Notice first = watched.notices.front();
  EXPECT_EQ(first.rule_id, "slow");
  EXPECT_EQ(first.metric, "query_metrics.avg_response_time_seconds");
  EXPECT_EQ(first.value, 0.15);
  EXPECT_EQ(first.threshold, 0.1);
  EXPECT_EQ(first.since_ms, kStart + 1000);
  EXPECT_EQ(first.labels.at("team"), "a");
  EXPECT_EQ(first.annotation, "look");
  EXPECT_EQ(first.cause, "lock takes 75 % of the wall time");
  EXPECT_EQ(first.text,
            "query_metrics.avg_response_time_seconds on db is 150 ms, above 100 ms since 2023-11-14T22:13:21.000Z");
  EXPECT_THAT(watched.told(), ElementsAre("Slow fires db@11"));
  watched.pass(1, 0.05);
  ASSERT_EQ(watched.notices.size(), 1U);
  EXPECT_EQ(watched.notices.front().id, first.id);
  EXPECT_EQ(watched.notices.front().text,
            "query_metrics.avg_response_time_seconds on db is 50.0 ms, no longer above 100 ms, after 30.0 s");
  EXPECT_THAT(watched.told(), ElementsAre("Slow over db@31"));
  EXPECT_THAT(watched.book.active(), IsEmpty());
  watched.pass(11, 0.15);
  EXPECT_NE(watched.notices.front().id, first.id);
}

TEST(RuleBook, each_target_has_a_clock_of_its_own) {
  Watched watched(kSlow);
  for (int i = 0; i < 20; ++i) {
    watched.pass(1, 0.15, "one");
    watched.now -= 1000;
    watched.pass(1, i < 5 ? 0.05 : 0.15, "two");
  }
  EXPECT_THAT(watched.told(), ElementsAre("Slow fires one@11", "Slow fires two@16"));
}

TEST(RuleBook, only_the_types_and_targets_that_are_asked_for_are_judged_each_by_itself) {
  Watched watched(kSlowTypes);
  Snapshot s = watched.snapshot("db-1", 0.01);
  Watched::add_type(s, "read_a", 0.2);
  Watched::add_type(s, "read_b", 0.05);
  Watched::add_type(s, "scan", 9);
  Watched::add_type(s, "write", 0.3);
  watched.book.observe(s, watched.notices);
  EXPECT_THAT(watched.notices.front().text, HasSubstr("p95_response_time_seconds of type read_a on db-1 is 200 ms"));
  EXPECT_THAT(watched.told(), ElementsAre("Slow type fires db-1/read_a@0", "Slow type fires db-1/write@0"));
  Watched::add_type(s, "read_0", 0.2);  // moves the places of all others
  Watched::add_type(s, "read_a", 0.05);
  s.timestamp_ms += 1000;
  watched.book.observe(s, watched.notices);
  EXPECT_THAT(watched.told(), ElementsAre("Slow type over db-1/read_a@1", "Slow type fires db-1/read_0@1"));
  s.query_metrics.query_type_breakdown["write"].interval_count = 0;  // says nothing
  s.query_metrics.query_type_breakdown["write"].p95_response_time_seconds.reset();
  s.timestamp_ms += 1000;
  watched.book.observe(s, watched.notices);
  s.target = "other";
  watched.book.observe(s, watched.notices);
  s.target = "db-1";
  s.summary = true;
  Watched::add_type(s, "write", 0.01);
  watched.book.observe(s, watched.notices);
  EXPECT_THAT(watched.told(), IsEmpty());
}

TEST(RuleBook, a_type_that_vanishes_ends_its_alert_after_a_minute) {
  Watched watched(kSlowTypes);
  Snapshot s = watched.snapshot("db-1", 0.01);
  Watched::add_type(s, "write", 0.3);
  watched.book.observe(s, watched.notices);
  watched.told();
  s.query_metrics.query_type_breakdown.clear();
  for (int second = 1; second <= 61; ++second) {
    s.timestamp_ms = kStart + second * 1000;
    watched.book.observe(s, watched.notices);
    if (second == 60) {
      EXPECT_THAT(watched.notices, IsEmpty());
    }
  }
  EXPECT_THAT(watched.notices.front().text, HasSubstr("the target has no such type any more"));
  EXPECT_THAT(watched.told(), ElementsAre("Slow type over db-1/write@61"));
}

TEST(RuleBook, an_absent_figure_is_a_breach_where_the_rule_says_so) {
  Watched watched("[[rule]]\nname = 'Gone'\ncondition = 'response_time_high'\nabsent = true\nfor = '5s'\n");
  watched.pass(10, 0.15);
  watched.pass(6, std::nullopt);
  ASSERT_EQ(watched.notices.size(), 1U);
  EXPECT_FALSE(watched.notices.front().value);
  EXPECT_FALSE(watched.notices.front().threshold);
  EXPECT_THAT(watched.notices.front().text, HasSubstr("on db cannot be had since 2023-11-14T22:13:31.000Z"));
  watched.pass(1, 0.15);
  EXPECT_THAT(watched.told(), ElementsAre("Gone fires db@16", "Gone over db@17"));
}

TEST(RuleBook, a_figure_that_is_no_number_is_none) {
  Watched watched(kSlow);
  watched.pass(9, 0.15);
  watched.pass(1, std::numeric_limits<double>::quiet_NaN());
  watched.pass(9, 0.15);
  watched.pass(1, std::numeric_limits<double>::infinity());
  watched.pass(5, 0.15);
  EXPECT_THAT(watched.told(), IsEmpty());
}

TEST(RuleBook, a_target_that_vanishes_ends_its_alerts_and_says_why) {
  Watched watched(kSlow);
  watched.pass(20, 0.15);
  watched.told();
  watched.book.end_target("db", watched.now, "the target is gone", watched.notices);
  ASSERT_EQ(watched.notices.size(), 1U);
  EXPECT_THAT(watched.notices.front().text, HasSubstr("is not judged any more after 19.0 s: the target is gone"));
  EXPECT_THAT(watched.book.targets(), IsEmpty());
  watched.book.end_target("db", watched.now, "the target is gone", watched.notices);
  EXPECT_EQ(watched.notices.size(), 1U);
}

TEST(RuleBook, a_reload_keeps_what_has_not_changed_and_ends_the_rest) {
  const std::string other = "[[rule]]\nname = 'Busy'\ncondition = 'concurrent_queries_high'\nthreshold = 5\n";
  Watched watched(other + kSlow);
  watched.pass(5, 0.15);  // the clock of `for` runs
  watched.set(kSlow);
  watched.pass(6, 0.15);
  EXPECT_THAT(watched.told(), ElementsAre("Slow fires db@11"));
  watched.set(std::string(kSlow) + other);
  watched.pass(5, 0.15);
  EXPECT_THAT(watched.told(), IsEmpty());
  std::string changed = kSlow;
  changed.replace(changed.find("100ms"), 5, "120ms");
  watched.set(changed);
  EXPECT_THAT(watched.notices.front().text, HasSubstr("its rule was changed or taken away"));
  EXPECT_THAT(watched.told(), ElementsAre("Slow over db@16"));
  watched.pass(11, 0.15);
  EXPECT_THAT(watched.told(), ElementsAre("Slow fires db@27"));
  watched.set("");
  EXPECT_THAT(watched.told(), ElementsAre("Slow over db@27"));
}

TEST(RuleBook, a_restart_keeps_clocks_incidents_and_their_ids) {
  Watched watched(kSlow);
  watched.pass(5, 0.15);
  watched.restart(kSlow);
  watched.now += 3000;  // while nobody looked
  watched.pass(5, 0.15);
  ASSERT_EQ(watched.notices.size(), 1U);
  const std::string id = watched.notices.front().id;
  EXPECT_THAT(watched.told(), ElementsAre("Slow fires db@11"));
  watched.restart(kSlow);
  watched.pass(5, 0.15);
  EXPECT_THAT(watched.told(), IsEmpty());
  watched.restart(kSlow);
  watched.pass(1, 0.05);
  ASSERT_EQ(watched.notices.size(), 1U);
  EXPECT_EQ(watched.notices.front().id, id);
  EXPECT_THAT(watched.told(), ElementsAre("Slow over db@19"));
}

TEST(RuleBook, a_restart_without_the_rule_or_the_target_loses_no_end) {
  Watched watched(kSlow);
  watched.pass(20, 0.15);
  const std::string id = watched.notices.front().id;
  watched.told();
  watched.restart(kSlow);
  EXPECT_THAT(watched.book.targets(), ElementsAre("db"));
  watched.restart("");
  ASSERT_EQ(watched.notices.size(), 1U);
  EXPECT_EQ(watched.notices.front().id, id);
  EXPECT_EQ(watched.notices.front().labels.at("team"), "a");
  EXPECT_THAT(watched.told(), ElementsAre("Slow over db@20"));
}

TEST(RuleBook, a_damaged_state_is_an_error_and_nothing_else) {
  Watched watched(kSlow);
  watched.pass(20, 0.15);
  const std::string kept = watched.book.serialise();
  RuleBook book;
  for (std::size_t size = 0; size < kept.size(); ++size) {
    EXPECT_FALSE(book.restore(kept.substr(0, size), 0, watched.notices)) << size;
  }
  EXPECT_FALSE(book.restore(R"({"version":2,"alerts":[]})", 0, watched.notices));
  EXPECT_FALSE(book.restore(R"({"version":1,"alerts":[{"rule":7}]})", 0, watched.notices));
}

TEST(RuleBook, a_clock_that_is_set_back_does_not_change_the_incident) {
  Watched watched(kSlow);
  watched.pass(20, 0.15);
  const std::string id = watched.notices.front().id;
  watched.now -= 3'600'000;
  watched.pass(20, 0.15);
  watched.pass(1, 0.05);
  ASSERT_EQ(watched.notices.size(), 2U);
  EXPECT_EQ(watched.notices.back().id, id);
}

TEST(RuleBook, ten_thousand_types_take_bounded_memory_and_the_rest_is_counted) {
  Watched watched(
      "[[rule]]\nname = 'Slow'\ncondition = 'response_time_high'\nthreshold = '100ms'\ntypes = ['*']\n"
      "least_queries = 0\n");
  Snapshot s = watched.snapshot("db", 0.01);
  for (int i = 0; i < 10'000; ++i) {
    s.query_metrics.query_type_breakdown["t" + std::to_string(i)].avg_response_time_seconds = 1;
  }
  watched.book.observe(s, watched.notices);
  EXPECT_EQ(watched.notices.size(), TargetAlerts::kMostAlerts);
  EXPECT_EQ(watched.book.active().size(), TargetAlerts::kMostAlerts);
  EXPECT_EQ(watched.book.untracked(), 10'000 - TargetAlerts::kMostAlerts);
}

TEST(RuleBook, what_is_pending_or_fires_can_be_listed) {
  Watched watched(kSlow);
  watched.pass(5, 0.15);
  ASSERT_EQ(watched.book.active().size(), 1U);
  ActiveAlert one = watched.book.active().front();
  EXPECT_EQ(one.state, Alert::State::kPending);
  EXPECT_EQ(one.id, "");
  EXPECT_EQ(one.since_ms, kStart + 1000);
  watched.pass(6, 0.25);
  one = watched.book.active().front();
  EXPECT_EQ(one.state, Alert::State::kFiring);
  EXPECT_EQ(one.id, watched.notices.front().id);
  EXPECT_EQ(one.value, 0.25);
  EXPECT_EQ(one.threshold, 0.1);
  EXPECT_EQ(one.target, "db");
}

// FNV-1a of "a", "b", "" and "1", a zero byte behind each, worked out apart from this program with the published basis
// and prime.
TEST(RuleBook, an_incidents_id_follows_from_what_it_is) {
  EXPECT_EQ(incident_id({"a", "b", "", "1"}), "b4f72c3a9c925dab");
  EXPECT_NE(incident_id({"ab", "", "", "1"}), "b4f72c3a9c925dab");
}

}  // namespace
}  // namespace outrider
