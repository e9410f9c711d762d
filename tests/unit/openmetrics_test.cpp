// OpenMetrics: hand-written expectations from the specification, and the text as real parsers read it.
#include "userspace/export/openmetrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "userspace/export/prometheus_text.h"
#include "userspace/model/label_use.h"

namespace outrider {
namespace {

namespace fs = std::filesystem;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

// Two queries: 1 ms (in the bucket below 2^20 ns) and 5 s.
Snapshot make_snapshot(const std::string& target) {
  Snapshot snapshot;
  snapshot.timestamp_ms = 1'700'000'000'000;
  snapshot.target = target;
  snapshot.interval_seconds = 1;
  snapshot.overhead.mode = "full";
  snapshot.query_metrics.total_queries = 9'007'199'254'740'991;  // 2^53 - 1: every digit counts
  snapshot.query_metrics.avg_response_time_seconds = 2.5005;
  TypeMetrics& type = snapshot.query_metrics.query_type_breakdown["path \"quoted\\\" \n end"];
  type.histogram_total = {{outrider_hist_index(1'000'000), 1}, {outrider_hist_index(5'000'000'000), 1}};
  type.duration_seconds_total = 5.001;
  type.waits_total.emplace();
  snapshot.target_metrics.rss_mb = 2;
  snapshot.system_metrics.cpu_usage = 45;
  snapshot.availability = Availability{"up", 1.0, 0.5, std::nullopt, 0.25};
  snapshot.losses.counts["too_deep"] = 2;
  return snapshot;
}

class Openmetrics : public testing::Test {
 protected:
  Openmetrics() {
    std::string name = (fs::temp_directory_path() / "outrider-openmetrics-XXXXXX").string();
    dir_ = ::mkdtemp(name.data());
  }
  ~Openmetrics() override { fs::remove_all(dir_); }

  int run(const std::string& command, std::string* out) const {
    const int status = std::system((command + " > " + dir_ + "/out 2>&1").c_str());
    std::ostringstream text;
    text << std::ifstream(dir_ + "/out").rdbuf();
    *out = text.str();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::string dir_;
};

TEST_F(Openmetrics, TheSpecificationsShapeByHand) {
  const std::string text = openmetrics_text({make_snapshot("engine")});
  for (const char* part : {
           // a counter's family has no _total, its samples do
           "# TYPE llmkg_queries counter\n# HELP llmkg_queries Queries ended",
           "\nllmkg_queries_total{target=\"engine\"} 9007199254740991\n",
           "# TYPE llmkg_query_wait_seconds counter\n# UNIT llmkg_query_wait_seconds seconds\n# HELP ",
           "# TYPE llmkg_query_response_time_seconds gauge\n# UNIT llmkg_query_response_time_seconds seconds\n",
           "\nllmkg_query_response_time_seconds{target=\"engine\"} 2.5005\n",
           "# UNIT llmkg_target_resident_memory_bytes bytes\n",
           "\nllmkg_target_resident_memory_bytes{target=\"engine\"} 2097152\n",
           "\nllmkg_cpu_usage_percent 45\n",
           "_bucket{target=\"engine\",type=\"path \\\"quoted\\\\\\\" \\n end\",le=\"0.001048575\"} 1\n",
           "_bucket{target=\"engine\",type=\"path \\\"quoted\\\\\\\" \\n end\",le=\"+Inf\"} 2\n",
           "\nllmkg_target_state{target=\"engine\",state=\"up\"} 1\n",
           "\nllmkg_target_state{target=\"engine\",state=\"down\"} 0\n",
           "\nllmkg_target_availability_ratio{target=\"engine\",window=\"24h\"} 0.5\n",
           "\nllmkg_losses_total{target=\"engine\",reason=\"too_deep\"} 2\n",
       }) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_THAT(text, EndsWith("\n# EOF\n"));
  EXPECT_THAT(text, Not(HasSubstr("\n\n")));
  EXPECT_THAT(text, Not(HasSubstr("window=\"30d\"")));
  // "per second" is a rate, not a unit of seconds
  EXPECT_THAT(text, Not(HasSubstr("# UNIT llmkg_queries_per_second")));
}

TEST_F(Openmetrics, WholeBoundsAreSpeltAsFloats) {
  prometheus::MetricFamily family{"h_seconds", "Help \"with\" \\ and\nnewline", prometheus::MetricType::Histogram, {}};
  auto& histogram = family.metric.emplace_back().histogram;
  histogram.sample_count = 1;
  histogram.sample_sum = 0.5;
  histogram.bucket = {{1, 1.0}};
  EXPECT_EQ(openmetrics_text({family}),
            "# TYPE h_seconds histogram\n# UNIT h_seconds seconds\n"
            "# HELP h_seconds Help \\\"with\\\" \\\\ and\\nnewline\n"
            "h_seconds_bucket{le=\"1.0\"} 1\nh_seconds_count 1\nh_seconds_sum 0.5\n# EOF\n");
  EXPECT_EQ(openmetrics_text(std::vector<prometheus::MetricFamily>{}), "# EOF\n");
}

// A target's label of the same name would make a sample with two of it.
TEST_F(Openmetrics, NoTargetMayHaveALabelThatTheMetricsUse) {
  Report report;
  Snapshot snapshot = make_snapshot("engine");
  snapshot.query_metrics.phases["plan"] = {};
  snapshot.query_metrics.p50_response_time_seconds = 1;
  snapshot.health_deductions = {{"cpu_high", 95, 80, 15}};
  snapshot.query_metrics.query_type_breakdown["read"].session =
      std::make_shared<const ClientSession>(ClientSession{"bench", "alice", ""});
  report.snapshots = {std::make_shared<const Snapshot>(snapshot)};
  report.agent.emplace();
  report.agent->sinks.resize(1);
  report.agent->sinks[0].points.emplace();
  report.agent->targets.resize(1);
  report.agent->http["request"] = 1;
  report.agent->store.emplace();
  std::set<std::string> used;
  for (const auto& family : prometheus_families(report)) {
    for (const auto& metric : family.metric) {
      for (const auto& label : metric.label) used.insert(label.name);
    }
  }
  EXPECT_THAT(
      used, testing::IsSupersetOf({"target", "type", "class", "phase", "percentile", "reason", "rule", "mode", "window",
                                   "state", "sink", "event", "result", "version", "datname", "usename"}));
  for (const std::string& label : used) EXPECT_NE(use_of_label(label), LabelUse::kFree) << label;
  EXPECT_EQ(use_of_label("le"), LabelUse::kMetrics);
  EXPECT_EQ(use_of_label("environment"), LabelUse::kFree);
}

TEST_F(Openmetrics, RealParsersAcceptIt) {
  PrometheusOptions options;
  options.target_labels["engine"] = {{"env", "prod"}, {"type", "not ours"}};
  Snapshot bare;
  bare.target = "idle";
  const std::vector<Snapshot> snapshots = {make_snapshot("engine"), make_snapshot("engine"), bare};
  std::ofstream(dir_ + "/m.om") << openmetrics_text(snapshots, options);
  std::string out;
  const std::string script = std::string(OUTRIDER_SOURCE_DIR) + "/tests/unit/data/check_openmetrics.py";
  EXPECT_EQ(run("/usr/bin/python3 " + script + " " + dir_ + "/m.om", &out), 0) << out;
  EXPECT_THAT(out, HasSubstr("llmkg_queries_total{'env': 'prod', 'target': 'engine'} 9007199254740991"));
  EXPECT_THAT(out, HasSubstr("{'env': 'prod', 'target': 'engine#2'}"));
  EXPECT_THAT(out, HasSubstr("'type': 'path \"quoted\\\\\" \\n end'"));
  EXPECT_THAT(out, HasSubstr("UNIT llmkg_query_duration_seconds seconds"));
  // promtool reads the older format only, where the same samples must be clean too.
  std::ofstream(dir_ + "/m.prom") << prometheus_text(snapshots, options);
  EXPECT_EQ(run("promtool check metrics < " + dir_ + "/m.prom", &out), 0) << out;
  EXPECT_EQ(out, "");
}

TEST_F(Openmetrics, ChoiceByAcceptHeader) {
  // what Prometheus 2.x sends
  EXPECT_TRUE(
      accepts_openmetrics("application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
                          "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"));
  EXPECT_TRUE(accepts_openmetrics("Application/OpenMetrics-Text ; Version=\"1.0.0\" ; Q=0.2"));
  EXPECT_TRUE(accepts_openmetrics("text/plain;q=0.5, application/openmetrics-text;q=0.5"));
  EXPECT_FALSE(accepts_openmetrics("text/plain;version=0.0.4, application/openmetrics-text;q=0.5"));
  EXPECT_FALSE(accepts_openmetrics("application/openmetrics-text;q=0"));
  EXPECT_FALSE(accepts_openmetrics("application/openmetrics-text;version=2.0.0"));
  EXPECT_FALSE(accepts_openmetrics("application/openmetrics-text;q=nan"));
  EXPECT_FALSE(accepts_openmetrics("*/*"));
  EXPECT_FALSE(accepts_openmetrics("text/html"));
  EXPECT_FALSE(accepts_openmetrics(""));
  EXPECT_FALSE(accepts_openmetrics(";;,,=;q="));
}

}  // namespace
}  // namespace outrider
