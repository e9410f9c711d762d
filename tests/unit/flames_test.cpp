// Flame graphs on demand: what is recorded, what is not, and what is said about it; without probes.
#include "userspace/service/flames.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <new>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/unit/eventually.h"
#include "userspace/agent/watch_words.h"
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
    for (const char* name : {"engine", "other", "light", "gone"}) {
      TargetConfig& target = config.targets.emplace_back();
      target.name = name;
      target.value = "1";
      target.mode = name == std::string("light") ? "light" : "auto";
      if (name == std::string("other")) target.types_by = "both";
    }
    flames_.configure(config);
  }

  Result<FlameReport> record() {
    ++recorded_;
    std::this_thread::sleep_for(length_.load());
    if (fails_) throw std::bad_alloc();
    FlameReport report;
    // Each recording has one sample more of `slow` than the one before.
    if (samples_ > 0) {
      report.graph.tree.add(std::vector<std::string>{"fast"}, static_cast<std::uint64_t>(samples_));
      report.graph.tree.add(std::vector<std::string>{"slow"}, static_cast<std::uint64_t>(recorded_));
    }
    return report;
  }

  /// What the API says to GET `path?query`: the status, and the body.
  std::pair<int, nlohmann::json> get(const std::string& path, const std::map<std::string, std::string>& query) {
    const HttpResponse response = api_.handle({"GET", path, query, "*/*", "127.0.0.1:1"});
    return {response.status, nlohmann::json::parse(*response.body)};
  }

  /// Records by way of the API; the answer, which is no 202.
  std::pair<int, nlohmann::json> recorded(const std::map<std::string, std::string>& query) {
    std::pair<int, nlohmann::json> last;
    EXPECT_TRUE(eventually([&] {
      last = get("/api/v1/flame", query);
      return last.first == 200 || (last.first != 202 && last.first != 409);
    }));
    return last;
  }

  void publish(const std::string& mode = "full") {
    Report report;
    report.agent.emplace();
    for (const char* name : {"engine", "other", "gone"}) {
      TargetState& target = report.agent->targets.emplace_back();
      target.name = name;
      target.attached = name != std::string("gone");
    }
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->target = "engine";
    snapshot->overhead.mode = mode;
    report.snapshots.push_back(snapshot);
    api_.publish(std::make_shared<Report>(report));
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
  std::atomic<int> samples_ = 0;
  std::atomic<std::uint32_t> by_ = 0;
  Flames flames_{[this](const FlameOptions& options, const FlameProgress&, const WaitUntil&) {
    by_ = options.attach.by;
    return record();
  }};
  AlertBoard board_;
  Queries queries_;
  Api api_{nullptr, board_, flames_, queries_};
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

// Else none of its types would have the name that was asked for.
TEST_F(FlamesTest, types_are_those_of_the_target) {
  EXPECT_EQ(answer("other").state, State::kDone);
  EXPECT_EQ(by_, types_by("both"));
  EXPECT_EQ(answer("engine").state, State::kDone);
  EXPECT_EQ(by_, 0U);
}

// Its process id may be anybody's by now.
TEST_F(FlamesTest, a_target_that_is_not_watched_is_not_recorded) {
  publish();
  const auto [status, body] = get("/api/v1/flame", {{"target", "gone"}});
  EXPECT_EQ(status, 409);
  EXPECT_THAT(body.dump(), HasSubstr("not watched now"));
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
  publish("paused");
  const auto status = [&](const char* method, const char* length) {
    return api_.handle({method, "/api/v1/flame", {{"target", "engine"}, {"for", length}}, "*/*", "127.0.0.1:1"}).status;
  };
  EXPECT_EQ(status("HEAD", "2s"), 405);
  EXPECT_EQ(status("GET", "999ms"), 400);
  EXPECT_EQ(status("GET", "1s"), 409) << "it is paused";
  publish("full");
  EXPECT_EQ(recorded_, 0);
  EXPECT_EQ(status("GET", "1s"), 202);
}

TEST_F(FlamesTest, recordings_are_kept_and_compared) {
  publish();
  samples_ = 3;
  const auto [first_status, first] = recorded({{"target", "engine"}, {"for", "1s"}});
  ASSERT_EQ(first_status, 200);  // fast 3, slow 1
  const std::string before = std::to_string(first["time"].get<std::int64_t>());
  const auto [status, second] = recorded({{"target", "engine"}, {"for", "1s"}, {"compare", before}});
  ASSERT_EQ(status, 200) << "a recording is not compared with itself, fresh as it is";  // fast 3, slow 2
  EXPECT_EQ(recorded_, 2);
  EXPECT_EQ(second["total"], 5);
  EXPECT_EQ(second["before"]["time"], first["time"]);
  EXPECT_EQ(second["before"]["total"], 4);
  EXPECT_DOUBLE_EQ(second["flame"]["children"][1]["before"], 1.25);  // 1 of 4, as of 5
  EXPECT_EQ(second["flame"]["children"][1]["value"], 2);
  const auto [_, list] = get("/api/v1/flame/recordings", {{"target", "engine"}});
  ASSERT_EQ(list["recordings"].size(), 2U);
  EXPECT_EQ(list["recordings"][0]["time"], second["time"]);
  EXPECT_EQ(list["recordings"][1]["total"], 4);
  // Both are there to be looked at again, in either direction, and nothing is recorded for that.
  const auto [again, third] =
      get("/api/v1/flame",
          {{"target", "engine"}, {"at", before}, {"compare", std::to_string(second["time"].get<std::int64_t>())}});
  EXPECT_EQ(again, 200);
  EXPECT_EQ(third["total"], 4);
  EXPECT_DOUBLE_EQ(third["flame"]["children"][1]["before"], 1.6);  // 2 of 5, as of 4
  EXPECT_EQ(recorded_, 2);
}

TEST_F(FlamesTest, only_a_recording_of_the_same_question_is_compared_with) {
  publish();
  samples_ = 3;
  const auto [_, first] = recorded({{"target", "engine"}, {"for", "1s"}});
  const std::string time = std::to_string(first["time"].get<std::int64_t>());
  const auto refusal = [&](std::map<std::string, std::string> query) {
    query.emplace("target", "engine");
    const auto [status, body] = get("/api/v1/flame", query);
    return std::pair(status, body.value("error", ""));
  };
  for (const char* wrong : {"", "yesterday", "12x", "-5", "99999999999999999999"}) {
    EXPECT_EQ(refusal({{"compare", wrong}}).first, 400) << wrong;
    EXPECT_EQ(refusal({{"at", wrong}}).first, 400) << wrong;
  }
  const auto [unknown, sentence] = refusal({{"compare", "12345"}});
  EXPECT_EQ(unknown, 404);
  EXPECT_EQ(sentence, "compare: there is no recording of 12345, or no more; /api/v1/flame/recordings lists them");
  EXPECT_EQ(refusal({{"at", "12345"}}).first, 404);
  EXPECT_EQ(refusal({{"at", time}, {"compare", time}}).first, 400);
  for (const std::map<std::string, std::string>& other :
       {std::map<std::string, std::string>{{"type", "path"}}, {{"kind", "off_cpu"}}, {{"target", "other"}}}) {
    auto query = other;
    query.emplace("compare", time);
    const auto [status, reason] = refusal(query);
    EXPECT_EQ(status, 400);
    EXPECT_THAT(reason, HasSubstr("is another's: on_cpu of target 'engine', all types"));
  }
  EXPECT_EQ(recorded_, 1) << "what is refused has nothing recorded";
  EXPECT_EQ(get("/api/v1/flame/recordings", {{"target", "nobody"}}).first, 404);
  EXPECT_EQ(get("/api/v1/flame/recordings", {{"target", "engine"}, {"kind", "gpu"}}).first, 400);
}

TEST_F(FlamesTest, without_a_sample_there_is_nothing_to_compare_with) {
  publish();
  EXPECT_EQ(recorded({{"target", "engine"}, {"for", "1s"}}).first, 200);
  EXPECT_EQ(get("/api/v1/flame/recordings", {{"target", "engine"}}).second["recordings"].size(), 0U);
  EXPECT_EQ(recorded({{"target", "engine"}, {"kind", "off_cpu"}, {"for", "1s"}}).first, 200);
  const auto kept = get("/api/v1/flame/recordings", {{"target", "engine"}, {"kind", "off_cpu"}}).second;
  EXPECT_EQ(kept["recordings"].size(), 1U) << "no waits at all are a finding";
}

}  // namespace
}  // namespace outrider
