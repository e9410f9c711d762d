// What alert channels keep over a restart, and what they do not: the queues themselves are channel_queue_test's.
#include "userspace/service/alert_channels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "userspace/model/notice_json.h"

namespace outrider {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

Notice notice(const std::string& id, Notice::What what = Notice::What::kFiring) {
  Notice notice;
  notice.what = what;
  notice.id = id;
  notice.name = id;
  notice.at_ms = notice.since_ms = 1'700'000'000'000;
  return notice;
}

class AlertChannelsTest : public testing::Test {
 protected:
  AlertChannelsTest() {
    std::filesystem::create_directories(directory_);
    StoreOptions options;
    options.path = (directory_ / "history.db").string();
    store_ = *Store::make(options);
  }
  ~AlertChannelsTest() override { std::filesystem::remove_all(directory_); }

  /// An agent's life with the channel in its configuration, or without: it is told of what goes on and of `added`.
  void live(bool with_channel, const GoingOn& going_on, const std::vector<Notice>& added) {
    ChannelConfig config = ChannelConfig::of_type("file");
    config.name = "the file";
    config.path = path_;
    config.bearer_token_file = secret_;
    std::vector<ChannelConfig> configs;
    if (with_channel) configs.push_back(config);
    AlertChannels channels(store_.get());
    channels.configure(with_secrets(configs), going_on);
    for (const Notice& one : added) channels.add(one);
    channels.stop(ChannelThread::Clock::now() + std::chrono::seconds(10));
    std::map<std::string, std::string> states;
    channels.add_state(states);
    store_->put_states(states);
  }

  /// "a firing", ...: what was handed on, in its order.
  [[nodiscard]] std::vector<std::string> said() const {
    std::vector<std::string> said;
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line);) {
      const auto notice = notice_from_json(nlohmann::ordered_json::parse(line));
      said.push_back(notice ? notice->id + (notice->what == Notice::What::kResolved ? " resolved" : " firing") : line);
    }
    return said;
  }

  const std::filesystem::path directory_ =
      std::filesystem::path(testing::TempDir()) / ("alert_channels_" + std::to_string(getpid()));
  const std::string path_ = (directory_ / "alerts.jsonl").string();
  std::string secret_;  ///< the file of the channel's secret
  std::shared_ptr<Store> store_;
};

TEST_F(AlertChannelsTest, a_restart_says_nothing_twice_and_the_end_of_what_was_said) {
  live(true, {}, {notice("a")});
  live(true, {{notice("a")}, {}}, {notice("a"), notice("a", Notice::What::kResolved)});
  EXPECT_THAT(said(), ElementsAre("a firing", "a resolved"));
}

// a ended and b began while the channel was not in the configuration, or could not be used: its secret was not there.
TEST_F(AlertChannelsTest, one_that_was_away_for_a_life_hears_of_what_ended_and_of_what_goes_on) {
  for (const bool in_configuration : {false, true}) {
    std::filesystem::remove(path_);
    const std::string a = in_configuration ? "a2" : "a", b = in_configuration ? "b2" : "b";
    live(true, {}, {notice(a)});
    secret_ = in_configuration ? (directory_ / "none").string() : "";
    live(in_configuration, {{notice(a)}, {}}, {notice(a, Notice::What::kResolved), notice(b)});
    secret_.clear();
    live(true, {{notice(b)}, {}}, {});
    EXPECT_THAT(said(), UnorderedElementsAre(a + " firing", a + " resolved", b + " firing"));
    live(true, {{notice(b)}, {}}, {notice(b, Notice::What::kResolved)});
  }
}

TEST_F(AlertChannelsTest, a_new_one_hears_of_nothing_that_is_silenced) {
  live(true, {{notice("a"), notice("b")}, {"a"}}, {});
  EXPECT_THAT(said(), ElementsAre("b firing"));
}

}  // namespace
}  // namespace outrider
