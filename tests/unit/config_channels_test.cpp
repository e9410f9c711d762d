// [[alerts.channels]] in the configuration file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "userspace/config/load.h"

namespace outrider {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<ChannelConfig> channels(std::string_view text) {
  const Result<Config> config = parse_config(text, "t.toml");
  if (config) return config->alerts.channels;
  ADD_FAILURE() << config.error().message;
  return {};
}

std::vector<std::string> faults(std::string_view text) {
  const Result<Config> config = parse_config(text, "t.toml");
  std::vector<std::string> lines;
  std::istringstream stream(config ? "" : config.error().message);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

constexpr const char* kAll = R"([[alerts.channels]]
type = "log"
severity = "critical"
repeat_interval = "off"
group_wait = "off"
[[alerts.channels]]
type = "exec"
name = "pager"
command = ["/usr/local/bin/page", "--now"]
timeout = "2s"
queue = 7
[[alerts.channels]]
type = "webhook"
url = "https://hooks.example.org/a?b=c"
bearer_token_file = "/etc/outrider/token"
ca_file = "/etc/outrider/ca.pem"
repeat_interval = "30m"
give_up_after = "1h"
group_wait = "10s"
[[alerts.channels]]
type = "alertmanager"
url = "http://127.0.0.1:9093"
[[alerts.channels]]
type = "file"
path = "-"
[[alerts.channels]]
type = "mail"
to = ["a@example.org", "b@example.org"]
from = "outrider@example.org"
sendmail = "/usr/local/sbin/sendmail"
)";

TEST(ConfigChannels, without_any_alerts_go_to_the_log) {
  for (const char* text : {"", "[alerts]\n"}) {
    const auto all = channels(text);
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].type, "log");
    EXPECT_EQ(all[0].name, "log");
    EXPECT_EQ(all[0].severity, "info");
    EXPECT_EQ(all[0].group_wait, seconds(1));
    EXPECT_EQ(all[0].repeat_interval, hours(4));
    EXPECT_EQ(all[0].give_up_after, hours(24));
    EXPECT_EQ(all[0].queue, 10'000U);
  }
  EXPECT_THAT(channels("[alerts]\nchannels = []\n"), IsEmpty());
}

TEST(ConfigChannels, every_type_with_its_keys) {
  const auto all = channels(kAll);
  ASSERT_EQ(all.size(), 6U);
  EXPECT_EQ(all[0].severity, "critical");
  EXPECT_EQ(all[0].repeat_interval, milliseconds(0));
  EXPECT_EQ(all[0].group_wait, milliseconds(0));
  EXPECT_EQ(all[1].name, "pager");
  EXPECT_THAT(all[1].command, ElementsAre("/usr/local/bin/page", "--now"));
  EXPECT_EQ(all[1].timeout, seconds(2));
  EXPECT_EQ(all[1].queue, 7U);
  EXPECT_EQ(all[2].name, "webhook");
  EXPECT_EQ(all[2].url, "https://hooks.example.org/a?b=c");
  EXPECT_EQ(all[2].bearer_token_file, "/etc/outrider/token");
  EXPECT_EQ(all[2].ca_file, "/etc/outrider/ca.pem");
  EXPECT_EQ(all[2].repeat_interval, minutes(30));
  EXPECT_EQ(all[2].give_up_after, hours(1));
  EXPECT_EQ(all[2].group_wait, seconds(10));
  EXPECT_EQ(all[3].repeat_interval, minutes(1));
  EXPECT_EQ(all[3].timeout, seconds(10));
  EXPECT_EQ(all[4].path, "-");
  EXPECT_THAT(all[5].to, ElementsAre("a@example.org", "b@example.org"));
  EXPECT_EQ(all[5].from, "outrider@example.org");
  EXPECT_EQ(all[5].sendmail, "/usr/local/sbin/sendmail");
  EXPECT_EQ(all[5].timeout, seconds(30));
}

TEST(ConfigChannels, what_is_printed_reads_back_the_same) {
  for (const char* text : {kAll, "", "[alerts]\nchannels = []\n"}) {
    const Result<Config> config = parse_config(text, "t.toml");
    ASSERT_TRUE(config);
    const std::string printed = to_toml(*config);
    const Result<Config> again = parse_config(printed, "t.toml");
    ASSERT_TRUE(again) << again.error().message << "\n" << printed;
    EXPECT_EQ(*again, *config);
  }
}

TEST(ConfigChannels, every_fault_is_told_with_its_place) {
  EXPECT_THAT(faults("[[alerts.channels]]\ntype = \"pigeon\"\n"),
              ElementsAre("t.toml:2:8: alerts.channels[0].type: found \"pigeon\", expected \"log\", \"exec\", "
                          "\"webhook\", \"alertmanager\", \"file\", \"mail\""));
  EXPECT_THAT(faults("[[alerts.channels]]\nname = \"x\"\n"),
              ElementsAre(HasSubstr("alerts.channels[0].type: found none, expected log, exec")));
  EXPECT_THAT(
      faults(R"([[alerts.channels]]
type = "webhook"
url = "ftp://x"
path = "/var/log/a"
severety = "warning"
timeout = 3
)"),
      ElementsAre(HasSubstr("t.toml:3:7: alerts.channels[0].url: found a text (not shown), expected http://"),
                  "t.toml:4:8: alerts.channels[0].path: found a key that a channel of the type \"webhook\" does "
                  "not have, expected none",
                  HasSubstr("t.toml:5:1: alerts.channels[0].severety: found an unknown key; did you mean "),
                  HasSubstr("t.toml:6:11: alerts.channels[0].timeout: found 3, expected a duration from")));
  EXPECT_THAT(faults("[alerts]\nchannel = []\n"),
              ElementsAre(HasSubstr("t.toml:2:1: alerts.channel: found an unknown")));
  EXPECT_THAT(faults("[alerts]\nchannels = 3\n"), ElementsAre(HasSubstr("expected an array of at most 16 tables")));
}

TEST(ConfigChannels, what_a_type_cannot_do_without) {
  const std::pair<const char*, const char*> needs[] = {
      {"exec", "command"}, {"webhook", "url"}, {"alertmanager", "url"}, {"file", "path"}, {"mail", "to"}};
  for (const auto& [type, key] : needs) {
    EXPECT_THAT(faults(std::string("[[alerts.channels]]\ntype = \"") + type + "\"\n"),
                ElementsAre(HasSubstr(std::string("t.toml:2:8: alerts.channels[0].") + key + ": found none")))
        << type;
  }
  EXPECT_THAT(faults("[[alerts.channels]]\ntype = \"mail\"\nto = []\n"),
              ElementsAre(HasSubstr("t.toml:3:6: alerts.channels[0].to: found none")));
}

TEST(ConfigChannels, programs_addresses_and_names_that_will_not_do) {
  EXPECT_THAT(faults("[[alerts.channels]]\ntype = \"exec\"\ncommand = [\"page\"]\n"),
              ElementsAre(HasSubstr("t.toml:3:11: alerts.channels[0].command: the program is not the absolute path")));
  EXPECT_THAT(faults("[[alerts.channels]]\ntype = \"mail\"\nto = [\"a@b, c@d\"]\n"),
              ElementsAre(HasSubstr("found \"a@b, c@d\", expected a plain mail address")));
  EXPECT_THAT(faults("[[alerts.channels]]\ntype = \"mail\"\nto = [\"a@b\"]\nfrom = \"me\"\n"),
              ElementsAre(HasSubstr("alerts.channels[0].from: found \"me\", expected a plain mail address")));
  EXPECT_THAT(faults("[[alerts.channels]]\ntype = \"log\"\n[[alerts.channels]]\ntype = \"log\"\n"),
              ElementsAre(HasSubstr("t.toml:4:8: alerts.channels[1].name: found a second channel called \"log\"")));
  EXPECT_THAT(faults("[[alerts.channels]]\ntype = \"alertmanager\"\nurl = \"http://a\"\nrepeat_interval = \"off\"\n"),
              ElementsAre(HasSubstr("repeat_interval: found \"off\", expected a duration from \"1s\" to \"10m\"")));
}

}  // namespace
}  // namespace outrider
