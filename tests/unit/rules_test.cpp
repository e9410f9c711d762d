// Rules from TOML: every key, every unit, every error with its place.
#include "userspace/config/rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "userspace/base/quantity.h"
#include "userspace/config/load.h"

namespace outrider {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

Rule good(const std::string& body) {
  const auto rules = parse_rules("[[rule]]\n" + body, "r.toml");
  if (rules && rules->size() == 1) return rules->front();
  ADD_FAILURE() << body << "\n" << (rules ? "no rule" : rules.error().message);
  return {};
}

std::vector<std::string> faults(const std::string& text) {
  const auto rules = parse_rules(text, "r.toml");
  std::vector<std::string> lines;
  std::istringstream stream(rules ? "" : rules.error().message);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> faults_of(const std::string& body) { return faults("[[rule]]\n" + body); }

TEST(Rules, the_default_rules_are_the_missions) {
  const std::vector<Rule>& rules = default_rules();
  ASSERT_EQ(rules.size(), 3U);
  EXPECT_EQ(rules[0].name, "High Response Time");
  EXPECT_EQ(rules[0].id, "response_time_high");
  EXPECT_EQ(rules[0].threshold, 0.1);
  EXPECT_EQ(rules[0].hold, seconds(30));
  EXPECT_EQ(rules[0].severity, Severity::kWarning);
  EXPECT_EQ(rules[1].name, "High Error Rate");
  EXPECT_EQ(rules[1].threshold, 0.05);
  EXPECT_EQ(rules[1].hold, seconds(60));
  EXPECT_EQ(rules[1].severity, Severity::kCritical);
  EXPECT_EQ(rules[2].name, "High CPU Usage");
  EXPECT_EQ(rules[2].threshold, 80);
  EXPECT_EQ(rules[2].hold, seconds(120));
  EXPECT_EQ(rules[2].least_queries, 0U);
}

TEST(Rules, every_key_is_read) {
  const Rule rule = good(R"toml(name = "Slow  writes (p99)"
    condition = "query_metrics.p99_response_time_seconds"
    above = "250ms"
    clear = "0.2s"
    clear_for = "1m"
    for = "500ms"
    severity = "emergency"
    targets = ["orders-*", "db?"]
    types = ["insert*"]
    least_queries = 3
    labels = { team = "storage" }
    annotation = "call storage"
    enabled = true)toml");
  EXPECT_EQ(rule.id, "slow_writes_p99");
  EXPECT_EQ(rule.condition.field, "query_metrics.p99_response_time_seconds");
  EXPECT_EQ(rule.condition.name, "query_metrics.p99_response_time_seconds");
  EXPECT_TRUE(rule.condition.above);
  EXPECT_EQ(rule.threshold, 0.25);
  EXPECT_EQ(rule.clear, 0.2);
  EXPECT_EQ(rule.clear_for, seconds(60));
  EXPECT_EQ(rule.hold, milliseconds(500));
  EXPECT_EQ(rule.severity, Severity::kEmergency);
  EXPECT_THAT(rule.targets, ElementsAre("orders-*", "db?"));
  EXPECT_THAT(rule.types, ElementsAre("insert*"));
  EXPECT_EQ(rule.least_queries, 3U);
  EXPECT_EQ(rule.labels.at("team"), "storage");
  EXPECT_EQ(rule.annotation, "call storage");
}

TEST(Rules, a_condition_names_its_figure_and_its_direction) {
  const Rule low = good("name = 'x'\ncondition = 'throughput_low'\nthreshold = '20/s'\nclear = 25");
  EXPECT_EQ(low.condition, *find_condition("throughput_low"));
  EXPECT_EQ(low.threshold, 20);
  EXPECT_EQ(low.clear, 25);
  EXPECT_FALSE(good("name = 'x'\ncondition = 'cache_metrics.hit_rate'\nbelow = '50%'").condition.above);
  const Rule absent = good("name = 'x'\ncondition = 'cache_metrics.hit_rate'\nabsent = true\nfor = '5m'");
  EXPECT_TRUE(absent.absent);
  EXPECT_EQ(absent.least_queries, 0U);
}

// A share or a response time that need not last is told by ten queries; one that has to last, by each.
TEST(Rules, the_least_number_of_queries_follows_from_the_figure_and_the_time) {
  const auto least = [](const char* condition, const char* rest) {
    return good(std::string("name = 'x'\ncondition = '") + condition + "'\n" + rest).least_queries;
  };
  EXPECT_EQ(least("response_time_high", "threshold = '1s'"), 10U);
  EXPECT_EQ(least("error_rate_high", "threshold = '5%'\nfor = '9s'"), 10U);
  EXPECT_EQ(least("error_rate_high", "threshold = '5%'\nfor = '10s'"), 1U);
  EXPECT_EQ(least("waits.lock_share", "above = '5%'"), 10U);
  EXPECT_EQ(least("throughput_low", "threshold = 1"), 0U);
  EXPECT_EQ(least("memory_usage_high", "threshold = '5%'"), 0U);
  EXPECT_EQ(least("query_metrics.oldest_in_flight_seconds", "above = '5s'"), 0U);
}

TEST(Rules, a_rule_that_is_not_enabled_is_checked_and_left_out) {
  const std::string body = "name = 'x'\ncondition = 'cpu_usage_high'\nthreshold = '80%'\nenabled = false\n";
  const auto rules = parse_rules("[[rule]]\n" + body, "r.toml");
  ASSERT_TRUE(rules);
  EXPECT_TRUE(rules->empty());
  EXPECT_EQ(faults_of(body + "for = 'soon'\n").size(), 1U);
  EXPECT_TRUE(parse_rules("", "r.toml")->empty());
}

TEST(Rules, all_errors_come_at_once_with_their_places) {
  const std::string text =
      "[[rule]]\n"
      "name = \"A\"\n"
      "condition = \"response_time_hihg\"\n"
      "threshold = \"100ms\"\n"
      "[[rule]]\n"
      "nmae = \"B\"\n"
      "condition = \"error_rate_high\"\n"
      "threshold = \"100ms\"\n"
      "for = \"-3s\"\n"
      "severity = \"bad\"\n";
  EXPECT_THAT(faults(text),
              ElementsAre(AllOf(StartsWith("r.toml:3:13: rule[0].condition: "),
                                HasSubstr("did you mean 'response_time_high'?")),
                          AllOf(StartsWith("r.toml:5:1: rule[1].name: "), HasSubstr("found nothing")),
                          AllOf(StartsWith("r.toml:6:1: rule[1].nmae: "), HasSubstr("did you mean 'name'?")),
                          AllOf(StartsWith("r.toml:8:13: rule[1].threshold: "), HasSubstr("\"100ms\""),
                                HasSubstr("a percentage from \"0%\" to \"100%\"")),
                          AllOf(StartsWith("r.toml:9:7: rule[1].for: "), HasSubstr("a duration from \"0s\" to \"7d\"")),
                          AllOf(StartsWith("r.toml:10:12: rule[1].severity: "), HasSubstr("\"emergency\""))));
}

struct Wrong {
  const char* body;
  const char* key;
  const char* says;
};

TEST(Rules, what_cannot_be_meant_is_refused) {
  const std::string named = "name = 'x'\ncondition = 'response_time_high'\n";
  const std::string figure = "name = 'x'\ncondition = 'query_metrics.queries_per_second'\n";
  const std::vector<std::pair<std::string, Wrong>> all = {
      {"", {"name = ''\ncondition = 'cpu_usage_high'\nthreshold = 1", "name", "a name of at most 100 bytes"}},
      {"", {"name = '数据'\ncondition = 'cpu_usage_high'\nthreshold = 1", "id", "expected an id beside it"}},
      {"", {"name = 'x'\nthreshold = 1", "condition", "found nothing"}},
      {"",
       {"name = 'x'\ncondition = 'p99_response_time_seconds'\nabove = 1", "condition",
        "did you mean 'query_metrics.p99_response_time_seconds'?"}},
      {"",
       {"name = 'x'\ncondition = 'the moon is full'\nabove = 1", "condition", "or a figure of the snapshot such as"}},
      {named, {"", "threshold", "found nothing, expected a duration"}},
      {named, {"above = 1", "above", "expected threshold in its place"}},
      {named, {"threshold = '5GiB'", "threshold", "expected a duration"}},
      {named, {"threshold = nan", "threshold", "expected a duration"}},
      {named, {"threshold = '100'", "threshold", "expected a duration"}},
      {named, {"threshold = true", "threshold", "found true"}},
      {named, {"threshold = 1\nfor = 30", "for", "found 30, expected a duration from"}},
      {named, {"threshold = 1\nfor = '8d'", "for", "expected a duration from"}},
      {named, {"threshold = 1\nclear_for = '1e300s'", "clear_for", "expected a duration from"}},
      {named, {"threshold = '1s'\nclear = '2s'", "clear", "expected no more than the threshold of 1.00 s"}},
      {named, {"threshold = 1\nleast_queries = -1", "least_queries", "a whole number"}},
      {named, {"threshold = 1\nabsent = true", "threshold", "absent = true"}},
      {named, {"threshold = 1\ntargets = ['']", "targets", "texts that are not empty"}},
      {named, {"threshold = 1\nlabels = { severity = 'x' }", "labels.severity", "that alerts do not carry anyway"}},
      {named, {"threshold = 1\nlabels = { target = 'x' }", "labels.target", "that the metrics do not use"}},
      {figure, {"threshold = 1", "threshold", "expected above or below in its place"}},
      {figure, {"", "above", "exactly one of above and below"}},
      {figure, {"above = 1\nbelow = 2", "below", "exactly one of above and below"}},
      {figure, {"below = 10\nclear = 9", "clear", "expected no less than the threshold of 10/s"}},
      {"",
       {"name = 'x'\ncondition = 'cpu_usage_high'\nthreshold = 1\ntypes = ['a']", "types",
        "which only the target as a whole has"}},
      {"", {"name = 'x'\ncondition = 'memory_usage_high'\nthreshold = 80", "threshold", "a number from 0 to 1"}},
  };
  for (const auto& [begin, wrong] : all) {
    EXPECT_THAT(faults_of(begin + wrong.body),
                ElementsAre(AllOf(HasSubstr(std::string("rule[0].") + wrong.key + ": "), HasSubstr(wrong.says))))
        << begin << wrong.body;
  }
  EXPECT_THAT(faults("[[rules]]\n"), ElementsAre(HasSubstr("did you mean 'rule'?")));
  EXPECT_THAT(faults("[[rule]]\nname = \n"), ElementsAre(StartsWith("r.toml:2:8: syntax: ")));
}

TEST(Rules, two_of_one_name_or_id_are_an_error_over_all_files) {
  const std::string rule = "condition = 'cpu_usage_high'\nthreshold = '80%'\n";
  EXPECT_THAT(faults("[[rule]]\nname = 'a'\n" + rule + "[[rule]]\nname = 'a'\nid = 'b'\n" + rule),
              ElementsAre(AllOf(StartsWith("r.toml:6:8: rule[1].name: "), HasSubstr("the first is at r.toml:1"))));
  EXPECT_THAT(faults("[[rule]]\nname = 'A b'\n" + rule + "[[rule]]\nname = 'a B'\n" + rule),
              ElementsAre(HasSubstr("the id \"a_b\"")));
  const std::filesystem::path directory = testing::TempDir() + "rules_" + std::to_string(getpid());
  std::filesystem::create_directories(directory);
  const std::string one = directory / "one.toml";
  const std::string two = directory / "two.toml";
  std::ofstream(one) << "[[rule]]\nname = 'a'\n" << rule;
  std::ofstream(two) << "[[rule]]\nname = 'b'\n" << rule;
  EXPECT_EQ(load_rules({one, two})->size(), 2U);
  std::ofstream(two) << "[[rule]]\nname = 'a'\n" << rule;
  EXPECT_THAT(load_rules({one, two}).error().message, HasSubstr("the first is at " + one + ":1"));
  EXPECT_THAT(load_rules({directory / "none.toml"}).error().message, HasSubstr("No such file"));
  std::filesystem::remove_all(directory);
}

// A configuration whose rules are wrong is wrong: a reload must not take it.
TEST(Rules, the_configuration_reads_the_files_that_it_names) {
  const std::filesystem::path directory = testing::TempDir() + "rules_config_" + std::to_string(getpid());
  std::filesystem::create_directories(directory);
  const std::string rules = directory / "rules.toml";
  const std::string config = directory / "outrider.toml";
  std::ofstream(config) << "[alerts]\nrules = ['" << rules << "']\ndetector = 'zscore'\n";
  EXPECT_THAT(load_config(config).error().message, HasSubstr(rules + ": No such file"));
  std::ofstream(rules) << "[[rule]]\nname = 'a'\ncondition = 'cpu_usage_high'\nthreshold = '90%'\n";
  const Result<Config> loaded = load_config(config);
  ASSERT_TRUE(loaded) << loaded.error().message;
  ASSERT_EQ(loaded->alerts.rules.size(), 1U);
  EXPECT_EQ(loaded->alerts.rules.front().threshold, 90);
  EXPECT_EQ(loaded->alerts.detector, "zscore");
  std::ofstream(rules) << "[[rule]]\nname = 'a'\n";
  EXPECT_THAT(load_config(config).error().message, HasSubstr(rules + ":1:1: rule[0].condition: "));
  EXPECT_THAT(parse_config("[alerts]\nrules = ['rules.toml']", "t").error().message,
              HasSubstr("t:2:9: alerts.rules: found \"rules.toml\", expected the absolute path"));
  std::filesystem::remove_all(directory);
}

TEST(Quantity, a_figure_is_read_in_the_fields_unit_and_written_with_one) {
  EXPECT_EQ(*parse_quantity("500us", "seconds"), 0.0005);
  EXPECT_EQ(*parse_quantity("2m", "seconds"), 120);
  EXPECT_EQ(*parse_quantity("5%", "ratio"), 0.05);
  EXPECT_EQ(*parse_quantity("5%", "percent"), 5);
  EXPECT_EQ(*parse_quantity("1.5GiB", "MiB"), 1536);
  EXPECT_EQ(*parse_quantity("512KiB", "MiB"), 0.5);
  EXPECT_EQ(*parse_quantity("12", "count"), 12);
  for (const char* text : {"", "5", "%", "101%", "-1%", "5 %", "5%%", "nan%", "inf%"}) {
    EXPECT_FALSE(parse_quantity(text, "ratio")) << text;
  }
  EXPECT_EQ(format_quantity(0.15, "seconds"), "150 ms");
  EXPECT_EQ(format_quantity(0.053, "ratio"), "5.3 %");
  EXPECT_EQ(format_quantity(83.25, "percent"), "83.2 %");
  EXPECT_EQ(format_quantity(1536, "MiB"), "1.5 GiB");
  EXPECT_EQ(format_quantity(12345.6, "1/s"), "12346/s");
  EXPECT_EQ(format_quantity(0, "count"), "0");
}

}  // namespace
}  // namespace outrider
