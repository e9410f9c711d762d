// What detectors keep: a restarted one goes on as the one before it would have, a clock that is set takes it along, and
// damage is noticed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "alerts/corpus/corpus.h"
#include "userspace/detect/detector.h"
#include "userspace/detect/state_text.h"
#include "userspace/detect/target_monitor.h"

namespace outrider {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kStart = 1'700'000'000'000;

using Told = std::tuple<int, std::int64_t, std::int64_t, std::string, std::string, double, double, double>;

Told told(const IncidentEvent& event) {
  return {static_cast<int>(event.what),
          event.at_ms,
          event.since_ms,
          event.arm,
          event.text,
          event.value,
          event.expected,
          event.score};
}

std::vector<Told> events_of(const Scenario& scenario, const char* name, int restart_every) {
  outrider::Run run(scenario, 7, false);
  auto detector = *make_detector(name);
  std::vector<Told> all;
  std::vector<IncidentEvent> events;
  for (int second = 0; second < scenario.seconds; ++second) {
    if (restart_every > 0 && second % restart_every == restart_every - 1) {
      const std::string kept = detector->serialise();
      detector = *make_detector(name);
      EXPECT_TRUE(detector->restore(kept));
      EXPECT_EQ(detector->serialise(), kept);
    }
    detector->observe(run.next(), events);
  }
  all.reserve(events.size());
  for (const IncidentEvent& event : events) all.push_back(told(event));
  return all;
}

TEST(DetectorState, a_restart_every_hundred_seconds_changes_no_event) {
  std::size_t events = 0;
  for (const Scenario& scenario : event_scenarios()) {
    const auto without = events_of(scenario, "default", 0);
    EXPECT_EQ(events_of(scenario, "default", 97), without) << scenario.name;
    events += without.size();
  }
  EXPECT_GT(events, 20U);
  const Scenario spikes = event_scenarios()[3];
  EXPECT_EQ(events_of(spikes, "zscore", 97), events_of(spikes, "zscore", 0));
}

TEST(DetectorState, what_is_damaged_is_refused_and_changes_nothing) {
  for (const char* name : {"default", "zscore"}) {
    outrider::Run run(normal_scenarios().front(), 7, false);
    auto detector = *make_detector(name);
    std::vector<IncidentEvent> events;
    for (int second = 0; second < 2'000; ++second) detector->observe(run.next(), events);
    const std::string kept = detector->serialise();
    const std::string cut = kept.substr(0, kept.rfind(',')) + "]";
    const std::string longer = kept.substr(0, kept.size() - 1) + ",1]";
    for (const std::string& text : {std::string(), std::string("{}"), std::string("[1]"), cut, longer,
                                    "[9" + kept.substr(2), std::string("[1,[99999999999]]"), std::string("[1,[-1]]"),
                                    std::string("[1,null]"), std::string("[1,1e999]")}) {
      const Status restored = detector->restore(text);
      ASSERT_FALSE(restored) << name << " " << text.substr(0, 60);
      EXPECT_THAT(restored.error().message, HasSubstr("learns anew"));
      EXPECT_EQ(detector->serialise(), kept);
    }
  }
}

struct Fields {
  double number = 0;
  std::size_t place = 0;
  std::array<double, 5> array{};
  std::optional<double> maybe;
  std::vector<std::string> list;
  std::int64_t time_ms = 0, never_ms = 0;

  template <typename Self, typename State>
  static void visit(Self& self, State& state) {
    state(self.number, self.array, self.maybe, self.list);
    state.index(self.place, 10);
    state.times(self.time_ms, self.never_ms);
  }
};

TEST(StateText, fields_come_back_as_they_were_and_runs_of_zeros_are_short) {
  const Fields fields{0.1, 9, {0, 0, 0, 0, 1.0 / 3}, 2.5, {"a\"b", ""}, kStart, 0};
  StateWriter writer;
  Fields::visit(fields, writer);
  const std::string text = writer.text(4);
  EXPECT_EQ(text, R"([4,0.1,[4],0.3333333333333333,1,2.5,2,"a\"b","",9,1700000000000,0])");
  Fields back;
  StateReader reader(text, 4);
  Fields::visit(back, reader);
  ASSERT_TRUE(reader.done());
  EXPECT_EQ(back.number, 0.1);
  EXPECT_EQ(back.array[4], 1.0 / 3);
  EXPECT_EQ(back.maybe, 2.5);
  EXPECT_EQ(back.list, (std::vector<std::string>{"a\"b", ""}));
  EXPECT_EQ(back.place, 9U);
  EXPECT_EQ(back.time_ms, kStart);
}

TEST(StateText, a_place_out_of_range_is_damage) {
  Fields back;
  StateReader reader(R"([4,0.1,[5],0,0,10,0,0])", 4);
  Fields::visit(back, reader);
  EXPECT_FALSE(reader.done());
}

TEST(StateText, a_clock_that_is_set_moves_times_and_nothing_else) {
  Fields fields{0.1, 9, {}, 2.5, {}, kStart, 0};
  ClockShift shift(-1'000);
  Fields::visit(fields, shift);
  EXPECT_EQ(fields.time_ms, kStart - 1'000);
  EXPECT_EQ(fields.never_ms, 0);
  EXPECT_EQ(fields.number, 0.1);
  EXPECT_EQ(fields.place, 9U);
}

/// An even engine under the default detector.
class Engine {
 public:
  void pass(int seconds) {
    for (int i = 0; i < seconds; ++i) {
      sample.time_ms = clock_ms += 1'000;
      DetectorSample row = sample;
      *row.avg_response_time_seconds *= 1 + 0.05 * std::sin(static_cast<double>(++step_ % 7));
      detector->observe(row, events);
    }
  }
  DetectorSample sample{0, 1, 0.010, {}, 0.001, 200, 30, 4096, 0.9};
  std::int64_t clock_ms = kStart;
  std::unique_ptr<Detector> detector = *make_detector("default");
  std::vector<IncidentEvent> events;

 private:
  std::int64_t step_ = 0;
};

TEST(DetectorClock, an_hour_back_raises_nothing_and_the_next_shift_is_found_as_soon) {
  std::vector<std::int64_t> after_ms;
  for (const std::int64_t jump_ms : {0, -3'600'000, 3'600'000}) {
    Engine engine;
    engine.pass(3'600);
    engine.clock_ms += jump_ms;
    engine.pass(60);
    EXPECT_TRUE(engine.events.empty());
    const std::int64_t begin_ms = engine.clock_ms;
    *engine.sample.avg_response_time_seconds *= 1.3;
    engine.pass(300);
    ASSERT_EQ(engine.events.size(), 1U) << jump_ms;
    after_ms.push_back(engine.events.front().at_ms - begin_ms);
  }
  EXPECT_EQ(after_ms[1], after_ms[0]);
  EXPECT_EQ(after_ms[2], after_ms[0]);
}

// An incident lasts a quarter of an hour of what is seen, whatever the clock does; it began when it began.
TEST(DetectorClock, an_open_incident_goes_with_the_clock) {
  for (const std::int64_t jump_ms : {-3'600'000, 3'600'000}) {
    Engine engine;
    engine.pass(3'600);
    *engine.sample.avg_response_time_seconds *= 1.3;
    engine.pass(300);
    ASSERT_EQ(engine.events.size(), 1U);
    engine.clock_ms += jump_ms;
    engine.pass(300);
    EXPECT_EQ(engine.events.size(), 1U);
    engine.pass(600);
    ASSERT_EQ(engine.events.size(), 2U);
    EXPECT_EQ(engine.events.back().what, IncidentEvent::What::kClose);
    EXPECT_LT(engine.events.back().since_ms, engine.events.back().at_ms);
    EXPECT_NEAR(static_cast<double>(engine.events.back().at_ms - engine.events.back().since_ms), 900'000, 120'000);
  }
}

// A minute above 85 % is a minute that was seen.
TEST(DetectorClock, a_gap_is_no_time_above_a_limit) {
  Engine engine;
  engine.pass(60);
  engine.sample.cpu_usage = 95;
  engine.pass(30);
  engine.clock_ms += 600'000;
  engine.pass(29);
  EXPECT_TRUE(engine.events.empty());
  engine.pass(5);
  EXPECT_EQ(engine.events.size(), 1U);
}

TEST(DetectorClock, what_is_no_number_is_no_data) {
  Engine engine;
  engine.pass(3'600);
  DetectorSample bad = engine.sample;
  for (auto figure :
       {&DetectorSample::avg_response_time_seconds, &DetectorSample::error_rate, &DetectorSample::queries_per_second,
        &DetectorSample::cpu_usage, &DetectorSample::memory_used_mb, &DetectorSample::cache_hit_rate}) {
    for (const double value : {std::nan(""), std::numeric_limits<double>::infinity(), -1.0}) {
      bad = engine.sample;
      bad.*figure = value;
      bad.time_ms = engine.clock_ms += 1'000;
      engine.detector->observe(bad, engine.events);
    }
  }
  engine.pass(60);
  EXPECT_TRUE(engine.events.empty());
  EXPECT_TRUE((*make_detector("default"))->restore(engine.detector->serialise()));
}

Snapshot snapshot_of(const DetectorSample& row) {
  Snapshot snapshot;
  snapshot.timestamp_ms = row.time_ms;
  snapshot.interval_seconds = 1;
  QueryMetrics& metrics = snapshot.query_metrics;
  metrics.queries_per_second = row.queries_per_second.value_or(0);
  metrics.interval_queries = static_cast<std::uint64_t>(metrics.queries_per_second);
  metrics.avg_response_time_seconds = row.avg_response_time_seconds;
  metrics.p95_response_time_seconds = row.p95_response_time_seconds;
  metrics.error_rate = row.error_rate;
  snapshot.target_metrics.memory_used_mb = row.memory_used_mb;
  snapshot.cache_metrics.hit_rate = row.cache_hit_rate;
  for (const char* name : {"all", "half"}) {
    TypeMetrics& type = metrics.query_type_breakdown[name];
    type.interval_count = metrics.interval_queries / (name[0] == 'a' ? 1 : 2);
    type.avg_response_time_seconds = row.avg_response_time_seconds;
  }
  return snapshot;
}

std::vector<std::string> notices_of(const Scenario& scenario, int restart_every) {
  outrider::Run run(scenario, 7, false);
  auto monitor = *TargetMonitor::make("made", {});
  std::vector<Notice> out;
  for (int second = 0; second < scenario.seconds; ++second) {
    if (restart_every > 0 && second % restart_every == restart_every - 1) {
      const std::string kept = monitor->serialise();
      monitor = *TargetMonitor::make("made", {});
      EXPECT_TRUE(monitor->restore(kept));
      EXPECT_EQ(monitor->serialise(), kept);
    }
    Snapshot snapshot = snapshot_of(run.next());
    const int at = second % 1'000;
    snapshot.availability = Availability{at > 900 ? "down" : "up", {}, {}, {}, {}};
    monitor->observe(snapshot, {"build" + std::to_string(second / 2'000), {}}, out);
  }
  std::vector<std::string> all;
  all.reserve(out.size());
  for (const Notice& notice : out) {
    all.push_back(notice.id + std::to_string(static_cast<int>(notice.what)) + std::to_string(notice.at_ms) +
                  notice.text);
  }
  return all;
}

TEST(MonitorState, a_restart_every_hundred_seconds_changes_no_notice) {
  for (const Scenario& scenario : event_scenarios()) {
    const auto without = notices_of(scenario, 0);
    EXPECT_GE(without.size(), 14U) << scenario.name;  // seven times down and up
    EXPECT_EQ(notices_of(scenario, 97), without) << scenario.name;
  }
}

TEST(MonitorState, another_detector_and_damage_are_refused) {
  auto monitor = *TargetMonitor::make("made", {});
  std::vector<Notice> out;
  outrider::Run run(normal_scenarios().front(), 7, false);
  for (int second = 0; second < 2'000; ++second) monitor->observe(snapshot_of(run.next()), {}, out);
  const std::string kept = monitor->serialise();
  MonitorOptions other;
  other.detector = "zscore";
  const Status restored = (*TargetMonitor::make("made", other))->restore(kept);
  ASSERT_FALSE(restored);
  EXPECT_THAT(restored.error().message, HasSubstr("is of the detector default"));
  const auto fresh = *TargetMonitor::make("made", {});
  const std::string nothing = fresh->serialise();
  for (std::size_t length = 0; length < kept.size(); length += 101) {
    EXPECT_FALSE(fresh->restore(kept.substr(0, length)));
    EXPECT_FALSE(fresh->restore(kept.substr(0, length) + "]"));
  }
  EXPECT_EQ(fresh->serialise(), nothing);
}

TEST(MonitorClock, an_hour_back_neither_fires_nor_closes_nor_loses_anything) {
  auto monitor = *TargetMonitor::make("made", {});
  std::vector<Notice> out;
  outrider::Run run(normal_scenarios().front(), 7, false);
  const auto pass = [&](int seconds, std::int64_t jump_ms, const char* state) {
    for (int i = 0; i < seconds; ++i) {
      Snapshot snapshot = snapshot_of(run.next());
      snapshot.timestamp_ms += jump_ms;
      snapshot.availability = Availability{state, {}, {}, {}, {}};
      monitor->observe(snapshot, {}, out);
    }
  };
  pass(3'000, 0, "up");
  pass(60, 0, "down");
  pass(600, -3'600'000, "down");
  ASSERT_EQ(out.size(), 1U);
  pass(10, -3'600'000, "up");
  ASSERT_EQ(out.size(), 2U);
  EXPECT_EQ(out.back().id, out.front().id);
  // 660 s, less the second that passed while the clock was set.
  EXPECT_NEAR(static_cast<double>(out.back().at_ms - out.back().since_ms), 660'000, 1'000);
}

}  // namespace
}  // namespace outrider
