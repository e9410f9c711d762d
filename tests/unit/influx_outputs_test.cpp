// Exports across reloads of the configuration: what waits stays, what is lost is counted under its name and said.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/unit/eventually.h"
#include "tests/unit/influx_server.h"
#include "tests/unit/log_capture.h"
#include "tests/unit/rounds.h"
#include "userspace/service/outputs.h"

namespace outrider {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class OutputsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "outrider-outputs-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
    config_.targets.resize(1);
    config_.targets[0].name = "engine";
  }
  void TearDown() override {
    outputs_.stop(Sink::Clock::now());
    std::filesystem::remove_all(dir_);
  }

  void push_to(std::uint16_t port) { config_.exports.influxdb.url = "http://127.0.0.1:" + std::to_string(port); }
  void label(const std::string& stage) { config_.targets[0].labels["stage"] = stage; }

  void add(std::int64_t number) {
    last_ = std::make_shared<const Report>(report_of(interval(number)));
    outputs_.add(last_);
  }
  // The points of the round before as they look under the configuration of now.
  [[nodiscard]] std::string lines() const { return influx_lines(*last_, influx_options(config_)); }

  [[nodiscard]] SinkCounters counters(const std::string& name) const {
    for (const SinkCounters& counters : outputs_.counters()) {
      if (counters.name == name) return counters;
    }
    ADD_FAILURE() << "no export " << name;
    return {};
  }
  // A round was given to the sink and waits there for a server that is away.
  std::uint64_t wait_for_a_queue() {
    EXPECT_TRUE(eventually([&] { return counters("influxdb").points->queued > 0 && counters("influxdb").failing; }));
    return counters("influxdb").points->queued;
  }

  LogCapture log_;
  std::filesystem::path dir_;
  Config config_;
  std::shared_ptr<const Report> last_;
  Outputs outputs_;
};

TEST_F(OutputsTest, ANewLabelCostsNoPointThatWaits) {
  const std::uint16_t port = InfluxServer().port();
  push_to(port);
  label("old");
  outputs_.configure(config_);
  add(1);
  const std::string first = lines();
  const std::uint64_t queued = wait_for_a_queue();
  label("new");
  outputs_.configure(config_);
  EXPECT_EQ(counters("influxdb").points->queued, queued);
  EXPECT_EQ(counters("influxdb").written, 1U);  // it waits, which is no failure
  EXPECT_EQ(counters("influxdb").failed, 0U);
  InfluxServer server({}, port);
  add(2);
  EXPECT_TRUE(eventually([&] { return counters("influxdb").points->sent > queued; }));
  EXPECT_THAT(first, HasSubstr("stage=old"));
  EXPECT_THAT(lines(), HasSubstr("stage=new"));
  EXPECT_EQ(server.bodies(), first + lines());
  EXPECT_EQ(counters("influxdb").points->dropped, 0U);
}

TEST_F(OutputsTest, WhatASwitchedOffExportLosesIsCountedUnderItsNameAndSaid) {
  push_to(InfluxServer().port());
  outputs_.configure(config_);
  add(1);
  const std::uint64_t queued = wait_for_a_queue();
  const std::string url = std::exchange(config_.exports.influxdb.url, "");
  outputs_.configure(config_);
  EXPECT_EQ(counters("influxdb").written, 1U);  // while it ends, too
  EXPECT_TRUE(eventually([&] { return counters("influxdb").points->dropped == queued; }));
  config_.exports.influxdb.url = url;
  outputs_.configure(config_);
  add(2);
  EXPECT_TRUE(eventually([&] { return counters("influxdb").written == 2; }));
  EXPECT_EQ(counters("influxdb").points->dropped, queued);
  outputs_.stop(Sink::Clock::now() + 10s);
  EXPECT_EQ(counters("influxdb").points->dropped, 2 * queued);
  const std::string said = " " + std::to_string(queued) + " points were not sent before the end and are lost: ";
  const std::string log = log_.text();
  ASSERT_NE(log.find(said), std::string::npos) << log;
  EXPECT_NE(log.find(said), log.rfind(said)) << log;  // the loss of the second one as well
}

// Rounds of the test are equally long, and there is room for one.
TEST_F(OutputsTest, TheSizeOfTheQueueIsTheConfigurationsAlsoAfterAReload) {
  push_to(InfluxServer().port());
  outputs_.configure(config_);
  add(1);
  const std::uint64_t points = wait_for_a_queue();
  config_.exports.influxdb.queue_bytes = lines().size();
  outputs_.configure(config_);
  add(2);
  EXPECT_TRUE(eventually([&] { return counters("influxdb").failed == 1; }));
  EXPECT_EQ(counters("influxdb").points->dropped, points);
  EXPECT_EQ(counters("influxdb").points->queued, points);
  EXPECT_THAT(counters("influxdb").last_error, HasSubstr("the queue is full (queue_size = "));
}

// Whoever reads it would take its figures for the present ones. At the agent's end it stays.
TEST_F(OutputsTest, ATextfileThatIsNotWantedAnyMoreGoes) {
  const auto write_to = [&](const std::filesystem::path& path) {
    config_.exports.textfile.path = path;
    outputs_.configure(config_);
    add(1);
    EXPECT_TRUE(eventually([&] { return std::filesystem::exists(path); }));
  };
  write_to(dir_ / "one.prom");
  write_to(dir_ / "two.prom");
  EXPECT_FALSE(std::filesystem::exists(dir_ / "one.prom"));
  config_.exports.textfile.path.clear();
  outputs_.configure(config_);
  EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(dir_ / "two.prom"); }));
  write_to(dir_ / "one.prom");
  outputs_.stop(Sink::Clock::now() + 10s);
  EXPECT_TRUE(std::filesystem::exists(dir_ / "one.prom"));
}

TEST_F(OutputsTest, AnEndingExportAndItsSuccessorShareNoMoment) {
  const auto path = dir_ / "lines.json";
  config_.exports.json.path = path;
  outputs_.configure(config_);
  for (int i = 0; i < 20; ++i) {
    add(i);
    config_.exports.json.path.clear();
    outputs_.configure(config_);
    config_.exports.json.path = path;
    outputs_.configure(config_);
  }
  outputs_.stop(Sink::Clock::now() + 10s);
  std::ifstream file(path);
  int number = 0;
  for (std::string line; std::getline(file, line); ++number) {
    EXPECT_EQ(nlohmann::json::parse(line)["timestamp"], fmt::format("1970-01-01T00:00:00.{:03}Z", number));
  }
  EXPECT_EQ(number, 20);  // in their order, none lost and none cut off
  EXPECT_EQ(counters("json").written, 20U);
}

TEST_F(OutputsTest, AFileMovesWithItsSettings) {
  for (const auto* name : {"one", "two"}) {
    config_.exports.json.path = dir_ / name;
    outputs_.configure(config_);
    add(1);
    EXPECT_TRUE(eventually([&] { return std::filesystem::exists(dir_ / name); }));
  }
  EXPECT_TRUE(eventually([&] { return counters("json").written == 2; }));
}

TEST_F(OutputsTest, OnlyTheNamedCertificatesAreTrustedAlsoAfterAReload) {
  const InfluxServer server;
  config_.exports.influxdb.url = "https://127.0.0.1:" + std::to_string(server.port());
  for (const auto* name : {"one.pem", "two.pem"}) {
    config_.exports.influxdb.ca_file = dir_ / name;
    outputs_.configure(config_);
    add(1);
    const std::string reason = "cannot read the trusted certificates " + config_.exports.influxdb.ca_file;
    EXPECT_TRUE(eventually([&] { return counters("influxdb").last_error.find(reason) != std::string::npos; }));
  }
}

TEST_F(OutputsTest, WhatCannotBeChangedStaysAsItWas) {
  InfluxServer server;
  push_to(server.port());
  outputs_.configure(config_);
  config_.exports.influxdb.version = 2;  // without an org
  outputs_.configure(config_);
  EXPECT_THAT(log_.text(), HasSubstr("the export influxdb stays as it was: InfluxDB: version 2 needs org"));
  add(1);
  EXPECT_TRUE(eventually([&] { return counters("influxdb").points->sent > 0; }));
}

}  // namespace
}  // namespace outrider
