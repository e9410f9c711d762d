// Channels that are programs, files, mail and the log, each against the real thing: shell scripts, a file, what a
// sendmail would read.
#include "userspace/notify/channels.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <signal.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/unit/eventually.h"
#include "tests/unit/log_capture.h"
#include "tests/unit/notices.h"
#include "userspace/base/fd.h"
#include "userspace/notify/mail.h"

namespace outrider {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Fate = Delivery::Fate;

const Channel::GiveUp kNever = [] { return false; };

class ChannelsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "outrider-channel-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::string script(const std::string& text) const {
    const auto path = dir_ / "program";
    std::ofstream(path) << "#!/bin/sh\ncd " << dir_.string() << "\n" << text << "\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path.string();
  }
  [[nodiscard]] std::string read(const char* name) const {
    std::ifstream file(dir_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static Delivery deliver(const ChannelOptions& options, const std::vector<Notice>& group,
                          const Channel::GiveUp& give_up = kNever) {
    auto channel = make_channel(options);
    if (!channel) return {Fate::kRefused, channel.error().message};
    return (*channel)->deliver(group, give_up);
  }

  std::filesystem::path dir_;
};

TEST_F(ChannelsTest, a_program_gets_its_arguments_and_the_group_as_json) {
  const auto program = script("printf '%s|' \"$@\" > arguments; cat > input");
  ExecChannelOptions options{{program, "a b", "$(id); *"}, 10s};
  const auto sent = deliver(options, {notice("a"), resolved("a")});
  ASSERT_EQ(sent.fate, Fate::kDelivered) << sent.reason;
  EXPECT_EQ(read("arguments"), "a b|$(id); *|");
  const auto json = nlohmann::json::parse(read("input"));
  EXPECT_EQ(json["version"], 1);
  ASSERT_EQ(json["alerts"].size(), 2U);
  const nlohmann::json expected = {{"at", "2023-11-14T22:13:50.000Z"},
                                   {"event", "firing"},
                                   {"id", "a"},
                                   {"name", "High Response Time"},
                                   {"rule", "response_time_high"},
                                   {"arm", ""},
                                   {"severity", "warning"},
                                   {"target", "engine"},
                                   {"type", ""},
                                   {"metric", "query_metrics.avg_response_time_seconds"},
                                   {"value", 0.15},
                                   {"threshold", 0.1},
                                   {"expected", nullptr},
                                   {"effect_percent", nullptr},
                                   {"score", nullptr},
                                   {"since", "2023-11-14T22:13:20.000Z"},
                                   {"cause", ""},
                                   {"text", "the mean response time is 150 ms"},
                                   {"annotation", ""},
                                   {"labels", nlohmann::json::object()}};
  EXPECT_EQ(json["alerts"][0], expected);
  EXPECT_EQ(json["alerts"][1]["event"], "resolved");
}

TEST_F(ChannelsTest, a_program_need_not_read_and_may_say_much) {
  std::vector<Notice> group(2000, notice("a"));  // more than a pipe holds
  const auto program = script("head -c 1000000 /dev/zero >&2; head -c 1000000 /dev/zero");
  EXPECT_EQ(deliver(ExecChannelOptions{{program}, 10s}, group).reason, "");
}

TEST_F(ChannelsTest, a_program_that_fails_says_why) {
  const auto failed =
      deliver(ExecChannelOptions{{script("echo 'no pager' >&2; echo more >&2; exit 3")}, 10s}, {notice("a")});
  EXPECT_EQ(failed.fate, Fate::kRetry);
  EXPECT_EQ(failed.reason, dir_.string() + "/program ended with code 3: no pager");
  const auto ended = deliver(ExecChannelOptions{{script("kill -TERM $$")}, 10s}, {notice("a")});
  EXPECT_THAT(ended.reason, HasSubstr("was ended by signal 15"));
}

TEST_F(ChannelsTest, a_program_that_there_is_not_is_an_error) {
  const auto failed = deliver(ExecChannelOptions{{(dir_ / "missing").string()}, 10s}, {notice("a")});
  EXPECT_EQ(failed.fate, Fate::kRetry);
  EXPECT_THAT(failed.reason, AllOf(StartsWith("start "), HasSubstr("missing: No such file or directory")));
  EXPECT_FALSE(make_channel(ExecChannelOptions{{"program"}, 10s}));
  EXPECT_FALSE(make_channel(ExecChannelOptions{}));
}

// The first line of a process's pid file, or 0.
pid_t pid_in(const std::filesystem::path& path) {
  std::ifstream file(path);
  pid_t pid = 0;
  file >> pid;
  return file ? pid : 0;
}

TEST_F(ChannelsTest, a_program_that_hangs_is_killed_with_its_children) {
  const auto program = script("trap '' TERM\nsleep 1000 & echo $! > child.new; mv child.new child; wait");
  const auto failed = deliver(ExecChannelOptions{{program}, 500ms}, {notice("a")});
  EXPECT_EQ(failed.fate, Fate::kRetry);
  EXPECT_THAT(failed.reason, HasSubstr("did not end within 500 ms and was killed"));
  const pid_t child = pid_in(dir_ / "child");
  ASSERT_GT(child, 1);
  // Gone, or a zombie that nobody has collected yet.
  EXPECT_TRUE(eventually([&] {
    std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
    std::string text((std::istreambuf_iterator<char>(stat)), {});
    return text.empty() || text.find(") Z ") != std::string::npos;
  }));
}

TEST_F(ChannelsTest, a_program_is_not_waited_for_when_the_agent_ends) {
  const auto program = script("exec sleep 1000");
  const auto failed = deliver(ExecChannelOptions{{program}, 1h}, {notice("a")}, [] { return true; });
  EXPECT_EQ(failed.fate, Fate::kRetry);
  EXPECT_THAT(failed.reason, HasSubstr("the agent cannot wait for it"));
}

TEST_F(ChannelsTest, what_a_program_leaves_running_is_not_waited_for) {
  const auto program = script("sleep 5 & echo $! > child");
  EXPECT_EQ(deliver(ExecChannelOptions{{program}, 1h}, {notice("a")}).reason, "");
  const pid_t child = pid_in(dir_ / "child");
  ASSERT_GT(child, 1);
  EXPECT_EQ(::kill(child, SIGKILL), 0);  // still there
}

// An ambient capability, as a unit of systemd may give the agent; needs root.
class AmbientCapability {
 public:
  AmbientCapability() {
    if (::syscall(SYS_capget, &header_, had_.data()) != 0) return;
    data_ = had_;
    data_[0].inheritable |= data_[0].permitted & (1U << CAP_NET_BIND_SERVICE);
    raised_ = ::syscall(SYS_capset, &header_, data_.data()) == 0 &&
              ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0) == 0;
  }
  ~AmbientCapability() {
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    ::syscall(SYS_capset, &header_, had_.data());
  }
  AmbientCapability(const AmbientCapability&) = delete;
  AmbientCapability& operator=(const AmbientCapability&) = delete;
  [[nodiscard]] bool raised() const { return raised_; }

 private:
  __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data_{}, had_{};
  bool raised_ = false;
};

TEST_F(ChannelsTest, a_program_inherits_no_ambient_capability) {
  const AmbientCapability capability;
  if (!capability.raised()) GTEST_SKIP() << "needs root, to have a capability to pass on";
  const auto program = script("cat /proc/$$/status > status");
  EXPECT_EQ(deliver(ExecChannelOptions{{program}, 10s}, {notice("a")}).reason, "");
  EXPECT_THAT(read("status"), HasSubstr("CapAmb:\t0000000000000000"));
}

TEST_F(ChannelsTest, a_program_inherits_no_descriptor_and_no_signal_mask) {
  const Fd secret(::open("/dev/null", O_RDONLY));  // stays open over exec() on purpose
  ASSERT_TRUE(secret.valid());
  sigset_t blocked{};
  sigset_t before{};
  sigaddset(&blocked, SIGUSR1);
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &blocked, &before), 0);
  auto* const handler = ::signal(SIGPIPE, SIG_IGN);
  const auto program = script(
      "cat /proc/self/status > status; cut -d' ' -f1,5 /proc/$$/stat > group\n"
      "exec ls /proc/self/fd > descriptors");
  EXPECT_EQ(deliver(ExecChannelOptions{{program}, 10s}, {notice("a")}).reason, "");
  ::signal(SIGPIPE, handler);
  ASSERT_EQ(::pthread_sigmask(SIG_SETMASK, &before, nullptr), 0);
  EXPECT_EQ(read("descriptors"), "0\n1\n2\n3\n");  // the last one is the directory that ls reads
  EXPECT_THAT(read("status"), AllOf(HasSubstr("SigBlk:\t0000000000000000"), HasSubstr("SigIgn:\t0000000000000000")));
  std::istringstream group(read("group"));
  pid_t pid = 0;
  pid_t leader = 0;
  group >> pid >> leader;
  EXPECT_GT(pid, 0);
  EXPECT_EQ(pid, leader);
}

TEST_F(ChannelsTest, a_file_gets_a_line_for_each) {
  const auto path = dir_ / "alerts";
  EXPECT_EQ(deliver(FileChannelOptions{path.string()}, {notice("a"), resolved("a")}).fate, Fate::kDelivered);
  EXPECT_EQ(deliver(FileChannelOptions{path.string()}, {notice("b\n\xff")}).fate, Fate::kDelivered);
  std::istringstream lines(read("alerts"));
  std::vector<std::string> said;
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line);
    said.push_back(json["id"].get<std::string>() + ' ' + json["event"].get<std::string>());
  }
  EXPECT_THAT(said, testing::ElementsAre("a firing", "a resolved", "b\n\xEF\xBF\xBD firing"));
  const auto failed = deliver(FileChannelOptions{"/dev/full"}, {notice("a")});
  EXPECT_EQ(failed.fate, Fate::kRetry);
  EXPECT_THAT(failed.reason, HasSubstr("No space left on device"));
  EXPECT_FALSE(make_channel(FileChannelOptions{}));
}

TEST_F(ChannelsTest, the_log_gets_one_line_for_each_whatever_is_in_it) {
  std::ostringstream log;
  const auto before = spdlog::default_logger();
  auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(log);
  sink->set_pattern("%l %v");
  spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", sink));
  auto bad = notice("b");
  bad.severity = Severity::kCritical;
  bad.type = "scan\nerror all is well \x1b[31m {}";
  const auto sent = deliver(LogChannelOptions{}, {notice("a"), bad, resolved("a")});
  spdlog::set_default_logger(before);
  EXPECT_EQ(sent.fate, Fate::kDelivered);
  EXPECT_EQ(log.str(),
            "warning alert FIRING High Response Time: engine (warning): the mean response time is 150 ms [a]\n"
            "error alert FIRING High Response Time: engine, type scan error all is well  [31m {} (critical): the mean "
            "response time is 150 ms [b]\n"
            "info alert RESOLVED High Response Time: engine (warning): the mean response time is 150 ms [a]\n");
}

TEST_F(ChannelsTest, the_level_of_the_log_holds_no_notice_back) {
  const auto channel = make_channel(LogChannelOptions{});
  ASSERT_TRUE(channel);
  for (const auto level : {spdlog::level::err, spdlog::level::off}) {
    const LogCapture log;  // another logger each time, which the channel has to follow
    spdlog::default_logger()->set_level(level);
    EXPECT_EQ((*channel)->deliver({notice("a"), resolved("a")}, kNever).fate, Fate::kDelivered);
    spdlog::warn("nobody's alert");
    EXPECT_EQ(log.text(),
              "warning alert FIRING High Response Time: engine (warning): the mean response time is 150 ms [a]\n"
              "info alert RESOLVED High Response Time: engine (warning): the mean response time is 150 ms [a]\n");
  }
}

MailOptions mail_to(std::vector<std::string> to) {
  MailOptions options;
  options.to = std::move(to);
  options.from = "outrider@example.org";
  return options;
}

// RFC 2047 and RFC 2045 by python3's e-mail package, which knows nothing of ours.
std::string as_read_by_python(const std::filesystem::path& dir) {
  const std::string program =
      "import email, email.policy, sys\n"
      "m = email.message_from_binary_file(open('message', 'rb'), policy=email.policy.default)\n"
      "print(sorted(m.keys()), m['to'], m['from'], m['subject'], m.defects, m.get_content(), sep='|')\n";
  std::ofstream(dir / "read.py") << program;
  const std::string command = "cd " + dir.string() + " && python3 read.py > read";
  EXPECT_EQ(std::system(command.c_str()), 0);
  std::ifstream file(dir / "read");
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_F(ChannelsTest, a_mail_is_what_a_reader_of_mail_reads) {
  auto options = mail_to({"a@example.org", "b@example.org"});
  options.sendmail = script("echo \"$@\" > arguments; cat > message");
  auto first = notice("a");
  first.annotation = "look at the disk";
  first.labels["team"] = "storage";
  const auto sent = deliver(options, {first, resolved("b")});
  ASSERT_EQ(sent.fate, Fate::kDelivered) << sent.reason;
  EXPECT_EQ(read("arguments"), "-t -i\n");
  const std::string text = as_read_by_python(dir_);
  EXPECT_THAT(text,
              StartsWith("['Auto-Submitted', 'Content-Transfer-Encoding', 'Content-Type', 'From', 'MIME-Version', "
                         "'Subject', 'To']|a@example.org, b@example.org|outrider@example.org|"
                         "FIRING High Response Time: engine and 1 more|[]|FIRING High Response Time: engine\n"
                         "  what: the mean response time is 150 ms\n  what to do: look at the disk\n"
                         "  severity: warning\n  at: 2023-11-14T22:13:50.000Z\n"));
  EXPECT_THAT(text, AllOf(HasSubstr("  value: 0.15\n  threshold: 0.1\n  team: storage\n  id: a\n\nRESOLVED ")));
}

TEST_F(ChannelsTest, nothing_in_a_notice_becomes_a_header_or_ends_a_mail) {
  auto options = mail_to({"a@example.org"});
  options.sendmail = script("cat > message");
  auto bad = notice("a");
  bad.name = "Zu langsam \xC3\xBC\xC3\xBC\xC3\xBC\r\nBcc: everybody@example.org\r\n\r\n.\r\nX";
  for (int i = 0; i < 30; ++i) bad.target += "\xC3\xBC";  // an encoded word holds 39 bytes, and no half character
  bad.text = "line\r\n.\r\nBcc: x@example.org";
  ASSERT_EQ(deliver(options, {bad}).reason, "");
  std::istringstream lines(read("message"));
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 76U);
    EXPECT_THAT(line, AllOf(Not(HasSubstr("Bcc")), Not(StartsWith("."))));
  }
  EXPECT_THAT(
      as_read_by_python(dir_),
      AllOf(StartsWith("['Auto-Submitted', 'Content-Transfer-Encoding', 'Content-Type', 'From', 'MIME-Version', "
                       "'Subject', 'To']|a@example.org|outrider@example.org|FIRING Zu langsam "
                       "\xC3\xBC\xC3\xBC\xC3\xBC  Bcc: everybody@example.org    .  X: engine\xC3\xBC\xC3\xBC"),
            HasSubstr("|[]|"), Not(HasSubstr("\xEF\xBF\xBD"))));
}

TEST_F(ChannelsTest, a_mail_that_could_go_astray_is_not_made) {
  EXPECT_TRUE(make_channel(mail_to({"a@example.org"})));
  for (const char* bad : {"", "me", "a@b,c@d", "a@b c@d", "a@b\nBcc: c@d", "A (b) <a@b>"}) {
    EXPECT_FALSE(make_channel(mail_to({bad}))) << bad;
    auto from = mail_to({"a@example.org"});
    from.from = bad;
    EXPECT_EQ(static_cast<bool>(make_channel(from)), *bad == '\0') << bad;
  }
  EXPECT_FALSE(make_channel(mail_to({})));
  auto relative = mail_to({"a@example.org"});
  relative.sendmail = "sendmail";
  EXPECT_FALSE(make_channel(relative));
}

TEST_F(ChannelsTest, a_sendmail_that_fails_is_tried_again) {
  auto options = mail_to({"a@example.org"});
  options.sendmail = script("echo 'queue full' >&2; exit 75");
  const auto failed = deliver(options, {notice("a")});
  EXPECT_EQ(failed.fate, Fate::kRetry);
  EXPECT_THAT(failed.reason, HasSubstr("ended with code 75: queue full"));
}

}  // namespace
}  // namespace outrider
