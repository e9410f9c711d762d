// What alert channels keep over a restart, and what they do not: the queues themselves are channel_queue_test's.
#include "userspace/service/alert_channels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace outrider {
namespace {

using testing::ElementsAre;

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

  /// An agent's life with the channel in its configuration, or without: it is told of `goes_on` and of `added`.
  void live(bool with_channel, const std::vector<Notice>& goes_on, const std::vector<Notice>& added) {
    ChannelConfig config = ChannelConfig::of_type("file");
    config.name = "the file";
    config.path = path_;
    std::vector<ChannelConfig> configs;
    if (with_channel) configs.push_back(config);
    AlertChannels channels(store_.get());
    channels.configure(with_secrets(configs), goes_on);
    for (const Notice& one : added) channels.add(one);
    channels.stop(ChannelThread::Clock::now() + std::chrono::seconds(10));
    std::map<std::string, std::string> states;
    channels.add_state(states);
    store_->put_states(states);
  }

  /// The ids that were handed on, in their order.
  [[nodiscard]] std::vector<std::string> said() const {
    std::vector<std::string> ids;
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line);) {
      const auto begin = line.find("\"id\":\"") + 6;
      ids.push_back(line.substr(begin, line.find('"', begin) - begin));
    }
    return ids;
  }

  const std::filesystem::path directory_ =
      std::filesystem::path(testing::TempDir()) / ("alert_channels_" + std::to_string(getpid()));
  const std::string path_ = (directory_ / "alerts.jsonl").string();
  std::shared_ptr<Store> store_;
};

TEST_F(AlertChannelsTest, a_restart_says_nothing_twice_and_the_end_of_what_was_said) {
  live(true, {}, {notice("a")});
  live(true, {notice("a")}, {notice("a"), notice("a", Notice::What::kResolved)});
  EXPECT_THAT(said(), ElementsAre("a", "a"));
}

// Of a, which it has said before, it did not hear the end; b began while it was away.
TEST_F(AlertChannelsTest, one_that_was_away_for_a_life_hears_of_all_that_goes_on_and_of_nothing_else) {
  live(true, {}, {notice("a")});
  live(false, {notice("a")}, {notice("a", Notice::What::kResolved), notice("b")});
  live(true, {notice("b")}, {});
  EXPECT_THAT(said(), ElementsAre("a", "b"));
}

}  // namespace
}  // namespace outrider
