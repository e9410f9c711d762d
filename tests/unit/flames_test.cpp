// Flame graphs on demand: what is recorded, what is not, and what is said about it; without probes.
#include "userspace/service/flames.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <new>
#include <thread>

#include "tests/unit/eventually.h"
#include "userspace/service/api.h"

namespace outrider {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using State = FlameAnswer::State;

class FlamesTest : public testing::Test {
 protected:
  void SetUp() override {
    Config config;
    for (const char* name : {"engine", "other", "light"}) {
      TargetConfig& target = config.targets.emplace_back();
      target.name = name;
      target.value = "1";
      target.mode = name == std::string("light") ? "light" : "auto";
    }
    flames_.configure(config);
  }

  Result<FlameReport> record() {
    ++recorded_;
    std::this_thread::sleep_for(length_.load());
    if (fails_) throw std::bad_alloc();
    return FlameReport{};
  }

  FlameAnswer ask(const std::string& target, const std::string& type = "", const std::string& mode = "full") {
    return flames_.ask({.target = target, .type = type}, mode);
  }

  /// What is answered in the end.
  FlameAnswer answer(const std::string& target, const std::string& type = "") {
    FlameAnswer last;
    EXPECT_TRUE(eventually([&] { return (last = ask(target, type)).state != State::kRecording; }));
    return last;
  }

  std::atomic<int> recorded_ = 0;
  std::atomic<std::chrono::milliseconds> length_ = 0ms;
  std::atomic<bool> fails_ = false;
  Flames flames_{[this](const FlameOptions&, const FlameProgress&, const WaitUntil&) { return record(); }};
};

TEST_F(FlamesTest, a_target_is_left_alone_as_long_as_it_was_recorded) {
  length_ = 1500ms;
  EXPECT_EQ(ask("engine").state, State::kRecording);
  EXPECT_EQ(answer("engine").state, State::kDone);
  const FlameAnswer another = ask("engine", "path");
  EXPECT_EQ(another.state, State::kRefused);
  EXPECT_THAT(another.reason, HasSubstr("ask again in "));
  EXPECT_EQ(ask("engine").state, State::kDone) << "what there is of it is still answered";
  length_ = 0ms;
  EXPECT_EQ(ask("other").state, State::kRecording) << "the pause is of one target";
  EXPECT_EQ(answer("other").state, State::kDone);
  EXPECT_TRUE(eventually([&] { return ask("engine", "path").state == State::kRecording; }));
  EXPECT_EQ(answer("engine", "path").state, State::kDone);
  EXPECT_EQ(recorded_, 3);
}

TEST_F(FlamesTest, a_target_whose_starts_are_not_probed_is_not_recorded) {
  EXPECT_THAT(ask("light").reason, HasSubstr("its mode is light"));
  for (const char* mode : {"light", "paused"}) {
    EXPECT_EQ(ask("engine", "", mode).state, State::kRefused);
    EXPECT_THAT(ask("engine", "", mode).reason, HasSubstr("overhead budget"));
  }
  EXPECT_EQ(recorded_, 0);
}

TEST_F(FlamesTest, a_recording_that_throws_is_refused_and_others_go_on) {
  fails_ = true;
  EXPECT_EQ(ask("engine").state, State::kRecording);
  const FlameAnswer failed = answer("engine");
  EXPECT_EQ(failed.state, State::kRefused);
  EXPECT_THAT(failed.reason, HasSubstr("the recording failed: "));
  fails_ = false;
  EXPECT_EQ(ask("other").state, State::kRecording);
  EXPECT_EQ(answer("other").state, State::kDone);
}

TEST_F(FlamesTest, only_a_get_of_a_second_or_more_begins_one) {
  AlertBoard board;
  Api api(nullptr, board, flames_);
  Report report;
  report.agent.emplace();
  report.agent->targets.emplace_back().name = "engine";
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->target = "engine";
  snapshot->overhead.mode = "paused";
  report.snapshots.push_back(snapshot);
  api.publish(std::make_shared<Report>(report));
  const auto status = [&](const char* method, const char* length) {
    return api.handle({method, "/api/v1/flame", {{"for", length}}, "*/*", "127.0.0.1:1"}).status;
  };
  EXPECT_EQ(status("HEAD", "2s"), 405);
  EXPECT_EQ(status("GET", "999ms"), 400);
  EXPECT_EQ(status("GET", "1s"), 409) << "it is paused";
  snapshot->overhead.mode = "full";
  EXPECT_EQ(recorded_, 0);
  EXPECT_EQ(status("GET", "1s"), 202);
}

}  // namespace
}  // namespace outrider
