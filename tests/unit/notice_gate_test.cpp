// What is held back between the finders of incidents and the channels, and that nothing of it is lost.
#include "userspace/alerts/notice_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace outrider {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr std::int64_t kMinute = 60'000;

Notice firing(const std::string& id, const std::string& rule = "slow", const std::string& target = "db") {
  Notice notice;
  notice.id = id;
  notice.name = rule + " name";
  notice.rule_id = rule;
  notice.target = target;
  notice.metric = "query_metrics.avg_response_time_seconds";
  notice.value = 2;
  notice.threshold = 1;
  notice.text = "slow";
  return notice;
}

Notice over(Notice notice) {
  notice.what = Notice::What::kResolved;
  return notice;
}

Notice of_arm(const std::string& id, const std::string& arm) {
  Notice notice = firing(id, "");
  notice.arm = arm;
  return notice;
}

Notice low_throughput(const std::string& id) {
  Notice notice = firing(id, "quiet");
  notice.metric = "query_metrics.queries_per_second";
  notice.value = 0;
  notice.threshold = 10;
  return notice;
}

struct Gate {
  /// "1 fires", "1 over", in order.
  std::vector<std::string> pass(const std::vector<Notice>& found) {
    last.clear();
    gate.pass(found, now, last);
    std::vector<std::string> said;
    said.reserve(last.size());
    for (const Notice& notice : last) {
      said.push_back(notice.id + (notice.what == Notice::What::kResolved ? " over"
                                  : notice.what == Notice::What::kWorse  ? " worse"
                                                                         : " fires"));
    }
    return said;
  }

  void silence(const std::string& rule, const std::string& target, const std::string& type, std::int64_t until) {
    gate.set_silences({{"s", rule, target, type, 0, until, ""}});
  }

  NoticeGate gate;
  std::int64_t now = 1'700'000'000'000;
  std::vector<Notice> last;
};

TEST(NoticeGate, what_nothing_holds_goes_through_once) {
  Gate gate;
  EXPECT_THAT(gate.pass({firing("1")}), ElementsAre("1 fires"));
  EXPECT_THAT(gate.pass({}), IsEmpty());
  Notice worse = firing("1");
  worse.what = Notice::What::kWorse;
  EXPECT_THAT(gate.pass({worse}), ElementsAre("1 worse"));
  EXPECT_THAT(gate.pass({over(firing("1"))}), ElementsAre("1 over"));
  EXPECT_THAT(gate.pass({over(firing("unknown"))}), ElementsAre("unknown over"));
}

TEST(NoticeGate, a_silenced_incident_is_told_when_the_silence_ends_while_it_goes_on) {
  Gate gate;
  gate.silence("slow", "db*", "", gate.now + kMinute);
  EXPECT_THAT(gate.pass({firing("1"), firing("2"), firing("3", "slow", "other")}), ElementsAre("3 fires"));
  EXPECT_EQ(gate.gate.held(), 2U);
  Notice worse = firing("1");
  worse.what = Notice::What::kWorse;
  worse.value = 9;
  EXPECT_THAT(gate.pass({over(firing("2")), worse}), IsEmpty());
  gate.now += kMinute;
  EXPECT_THAT(gate.pass({}), ElementsAre("1 fires"));
  EXPECT_EQ(gate.last.front().value, 9);
  EXPECT_THAT(gate.pass({over(firing("1"))}), ElementsAre("1 over"));
}

TEST(NoticeGate, an_incident_that_was_told_is_over_even_under_a_silence) {
  Gate gate;
  gate.pass({firing("1")});
  gate.silence("", "", "", gate.now + kMinute);
  EXPECT_THAT(gate.pass({over(firing("1"))}), ElementsAre("1 over"));
}

TEST(NoticeGate, a_silence_fits_by_rule_arm_target_and_type) {
  Notice notice = firing("1");
  const auto fits = [&](const std::string& rule, const std::string& target, const std::string& type) {
    return silences({"s", rule, target, type, 0, 10, ""}, notice, 5);
  };
  EXPECT_TRUE(fits("", "", ""));
  EXPECT_TRUE(fits("slow", "", ""));
  EXPECT_TRUE(fits("slow n*", "d?", ""));
  EXPECT_FALSE(fits("fast", "", ""));
  EXPECT_FALSE(fits("", "orders", ""));
  EXPECT_FALSE(fits("", "", "*"));
  notice.type = "read";
  EXPECT_TRUE(fits("", "", "r*"));
  EXPECT_FALSE(fits("", "", "w*"));
  EXPECT_TRUE(silences({"s", "spike", "", "", 0, 10, ""}, of_arm("1", "spike"), 5));
  EXPECT_FALSE(silences({"s", "", "", "", 0, 10, ""}, notice, 10));
  EXPECT_FALSE(silences({"s", "", "", "", 6, 10, ""}, notice, 5));
}

TEST(NoticeGate, a_target_that_is_down_is_not_also_quiet) {
  Gate gate;
  Notice absent = firing("3", "absent");
  absent.value.reset();
  absent.threshold.reset();
  EXPECT_THAT(gate.pass({low_throughput("1"), of_arm("2", "down"), absent, firing("4"), of_arm("5", "drop")}),
              ElementsAre("2 fires", "4 fires"));
  Notice elsewhere = low_throughput("6");
  elsewhere.target = "other";
  EXPECT_THAT(gate.pass({elsewhere}), ElementsAre("6 fires"));
  EXPECT_THAT(gate.pass({over(low_throughput("1")), over(of_arm("2", "down"))}), ElementsAre("2 over"));
  EXPECT_THAT(gate.pass({}), ElementsAre("3 fires", "5 fires"));
}

// The sixth begin within the hour is told as flapping; then there is silence until 15 minutes have passed without one.
TEST(NoticeGate, what_comes_and_goes_is_told_as_such_and_then_held_until_it_is_quiet) {
  Gate gate;
  int told = 0;
  for (int i = 1; i <= 12; ++i) {
    const std::string id = std::to_string(i);
    told += static_cast<int>(gate.pass({firing(id)}).size());
    if (i == 6) {
      EXPECT_THAT(gate.last.front().text, HasSubstr("it comes and goes, 6 times within an hour"));
    }
    gate.now += kMinute;
    told += static_cast<int>(gate.pass({over(firing(id))}).size());
    gate.now += kMinute;
  }
  EXPECT_EQ(told, 11);  // begin and end of the first five, and the begin of the sixth: it is not over for good
  EXPECT_THAT(gate.pass({firing("other", "fast")}), ElementsAre("other fires"));
  EXPECT_THAT(gate.pass({firing("13")}), IsEmpty());
  gate.now += 14 * kMinute;
  EXPECT_THAT(gate.pass({}), IsEmpty());
  gate.now += kMinute;
  EXPECT_THAT(gate.pass({}), UnorderedElementsAre("6 over", "13 fires"));  // it has not gone since
  EXPECT_THAT(gate.pass({over(firing("13"))}), ElementsAre("13 over"));
}

TEST(NoticeGate, one_that_flapped_and_was_quiet_is_told_at_once) {
  Gate gate;
  for (int i = 1; i <= 7; ++i) gate.pass({firing(std::to_string(i)), over(firing(std::to_string(i)))});
  gate.now += 15 * kMinute;
  EXPECT_THAT(gate.pass({firing("8")}), UnorderedElementsAre("6 over", "8 fires"));
}

TEST(NoticeGate, of_something_that_flapped_the_end_is_told_when_it_is_quiet) {
  Gate gate;
  for (int i = 1; i <= 6; ++i) gate.pass({firing(std::to_string(i)), over(firing(std::to_string(i)))});
  gate.now += 14 * kMinute;
  EXPECT_THAT(gate.pass({}), IsEmpty());
  NoticeGate after;
  ASSERT_TRUE(after.restore(gate.gate.serialise()));
  gate.gate = after;
  gate.now += kMinute;
  EXPECT_THAT(gate.pass({}), ElementsAre("6 over"));
  EXPECT_THAT(gate.pass({}), IsEmpty());
}

TEST(NoticeGate, what_is_silenced_after_it_was_told_is_not_said_again_but_for_its_end) {
  Gate gate;
  gate.pass({firing("1"), firing("2", "other")});
  EXPECT_THAT(gate.gate.silenced(gate.now), IsEmpty());
  gate.silence("slow", "", "", gate.now + kMinute);
  Notice worse = firing("1");
  worse.what = Notice::What::kWorse;
  EXPECT_THAT(gate.pass({worse}), IsEmpty());
  EXPECT_THAT(gate.gate.silenced(gate.now), ElementsAre("1"));
  EXPECT_THAT(gate.gate.silenced(gate.now + kMinute), IsEmpty());
  EXPECT_THAT(gate.pass({over(firing("1"))}), ElementsAre("1 over"));
}

TEST(NoticeGate, what_nobody_watches_any_more_is_over) {
  Gate gate;
  gate.pass({firing("1"), firing("2", "other"), firing("3", "third")});
  std::vector<Notice> found = {over(firing("2", "other"))};
  gate.gate.end_orphans({"3"}, gate.now + kMinute, found);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found.back().id, "1");
  EXPECT_EQ(found.back().at_ms, gate.now + kMinute);
  EXPECT_THAT(found.back().text, HasSubstr("nothing watches it any more"));
  EXPECT_THAT(gate.pass(found), UnorderedElementsAre("1 over", "2 over"));
  ASSERT_EQ(gate.gate.told().size(), 1U);
  EXPECT_EQ(gate.gate.told().front().id, "3");
}

TEST(NoticeGate, a_clock_that_was_set_back_does_not_prolong_the_quiet_time) {
  Gate gate;
  for (int i = 1; i <= 6; ++i) gate.pass({firing(std::to_string(i)), over(firing(std::to_string(i)))});
  gate.now -= 60 * kMinute;
  gate.pass({});
  gate.now += 15 * kMinute;
  EXPECT_THAT(gate.pass({}), ElementsAre("6 over"));
}

TEST(NoticeGate, six_begins_over_more_than_an_hour_do_not_flap) {
  Gate gate;
  for (int i = 1; i <= 20; ++i) {
    const std::string id = std::to_string(i);
    EXPECT_THAT(gate.pass({firing(id)}), ElementsAre(id + " fires"));
    EXPECT_THAT(gate.last.front().text, "slow");
    gate.pass({over(firing(id))});
    gate.now += 12 * kMinute;
  }
}

TEST(NoticeGate, a_restart_loses_nothing_and_tells_nothing_twice) {
  Gate gate;
  gate.silence("hidden", "", "", gate.now + kMinute);
  gate.pass({firing("1"), firing("2", "hidden")});
  for (int i = 10; i < 16; ++i) {
    gate.pass({firing(std::to_string(i), "flap"), over(firing(std::to_string(i), "flap"))});
  }
  NoticeGate after;
  ASSERT_TRUE(after.restore(gate.gate.serialise()));
  gate.gate = after;
  EXPECT_THAT(gate.pass({firing("1")}), ElementsAre("2 fires"));
  EXPECT_THAT(gate.pass({firing("16", "flap")}), IsEmpty());
  EXPECT_THAT(gate.pass({over(firing("1"))}), ElementsAre("1 over"));
  const std::string kept = gate.gate.serialise();
  for (std::size_t size = 0; size < kept.size(); ++size) EXPECT_FALSE(after.restore(kept.substr(0, size)));
}

class SilenceFiles : public testing::Test {
 protected:
  SilenceFiles() {
    std::string pattern = std::filesystem::temp_directory_path() / "outrider-silences-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    path_ = directory_ / "silences.json";
  }
  ~SilenceFiles() override { std::filesystem::remove_all(directory_); }

  Status add(const std::string& id) const {
    return change_silences(path_, [&](std::vector<Silence>& all) -> Status {
      all.push_back({id, "rule", "tar*", "", 1, 2, "why \"so\""});
      return Ok{};
    });
  }

  std::filesystem::path directory_;
  std::string path_;
};

TEST_F(SilenceFiles, what_is_written_is_read_again_and_private) {
  EXPECT_TRUE(read_silences(path_)->empty());
  ASSERT_TRUE(add("a"));
  ASSERT_TRUE(add("b"));
  EXPECT_THAT(*read_silences(path_), ElementsAre(Silence{"a", "rule", "tar*", "", 1, 2, "why \"so\""},
                                                 Silence{"b", "rule", "tar*", "", 1, 2, "why \"so\""}));
  struct stat info {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0600U);
  EXPECT_EQ(change_silences(path_, [](std::vector<Silence>&) -> Status { return Error{"no"}; }).error().message, "no");
}

TEST_F(SilenceFiles, a_damaged_file_is_said_once_and_the_old_silences_stay) {
  SilenceFile file(path_);
  EXPECT_TRUE(file.refresh());
  ASSERT_TRUE(add("a"));
  EXPECT_TRUE(file.refresh());
  EXPECT_EQ(file.silences().size(), 1U);
  std::ofstream(path_) << "{";
  EXPECT_THAT(file.refresh().error().message, HasSubstr("is damaged; remove it"));
  EXPECT_TRUE(file.refresh());
  EXPECT_EQ(file.silences().size(), 1U);
  EXPECT_FALSE(add("b"));
  std::filesystem::remove(path_);
  EXPECT_TRUE(file.refresh());
  EXPECT_TRUE(file.silences().empty());
}

}  // namespace
}  // namespace outrider
