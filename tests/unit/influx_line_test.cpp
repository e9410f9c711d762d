// InfluxDB's line protocol: expectations written by hand from its reference page (escaping, types, timestamps).
#include "userspace/export/influx_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <sstream>

namespace outrider {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// The lines of one measurement.
std::vector<std::string> lines_of(const std::string& text, const std::string& measurement) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (line.rfind(measurement + ",", 0) == 0 || line.rfind(measurement + " ", 0) == 0) lines.push_back(line);
  }
  return lines;
}

Snapshot engine() {
  Snapshot snapshot;
  snapshot.timestamp_ms = 1'700'000'000'123;
  snapshot.target = "engine";
  snapshot.interval_seconds = 1;
  snapshot.overhead.mode = "full";
  return snapshot;
}

TEST(InfluxLine, OnePointByHand) {
  Snapshot snapshot = engine();
  snapshot.cache_metrics = {0.75, 3, 1, 1};
  EXPECT_THAT(lines_of(influx_lines({snapshot}), "outrider_cache"),
              ElementsAre("outrider_cache,target=engine hit_rate=0.75,hits=3i,misses=1i,sampled_share=1 "
                          "1700000000123000000"));
}

TEST(InfluxLine, EscapingByTheSpecification) {
  EXPECT_EQ(influx_escape_key("a,b=c d"), "a\\,b\\=c\\ d");
  EXPECT_EQ(influx_escape_key("say \"hi\""), "say\\ \"hi\"");  // quotes are plain in tags
  EXPECT_EQ(influx_escape_key("C:\\path"), "C:\\path");        // and so is a backslash
  EXPECT_EQ(influx_escape_key("ends\\"), "ends\\_");           // but at the end it would swallow the comma
  EXPECT_EQ(influx_escape_key("two\nlines\r\t\x01"), "two\\nlines\\r\\t\\x01");
  EXPECT_EQ(influx_escape_measurement("a,b=c d"), "a\\,b=c\\ d");
  EXPECT_EQ(influx_quote("a \"b\" \\ c, d=e\nf"), "\"a \\\"b\\\" \\\\ c, d=e\\\\nf\"");
  EXPECT_EQ(influx_escape_key("caf\xc3"), "caf\xEF\xBF\xBD");
}

TEST(InfluxLine, HostileNamesStayOneLineEach) {
  Snapshot snapshot = engine();
  snapshot.target = "my engine";
  snapshot.query_metrics.query_type_breakdown["path, \"deep\"=1\nDROP\\"].count = 5;
  const std::string text = influx_lines({snapshot});
  const auto lines = lines_of(text, "outrider_types");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_THAT(lines[0], HasSubstr("outrider_types,target=my\\ engine,type=path\\,\\ \"deep\"\\=1\\nDROP\\_ count=5i,"));
}

TEST(InfluxLine, TagsAreMergedSortedAndNeverEmpty) {
  InfluxOptions options;
  options.tags = {{"host", "db1"}, {"empty", ""}, {"target", "not this"}};
  options.target_tags["engine"] = {{"env", "prod"}, {"host", "own"}, {"time", "x"}, {"type", "own"}};
  const std::string text = influx_lines({engine()}, options);
  EXPECT_THAT(lines_of(text, "outrider_health"),
              ElementsAre("outrider_health,env=prod,host=db1,target=engine score=100 1700000000123000000"));
  EXPECT_THAT(text, Not(HasSubstr("empty")));
}

TEST(InfluxLine, NullsAndNumbersThatAreNotFiniteAreLeftOut) {
  Snapshot snapshot = engine();
  snapshot.query_metrics.error_rate = std::numeric_limits<double>::quiet_NaN();
  snapshot.target_metrics.cpu_usage = std::numeric_limits<double>::infinity();
  const std::string text = influx_lines({snapshot});
  EXPECT_THAT(text, Not(HasSubstr("nan")));
  EXPECT_THAT(text, Not(HasSubstr("inf,")));
  EXPECT_THAT(text, Not(HasSubstr("error_rate")));
  EXPECT_THAT(lines_of(text, "outrider_target"), IsEmpty());  // not a point without fields
  EXPECT_THAT(lines_of(text, "outrider_system"), IsEmpty());
  EXPECT_THAT(lines_of(text, "outrider_availability"), IsEmpty());
}

TEST(InfluxLine, AFieldKeepsItsTypeWhateverItsValue) {
  Snapshot round = engine();
  round.target_metrics.cpu_usage = 45;  // a float that happens to be whole: no "i"
  round.target_metrics.thread_count = 7;
  round.query_metrics.current_concurrent = -1;
  round.query_metrics.total_queries = std::numeric_limits<std::uint64_t>::max();
  const std::string text = influx_lines({round});
  EXPECT_THAT(text, HasSubstr(" cpu_usage=45,thread_count=7i 17"));
  EXPECT_THAT(text, HasSubstr(",current_concurrent=-1i,"));
  EXPECT_THAT(text, HasSubstr("total_queries=9223372036854775807i,"));
  EXPECT_THAT(text, HasSubstr(",estimated=false "));
  EXPECT_THAT(text, HasSubstr("mode=\"full\""));
}

TEST(InfluxLine, FloatsAreReadBackExactly) {
  Snapshot snapshot = engine();
  snapshot.target_metrics.cpu_usage = 0.1 + 0.2;
  snapshot.target_metrics.cpu_cores = 1e-9;
  EXPECT_THAT(lines_of(influx_lines({snapshot}), "outrider_target"),
              ElementsAre("outrider_target,target=engine cpu_usage=0.30000000000000004,cpu_cores=1e-09 "
                          "1700000000123000000"));
}

TEST(InfluxLine, TheHostOnceAMomentAndTargetsOfOneNameApart) {
  Snapshot first = engine();
  first.system_metrics.cpu_usage = 45;
  Snapshot second = first;
  Snapshot third = first;
  third.timestamp_ms += 3;  // read a little later in the same interval
  Snapshot next = first;
  next.timestamp_ms += 1000;
  const std::string text = influx_lines({first, second, third, next});
  EXPECT_THAT(lines_of(text, "outrider_system"), ElementsAre("outrider_system cpu_usage=45 1700000000123000000",
                                                             "outrider_system cpu_usage=45 1700000001123000000"));
  EXPECT_THAT(text, HasSubstr("outrider_health,target=engine#2 score=100 1700000000123000000\n"));
}

TEST(InfluxLine, WaitsAvailabilityAndDeductions) {
  Snapshot snapshot = engine();
  snapshot.query_metrics.waits.emplace();
  (*snapshot.query_metrics.waits)[OUTRIDER_WAIT_LOCK] = 0.5;
  snapshot.availability = Availability{"up", 1.0, 0.5, std::nullopt, 0.25};
  snapshot.health_deductions = {{"cpu_high", 95, 80, 15}};
  snapshot.losses.counts["too_deep"] = 2;
  const std::string text = influx_lines({snapshot});
  EXPECT_THAT(text, HasSubstr(",lock_seconds=0.5,"));
  EXPECT_THAT(text, HasSubstr("outrider_availability,target=engine "
                              "state=\"up\",ratio_1h=1,ratio_24h=0.5,error_budget_left=0.25 "));
  EXPECT_THAT(text, HasSubstr("outrider_deductions,rule=cpu_high,target=engine value=95,threshold=80,penalty=15 "));
  EXPECT_THAT(text, HasSubstr("outrider_losses,target=engine too_deep=2i "));
}

}  // namespace
}  // namespace outrider
