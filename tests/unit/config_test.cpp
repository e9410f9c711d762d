// The configuration file: defaults, every kind of value, every error with its place, and what may not go together.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "userspace/config/load.h"
#include "userspace/config/rules.h"

namespace outrider {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

Config good(std::string_view text) {
  const Result<Config> config = parse_config(text, "t.toml");
  if (config) return *config;
  ADD_FAILURE() << config.error().message;
  return {};
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// The lines of what is wrong; none if it is taken.
std::vector<std::string> faults(std::string_view text) {
  const Result<Config> config = parse_config(text, "t.toml");
  return config ? std::vector<std::string>() : lines_of(config.error().message);
}

/// With the rules that there are where no file names others.
Config defaults() {
  Config config;
  config.alerts.rules = default_rules();
  return config;
}

TEST(Config, AnEmptyFileIsTheMissionsDefaultsAndWatchesNothing) {
  const Config config = good("");
  EXPECT_EQ(config, defaults());
  EXPECT_EQ(config.collection_interval, seconds(1));
  EXPECT_EQ(config.metrics_retention, hours(24));
  EXPECT_TRUE(config.enable_alerting);
  EXPECT_TRUE(config.enable_anomaly_detection);
  EXPECT_EQ(config.dashboard_update_interval, seconds(5));
  EXPECT_TRUE(config.enable_real_time);
  EXPECT_FALSE(config.export_prometheus);
  EXPECT_EQ(config.export_format, "json");
  EXPECT_THAT(config.targets, IsEmpty());
  EXPECT_EQ(config.http.address, "127.0.0.1");
  EXPECT_EQ(config.http.port, 9717U);
  EXPECT_DOUBLE_EQ(config.availability.objective, 0.999);
  EXPECT_THAT(config.store.tiers, ElementsAre(StoreTier{seconds(1), hours(1)}, StoreTier{seconds(10), hours(24)},
                                              StoreTier{minutes(1), hours(720)}));
  const HealthThresholds& health = config.health.thresholds;
  EXPECT_EQ(config.store.max_bytes, 2'147'483'648U);
  EXPECT_EQ(config.exports.influxdb.queue_bytes, 16'777'216U);
  EXPECT_EQ(health.response_time_seconds.threshold, 0.05);
  EXPECT_EQ(health.response_time_seconds.penalty, 20);
  EXPECT_EQ(health.cache_hit_rate.threshold, 0.7);
}

TEST(Config, EveryKindOfValue) {
  const Config config = good(R"([agent]
collection_interval = "250ms"
max_overhead = "off"
enable_alerting = false
[store]
max_size = "3GiB"
[health]
response_time = "1.5s"
response_time_penalty = 12.5
error_rate = "2%"
cpu_usage = "95%"
[availability]
objective = "99.95%"
latency_objective = "250ms"
[export]
export_prometheus = true
export_format = "prometheus"
[export.json]
path = "-"
[export.influxdb]
ca_file = "/etc/outrider/ca.pem"
queue_size = "64MiB"
[http]
port = 0
allowed_hosts = ["a.example.org", "b"]
)");
  EXPECT_EQ(config.collection_interval, milliseconds(250));
  EXPECT_FALSE(config.max_overhead_percent.has_value());
  EXPECT_FALSE(config.enable_alerting);
  EXPECT_EQ(config.store.max_bytes, 3'221'225'472U);
  EXPECT_DOUBLE_EQ(config.health.thresholds.response_time_seconds.threshold, 1.5);
  EXPECT_DOUBLE_EQ(config.health.thresholds.response_time_seconds.penalty, 12.5);
  EXPECT_DOUBLE_EQ(config.health.thresholds.error_rate.threshold, 0.02);
  EXPECT_DOUBLE_EQ(config.health.thresholds.cpu_usage.threshold, 95);
  EXPECT_DOUBLE_EQ(config.availability.objective, 0.9995);
  EXPECT_EQ(config.availability.latency_objective, milliseconds(250));
  EXPECT_DOUBLE_EQ(config.availability.latency_share, 0.99);
  EXPECT_TRUE(config.export_prometheus);
  EXPECT_EQ(config.export_format, "prometheus");
  EXPECT_EQ(config.exports.json.path, "-");
  EXPECT_EQ(config.exports.influxdb.ca_file, "/etc/outrider/ca.pem");
  EXPECT_EQ(config.exports.influxdb.queue_bytes, 67'108'864U);
  EXPECT_EQ(config.http.port, 0U);
  EXPECT_THAT(config.http.allowed_hosts, ElementsAre("a.example.org", "b"));
}

TEST(Config, TargetsOfEveryKindAndTheirNames) {
  const Config config = good(R"([agent]
max_overhead = "1.5%"
[[targets]]
pid = 4711
[[targets]]
exe = "/opt/engine/bin/graphd"
display_name = "orders"
profile = "outrider"
interval = "5s"
mode = "light"
max_overhead = "off"
labels = { dc = "eu-1", tier = "gold" }
[[targets]]
name = "postgres"
[[targets]]
unit = "mariadb"
[[targets]]
cgroup = "/system.slice/redis.service"
)");
  ASSERT_EQ(config.targets.size(), 5U);
  EXPECT_EQ(config.targets[0].by, TargetConfig::By::kPid);
  EXPECT_EQ(config.targets[0].value, "4711");
  EXPECT_EQ(config.targets[0].name, "pid-4711");
  EXPECT_EQ(config.targets[0].max_overhead_percent, 1.5);
  EXPECT_FALSE(config.targets[0].interval.has_value());
  const TargetConfig orders{.by = TargetConfig::By::kExe,
                            .value = "/opt/engine/bin/graphd",
                            .name = "orders",
                            .profile = "outrider",
                            .labels = {{"dc", "eu-1"}, {"tier", "gold"}},
                            .interval = seconds(5),
                            .mode = "light",
                            .max_overhead_percent = std::nullopt};
  EXPECT_EQ(config.targets[1], orders);
  EXPECT_EQ(config.targets[2].name, "postgres");
  EXPECT_EQ(config.targets[3].value, "mariadb.service");
  EXPECT_EQ(config.targets[3].name, "mariadb");
  EXPECT_EQ(config.targets[4].by, TargetConfig::By::kCgroup);
  EXPECT_EQ(config.targets[4].name, "redis.service");
}

TEST(Config, AllErrorsAtOnceInTheOrderOfTheFile) {
  EXPECT_THAT(
      faults(R"([http]
port = 70000
adress = "::1"

[agent]
collection_interval = 1
enable_alerting = "yes"
[log]
level = "loud"
)"),
      ElementsAre("t.toml:2:8: http.port: found 70000, expected a whole number from 0 to 65535",
                  "t.toml:3:1: http.adress: found an unknown key; did you mean 'address'?",
                  "t.toml:6:23: agent.collection_interval: found 1, expected a duration from \"100ms\" to \"1h\"",
                  "t.toml:7:19: agent.enable_alerting: found \"yes\", expected true or false",
                  "t.toml:9:9: log.level: found \"loud\", expected \"debug\", \"info\", \"warning\", \"error\", "
                  "\"off\""));
}

TEST(Config, ASyntaxErrorSaysWhere) {
  EXPECT_THAT(faults("[agent]\ncollection_interval = \n"), ElementsAre(StartsWith("t.toml:2:")));
  EXPECT_THAT(faults("[log]\nlevel = \"info\"\nlevel = \"off\"\n"), ElementsAre(StartsWith("t.toml:3:")));
  EXPECT_THAT(faults("[[[["), ElementsAre(StartsWith("t.toml:1:")));
}

TEST(Config, UnknownKeysAndTablesGetAdvice) {
  EXPECT_THAT(faults("[stroe]\n"), ElementsAre("t.toml:1:2: stroe: found an unknown table; did you mean 'store'?"));
  EXPECT_THAT(faults("[export.influx]\n"),
              ElementsAre("t.toml:1:9: export.influx: found an unknown table; did you mean 'influxdb'?"));
  EXPECT_THAT(faults("[export.kafka]\n"), ElementsAre(HasSubstr("export.kafka: found an unknown table; expected one of "
                                                                "export_prometheus, export_format, prefix")));
  EXPECT_THAT(faults("collection_interval = \"1s\"\n"),
              ElementsAre("t.toml:1:1: collection_interval: found an unknown key; it belongs to [agent]"));
  EXPECT_THAT(faults("[[targets]]\nname = \"a\"\nmod = \"full\"\n"),
              ElementsAre("t.toml:3:1: targets[0].mod: found an unknown key; did you mean 'mode'?"));
  EXPECT_THAT(faults("[export]\njson = 1\n"),
              ElementsAre("t.toml:2:8: export.json: found 1, expected a table: [export.json]"));
  EXPECT_THAT(faults("http = true\n"), ElementsAre("t.toml:1:8: http: found true, expected a table: [http]"));
}

struct Refused {
  const char* text;
  const char* says;
};

class ConfigRefuses : public testing::TestWithParam<Refused> {};

TEST_P(ConfigRefuses, WithOneLine) { EXPECT_THAT(faults(GetParam().text), ElementsAre(HasSubstr(GetParam().says))); }

INSTANTIATE_TEST_SUITE_P(
    Values, ConfigRefuses,
    testing::Values(
        Refused{"[agent]\ncollection_interval = \"99ms\"", "found \"99ms\", expected a duration from \"100ms\""},
        Refused{"[agent]\ncollection_interval = \"61m\"", "found \"61m\""},
        Refused{"[agent]\nmetrics_retention = \"soon\"", "found \"soon\", expected a duration"},
        Refused{"[agent]\nmax_overhead = \"101%\"", "such as \"3%\""},
        Refused{"[agent]\nmax_overhead = 3", "found 3, expected a percentage such as \"3%\""},
        Refused{"[dashboard]\ndashboard_update_interval = \"6s\"", "to \"5s\""},
        Refused{"[store]\nmax_size = 512", "found 512, expected a size from \"16MiB\" to \"1TiB\""},
        Refused{"[store]\nmax_size = \"512MB\"", "found \"512MB\""},
        Refused{"[store]\npath = \"history.db\"", "expected the absolute path"},
        Refused{"[store]\npath = \"\"", "expected the absolute path"},
        Refused{"[health]\nerror_rate = 0.05", "found 0.05, expected a percentage from \"0%\" to \"100%\""},
        Refused{"[health]\ncpu_usage_penalty = -1", "found -1, expected a number from 0 to 100"},
        Refused{"[health]\ncpu_usage_penalty = nan", "expected a number from 0 to 100"},
        Refused{"[availability]\nobjective = \"100%\"", "availability.objective: found no error budget"},
        Refused{"[availability]\nlatency_share = \"100%\"", "availability.latency_share: found no error budget"},
        Refused{"[export.textfile]\npath = \"/tmp/metrics.txt\"", "ends in .prom"},
        Refused{"[export]\nprefix = \"7up\"", "with no digit first"},
        Refused{"[export]\nexport_format = \"prometheus\"", "while export_prometheus is false"},
        Refused{"[export.influxdb]\nurl = \"influx.example.org:8086\"", "expected http://HOST:PORT"},
        Refused{"[export.influxdb]\nurl = \"http://u:p@host\"", "without user"},
        Refused{"[export.influxdb]\nversion = 3", "a whole number from 1 to 2"},
        Refused{"[export.influxdb]\nqueue_size = \"1023KiB\"", "expected a size from \"1MiB\" to \"16GiB\""},
        Refused{"[http]\naddress = \"localhost\"", "a numeric IP address"},
        Refused{"[http]\nallowed_hosts = [\"\"]", "an array of texts that are not empty"},
        Refused{"[log]\nformat = 1979-05-27", "found a date or time, expected \"text\""}));

INSTANTIATE_TEST_SUITE_P(
    Targets, ConfigRefuses,
    testing::Values(
        Refused{"targets = 1", "targets: found 1, expected an array of at most 64 tables"},
        Refused{"targets = [1]", "targets: found 1, expected a table"},
        Refused{"[[targets]]\nmode = \"full\"", "t.toml:1:1: targets[0]: found none, expected exactly one of pid"},
        Refused{"[[targets]]\npid = 1\nname = \"a\"", "targets[0]: found pid, name, expected exactly one"},
        Refused{"[[targets]]\npid = 1\ntypes = \"keyword\"\nquery_text = \"normalised\"",
                "targets[0].types: found keywords"},
        Refused{"[[targets]]\npid = 1\ntypes = \"keyword\"\ntypes_by = \"user\"",
                "targets[0].types: found keywords, which are anybody's"},
        Refused{"[[targets]]\npid = 1\naudit = \"redis://:secret@host\"", "all without a password"},
        Refused{"[[targets]]\npid = 1\naudit = \"postgresql://user:secret@host/db\"", "all without a password"},
        Refused{"[[targets]]\npid = 1\naudit = \"postgresql://host/db?password=secret\"", "all without a password"},
        Refused{"[[targets]]\npid = 1\naudit = \"postgresql://user:se?cret@host/db\"", "all without a password"},
        Refused{"[[targets]]\npid = 1\naudit = \"postgresql://host/db?pass%77ord=secret\"", "all without a password"},
        Refused{"[[targets]]\npid = 1\naudit = \"unix://socket\"", "unix:///PATH of a Redis"},
        Refused{"[[targets]]\npid = 1\naudit = \"mysql://host\"", "targets[0].audit: found"},
        Refused{"[[targets]]\npid = 0", "targets[0].pid: found 0, expected a whole number from 1 to 4194304"},
        Refused{"[[targets]]\npid = \"1\"", "targets[0].pid: found \"1\""},
        Refused{"[[targets]]\nexe = \"bin/engine\"", "targets[0].exe: found \"bin/engine\", expected the absolute"},
        Refused{"[[targets]]\nname = \"\"", "targets[0].name: found \"\""},
        Refused{"[[targets]]\nunit = \"a/b.service\"", "a systemd unit"},
        Refused{"[[targets]]\ncgroup = \"/a/../b\"", "a cgroup's path"},
        Refused{"[[targets]]\nname = \"a\"\nmode = \"fast\"", "targets[0].mode: found \"fast\""},
        Refused{"[[targets]]\nname = \"a\"\ninterval = \"2h\"", "targets[0].interval: found \"2h\""},
        Refused{"[[targets]]\nname = \"a\"\nlabels = { le = \"1\" }", "do not use themselves"},
        Refused{"[[targets]]\nname = \"a\"\nlabels = { host = \"1\" }",
                "t.toml:3:12: targets[0].labels.host: found this name, expected a label name that the metrics"},
        Refused{"[[targets]]\nname = \"a\"\n[targets.labels]\nx = \"1\"\ntime = \"1\"",
                "t.toml:5:1: targets[0].labels.time: found this name, expected another one: InfluxDB refuses"},
        Refused{"[[targets]]\nname = \"a\"\nlabels = { job = \"1\" }", "another one: Prometheus gives"},
        Refused{"[[targets]]\nname = \"a\"\nlabels = { \"a-b\" = \"1\" }", "targets[0].labels.a-b: found this name"},
        Refused{"[[targets]]\nname = \"a\"\nlabels = { a = 1 }", "targets[0].labels.a: found 1"},
        Refused{"[[targets]]\nname = \"a\"\n[[targets]]\nexe = \"/x/a\"",
                "t.toml:4:7: targets[1].display_name: found a second target called \"a\", expected a display_name of "
                "its own"}));

INSTANTIATE_TEST_SUITE_P(
    Together, ConfigRefuses,
    testing::Values(
        Refused{"[http]\naddress = \"0.0.0.0\"",
                "t.toml:2:11: http.address: found \"0.0.0.0\", which others can reach"},
        Refused{"[http]\naddress = \"::\"\nallow_unauthenticated = false", "without authentication"},
        Refused{"[http]\nbasic_user = \"me\"", "expected both basic_user and basic_password_file"},
        Refused{"[store]\ntiers = []", "found no tier"},
        Refused{"[store]\ntiers = [{step = \"1s\", keep = \"24h\"}, {step = \"1500ms\", keep = \"30d\"}]",
                "found a step of 1500ms after 1s, expected a larger multiple of it"},
        Refused{"[store]\ntiers = [{step = \"10s\", keep = \"24h\"}, {step = \"1s\", keep = \"30d\"}]",
                "found a step of 1s after 10s"},
        Refused{"[store]\ntiers = [{step = \"1s\", keep = \"48h\"}, {step = \"1m\", keep = \"24h\"}]",
                "found a tier that keeps 24h after one that keeps 2d, expected no less"},
        Refused{"[store]\ntiers = [{step = \"1s\", keep = \"1m\"}, {step = \"1m\", keep = \"24h\"}]",
                "t.toml:2:9: store.tiers: found a tier that keeps 1m, expected 2m at least: two of the coarsest steps"},
        Refused{"[store]\ntiers = [{step = \"24h\", keep = \"25h\"}]", "keeps 25h, expected 2d at least"},
        Refused{"[store]\ntiers = [{step = \"1s\", keep = \"1h\"}]",
                "t.toml:2:9: agent.metrics_retention: found 24h, expected no more than the longest tier of the store "
                "keeps (1h)"},
        Refused{"[store]\ntiers = [{step = \"1s\"}]", "store.tiers[0].keep: found nothing, expected a duration"},
        Refused{"[dashboard]\nchart_time_window = \"25h\"", "found a chart window of 25h, expected no more than"},
        Refused{"[export.influxdb]\nurl = \"http://h:8086\"\nversion = 2\norg = \"o\"", "token_file: found none"},
        Refused{"[export.influxdb]\nurl = \"http://h:8086\"\ndatabase = \"\"", "database: found none"},
        Refused{"[export.influxdb]\nqueue = 10", "found a queue of 10 points, expected at least one batch (5000)"},
        Refused{"[export.json]\npath = \"/a/b\"\n[export.influxdb]\nfile = \"/a/b\"",
                "export.influxdb.file: found the same file as export.json.path"}));

TEST(Config, ASecretThatIsWrongIsNotShown) {
  EXPECT_THAT(faults("[export.influxdb]\nurl = \"http://admin:s3cret@h:8086\"\ntoken_file = \"s3cret==\"\n"
                     "[http]\nbearer_token_file = \"s3cret\"\nbasic_user = \"me\"\nbasic_password_file = \"s3cret\"\n"),
              ElementsAre("t.toml:2:7: export.influxdb.url: found a text (not shown), expected http://HOST:PORT or "
                          "https://HOST:PORT without user, query or fragment, or \"\" for none",
                          StartsWith("t.toml:3:14: export.influxdb.token_file: found a text (not shown), expected the"),
                          StartsWith("t.toml:5:21: http.bearer_token_file: found a text (not shown), expected the"),
                          StartsWith("t.toml:7:23: http.basic_password_file: found a text (not shown), expected the")));
  // What is no text is no secret.
  EXPECT_THAT(faults("[export.influxdb]\nurl = 8086\n"), ElementsAre(HasSubstr("found 8086, expected http://HOST")));
}

TEST(Config, APasswordForAnAuditIsNotShown) {
  for (const char* source :
       {"postgresql://me:s3cret@db/x", "postgresql://db/x?password=s3cret", "redis://:s3cret@host"}) {
    EXPECT_THAT(
        faults("[[targets]]\npid = 1\naudit = \"" + std::string(source) + "\"\n"),
        ElementsAre(AllOf(StartsWith("t.toml:3:9: targets[0].audit: found a text (not shown), expected redis://"),
                          Not(HasSubstr("s3cret")))));
  }
}

TEST(Config, WhatIsWrongItselfIsNotBlamedTwice) {
  EXPECT_THAT(faults("[http]\naddress = \"0.0.0.0\"\nallow_unauthenticated = 1\n"),
              ElementsAre(HasSubstr("http.allow_unauthenticated: found 1, expected true or false")));
}

TEST(Config, OtherHostsAreLetInOnlyWithAuthenticationOrOnPurpose) {
  EXPECT_THAT(faults("[http]\naddress = \"0.0.0.0\"\nallow_unauthenticated = true\n"), IsEmpty());
  EXPECT_THAT(faults("[http]\naddress = \"::\"\nbearer_token_file = \"/etc/outrider/token\"\n"), IsEmpty());
  EXPECT_THAT(faults("[http]\naddress = \"0.0.0.0\"\nenabled = false\n"), IsEmpty());
  EXPECT_THAT(faults("[http]\naddress = \"127.9.9.9\"\n"), IsEmpty());
  EXPECT_THAT(faults("[http]\naddress = \"::1\"\n"), IsEmpty());
}

TEST(Config, RetentionIsWhatTheSecondTierKeeps) {
  const Config config = good("[agent]\nmetrics_retention = \"45d\"\n");
  EXPECT_EQ(config.store.tiers[0].keep, hours(1));
  EXPECT_EQ(config.store.tiers[1].keep, hours(45 * 24));
  EXPECT_EQ(config.store.tiers[2].keep, hours(45 * 24));
  const Config brief = good("[agent]\nmetrics_retention = \"5m\"\n[dashboard]\nchart_time_window = \"5m\"\n");
  EXPECT_EQ(brief.store.tiers[1].keep, hours(1));
}

TEST(Config, PrintedAndReadAgainItIsTheSame) {
  const Config config = good(R"([agent]
collection_interval = "1500ms"
max_overhead = "0.3%"
[store]
tiers = [{ step = "2s", keep = "26h" }]
max_size = "20000000B"
[health]
error_rate = "7%"
memory_usage = "33.3%"
response_time_penalty = 0.1
response_time = "29ms"
[http]
allowed_hosts = ["q\"uote\\", "x"]
[[targets]]
name = "ö \"x\""
labels = { a = "b \\ c" }
)");
  ASSERT_EQ(config.targets.size(), 1U);
  EXPECT_EQ(config.targets[0].labels.at("a"), "b \\ c");
  EXPECT_DOUBLE_EQ(config.health.thresholds.error_rate.threshold, 0.07);
  EXPECT_THAT(to_toml(config), AllOf(HasSubstr("error_rate = \"7%\""), HasSubstr("memory_usage = \"33.3%\""),
                                     HasSubstr("max_overhead = \"0.3%\""), HasSubstr("response_time = \"29ms\"")));
  EXPECT_EQ(good(to_toml(config)), config);
}

/// packaging/outrider.toml with every key switched on.
std::string shipped_file_uncommented() {
  std::ifstream file(OUTRIDER_SOURCE_DIR "/packaging/outrider.toml");
  std::string text;
  for (std::string line; std::getline(file, line);) {
    const bool key = line.starts_with('#') && !line.starts_with("# ");
    text += (key ? line.substr(1) : line) + "\n";
  }
  return text;
}

TEST(Config, TheShippedFileIsTheDefaultsAndHasEveryKey) {
  const std::string text = shipped_file_uncommented();
  Config config = good(text);
  ASSERT_EQ(config.targets.size(), 1U);
  config.targets[0].labels.clear();
  EXPECT_EQ(config.targets[0], (TargetConfig{.by = TargetConfig::By::kName,
                                             .value = "engine",
                                             .name = "engine",
                                             .profile = "",
                                             .labels = {},
                                             .interval = Config().collection_interval}));
  std::vector<std::string> expected = lines_of(to_toml(config));
  const std::vector<std::string> lines = lines_of(text);
  for (const std::string& line : expected) EXPECT_THAT(lines, testing::Contains(line));
  config.targets.clear();
  EXPECT_EQ(config, defaults());
}

TEST(Config, TheShippedFileAsItIsChangesNothing) {
  const Result<Config> config = load_config(OUTRIDER_SOURCE_DIR "/packaging/outrider.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(*config, defaults());
}

class ConfigFiles : public testing::Test {
 protected:
  ConfigFiles() {
    std::string pattern = std::filesystem::temp_directory_path() / "outrider-config-XXXXXX";
    directory_ = mkdtemp(pattern.data());
  }
  ~ConfigFiles() override { std::filesystem::remove_all(directory_); }

  std::string write(const std::string& name, const std::string& text, mode_t mode) {
    std::string path = directory_ / name;
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
    return path;
  }

  std::filesystem::path directory_;
};

TEST_F(ConfigFiles, ASecretIsTheTextOfAPrivateFile) {
  const auto secret = read_secret(write("token", "s3cret\n", 0600));
  ASSERT_TRUE(secret) << secret.error().message;
  EXPECT_EQ(*secret, "s3cret");
  EXPECT_TRUE(read_secret(write("group", "x", 0640)));
}

TEST_F(ConfigFiles, ASecretThatEveryUserMayReadIsNone) {
  const auto refused = [&](const std::string& text, mode_t mode) {
    const auto secret = read_secret(write("token", text, mode));
    return secret ? "taken" : secret.error().message;
  };
  EXPECT_THAT(refused("s3cret", 0644),
              AllOf(HasSubstr("token is open to every user (mode 0644)"), HasSubstr("chmod 600")));
  EXPECT_THAT(refused("\n", 0600), HasSubstr("is empty"));
  EXPECT_THAT(refused("a\nb\n", 0600), HasSubstr("more than one line"));
  EXPECT_THAT(refused(std::string(5000, 'x'), 0600), HasSubstr("longer than 4096 bytes"));
  EXPECT_THAT(read_secret(directory_ / "absent").error().message, HasSubstr("absent: No such file"));
  EXPECT_THAT(read_secret(directory_).error().message, HasSubstr("not a regular file"));
  const std::string fifo = directory_ / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_THAT(read_secret(fifo).error().message, HasSubstr("not a regular file"));
}

TEST_F(ConfigFiles, SecretsAreLookedAtWhenAFileIsLoaded) {
  const std::string token = write("token", "s3cret", 0604);
  const std::string file = write("o.toml", "[http]\nbearer_token_file = \"" + token + "\"\n", 0644);
  const Result<Config> open = load_config(file);
  ASSERT_FALSE(open);
  EXPECT_THAT(open.error().message,
              AllOf(StartsWith(file + ":2:21: http.bearer_token_file: "), HasSubstr("chmod 600")));
  chmod(token.c_str(), 0600);
  EXPECT_TRUE(load_config(file));
  const Result<Config> pasted = load_config(write("p.toml", "[http]\nbearer_token_file = \"/s3cret/+x\"\n", 0644));
  ASSERT_FALSE(pasted);
  EXPECT_THAT(pasted.error().message, AllOf(HasSubstr("No such file"), Not(HasSubstr("s3cret"))));
}

TEST_F(ConfigFiles, AFileThatIsNoneSaysSo) {
  EXPECT_THAT(load_config(directory_ / "absent").error().message, HasSubstr("No such file"));
  EXPECT_THAT(load_config(directory_).error().message, HasSubstr("not a regular file"));
  EXPECT_THAT(load_config(write("large", std::string(1'100'000, '#'), 0600)).error().message,
              HasSubstr("larger than 1 MiB"));
}

}  // namespace
}  // namespace outrider
