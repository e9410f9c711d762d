// The Prometheus textfile: its content as real Prometheus tools read it, and its replacement under a reader's eyes.
#include "userspace/export/textfile.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <thread>

#include "userspace/export/prometheus_text.h"
#include "userspace/model/snapshot_builder.h"

namespace outrider {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class Textfile : public testing::Test {
 protected:
  Textfile() {
    std::string name = (fs::temp_directory_path() / "outrider-textfile-XXXXXX").string();
    dir_ = ::mkdtemp(name.data());
  }
  ~Textfile() override { fs::remove_all(dir_); }

  [[nodiscard]] std::string path(const std::string& name) const { return dir_ + "/" + name; }
  static std::string read(const std::string& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
  }
  static void put(const std::string& file, const std::string& text) { std::ofstream(file) << text; }
  [[nodiscard]] std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(dir_), fs::directory_iterator()));
  }
  // Exit code of a shell command; its output goes to `out`.
  int run(const std::string& command, std::string* out) const {
    const int status = std::system((command + " > " + path("out") + " 2>&1").c_str());
    *out = read(path("out"));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  void expect_valid(const std::string& text, int max_le) const;

  std::string dir_;
};

// Four queries of 1, 2, 4 and 5,000 ms, the last one failed, after one of 10 ns; 3 ms of the time on locks.
Snapshot make_snapshot(const std::string& target) {
  TargetCounters now;
  TypeCounters type;
  type.type = "path \"quoted\\\" \n caf\xc3";
  for (const std::uint64_t ns : {10ULL, 1'000'000ULL, 2'000'000ULL, 4'000'000ULL, 5'000'000'000ULL}) {
    ++type.queries;
    ++type.timed;
    type.duration_ns += ns;
    ++type.histogram[outrider_hist_index(ns)];
  }
  type.failed = 1;
  type.wait_ns[OUTRIDER_WAIT_LOCK] = 3'000'000;
  type.interval_max_ns = 5'000'000'000;
  now.types = {type};
  type.type = "fact";
  now.types.push_back(type);
  now.phases["plan"] = {7, 2'000'000'000};
  now.cache_hits = 3;
  now.losses[OUTRIDER_LOSS_TOO_DEEP] = 2;
  SnapshotInput input;
  input.target = target;
  input.timestamp_ms = 1'700'000'000'000;
  input.current = &now;
  input.interval_seconds = 1;
  input.queries_per_second_5m = 4;
  input.host.metrics.cpu_usage = 45;
  input.host.metrics.memory_usage = 0.95;
  input.target_resources.metrics.rss_mb = 2;
  return build_snapshot(input);
}

void Textfile::expect_valid(const std::string& text, int max_le) const {
  put(path("m.prom"), text);
  std::string out;
  if (run("promtool --version", &out) == 0) {
    EXPECT_EQ(run("promtool check metrics < " + path("m.prom"), &out), 0) << out;
    EXPECT_EQ(out, "");
  } else {
    ADD_FAILURE() << "promtool is missing; install the package prometheus";
  }
  const std::string script = std::string(OUTRIDER_SOURCE_DIR) + "/tests/unit/data/check_metrics.py";
  EXPECT_EQ(run("/usr/bin/python3 " + script + " " + path("m.prom") + " " + std::to_string(max_le), &out), 0) << out;
}

// The mission's own test 5.
TEST(Mission, prometheus_export) {
  const std::string text = prometheus_text({make_snapshot("engine")});
  for (const char* name : {"llmkg_queries_total{", "llmkg_query_response_time_seconds{", "llmkg_health_score{",
                           "llmkg_query_success_rate{", "llmkg_queries_per_second{", "llmkg_cpu_usage_percent ",
                           "llmkg_memory_usage_percent "}) {
    EXPECT_THAT(text, HasSubstr("\n" + std::string(name)));
  }
}

TEST_F(Textfile, ValuesWorkedOutByHand) {
  const std::string text = prometheus_text({make_snapshot("engine")});
  for (const char* line : {
           "llmkg_queries_total{target=\"engine\"} 10\n",
           "llmkg_queries_failed_total{target=\"engine\"} 2\n",
           "llmkg_query_success_rate{target=\"engine\"} 0.8\n",
           "llmkg_cpu_usage_percent 45\n",
           "llmkg_memory_usage_percent 95\n",
           "llmkg_health_score{target=\"engine\"} 25\n",  // slow -20, errors -30, memory -25
           "llmkg_target_resident_memory_bytes{target=\"engine\"} 2097152\n",
           "llmkg_query_wait_seconds_total{target=\"engine\",type=\"fact\",class=\"lock\"} 0.003\n",
           "llmkg_query_phase_seconds_total{target=\"engine\",phase=\"plan\"} 2\n",
           "llmkg_losses_total{target=\"engine\",reason=\"too_deep\"} 2\n",
           "llmkg_query_duration_seconds_count{target=\"engine\",type=\"fact\"} 5\n",
           // 2^20 - 1 ns: 10 ns and 1 ms; 2^30 - 1 ns: all but 5 s
           "llmkg_query_duration_seconds_bucket{target=\"engine\",type=\"fact\",le=\"0.001048575\"} 2\n",
           "llmkg_query_duration_seconds_bucket{target=\"engine\",type=\"fact\",le=\"1.073741823\"} 4\n",
           "llmkg_query_duration_seconds_bucket{target=\"engine\",type=\"fact\",le=\"+Inf\"} 5\n",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, HasSubstr("type=\"path \\\"quoted\\\\\\\" \\n caf\xEF\xBF\xBD\""));
}

TEST_F(Textfile, RealToolsAcceptIt) {
  Snapshot idle = build_snapshot([] {
    static const TargetCounters none;
    SnapshotInput input;
    input.target = "idle";
    input.current = &none;
    return input;
  }());
  expect_valid(prometheus_text({make_snapshot("a"), make_snapshot("b"), make_snapshot("a"), idle}), 40);
  expect_valid(prometheus_text({make_snapshot("a")}, {.prefix = "engine", .fine_buckets = true}), 11);
  expect_valid(prometheus_text({idle}), 40);
}

TEST_F(Textfile, MissingFiguresAreLeftOut) {
  Snapshot snapshot = make_snapshot("engine");
  snapshot.query_metrics.avg_response_time_seconds.reset();
  snapshot.query_metrics.success_rate = std::numeric_limits<double>::quiet_NaN();
  snapshot.system_metrics.cpu_usage = std::numeric_limits<double>::infinity();
  const std::string text = prometheus_text({snapshot});
  EXPECT_THAT(text, Not(HasSubstr("llmkg_query_response_time_seconds")));
  EXPECT_THAT(text, Not(HasSubstr("llmkg_query_success_rate")));
  EXPECT_THAT(text, Not(HasSubstr("llmkg_cpu_usage_percent")));
  EXPECT_THAT(text, Not(HasSubstr("an}")));
  EXPECT_EQ(prometheus_text(std::vector<Snapshot>{}), "");
}

TEST_F(Textfile, LargeCountersKeepEveryDigit) {
  Snapshot snapshot = make_snapshot("engine");
  snapshot.query_metrics.total_queries = 9'007'199'254'740'991;  // 2^53 - 1
  EXPECT_THAT(prometheus_text({snapshot}), HasSubstr("llmkg_queries_total{target=\"engine\"} 9007199254740991\n"));
}

TEST_F(Textfile, IsReplacedWithMode0644AndNothingElseStays) {
  auto writer = TextfileWriter::make(path("m.prom"));
  ASSERT_TRUE(writer) << writer.error().message;
  const mode_t old_mask = ::umask(0077);
  ASSERT_TRUE(writer->write("one\n"));
  ASSERT_TRUE(writer->write("two\n"));
  ::umask(old_mask);
  EXPECT_EQ(read(path("m.prom")), "two\n");
  struct stat status {};
  ASSERT_EQ(::stat(path("m.prom").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0644U);
  EXPECT_EQ(entries(), 1U);
}

TEST_F(Textfile, LeftoversOfADeadAgentAreRemovedAndNothingElse) {
  const pid_t dead = ::fork();
  if (dead == 0) ::_exit(0);
  ::waitpid(dead, nullptr, 0);
  put(path(".m.prom." + std::to_string(dead) + ".0000abcd.tmp"), "half");
  put(path(".m.prom.1.0000abcd.tmp"), "a living process's");
  put(path(".other.prom." + std::to_string(dead) + ".0000abcd.tmp"), "of another file");
  put(path(".m.prom.notes.tmp"), "somebody's own");
  ASSERT_TRUE(TextfileWriter::make(path("m.prom")));
  EXPECT_EQ(entries(), 3U);
  EXPECT_FALSE(fs::exists(path(".m.prom." + std::to_string(dead) + ".0000abcd.tmp")));
}

TEST_F(Textfile, UnusablePlacesAreRefusedWithTheReason) {
  const auto message = [](const std::string& file) {
    const auto writer = TextfileWriter::make(file);
    return writer ? std::string("accepted") : writer.error().message;
  };
  EXPECT_THAT(message(path("none/m.prom")), HasSubstr("No such file or directory"));
  EXPECT_THAT(message(dir_), HasSubstr("is a directory"));
  EXPECT_THAT(message(dir_ + "/"), HasSubstr("names no file"));
  EXPECT_THAT(message(""), HasSubstr("names no file"));
  fs::create_directory(path("open"));
  ::chmod(path("open").c_str(), 0777);
  EXPECT_THAT(message(path("open/m.prom")), HasSubstr("chmod o-w"));
  ::chmod(path("open").c_str(), 01777);
  EXPECT_EQ(message(path("open/m.prom")), "accepted");
  fs::create_directory_symlink(path("open"), path("link"));
  EXPECT_THAT(message(path("link/m.prom")), HasSubstr("symbolic link"));
}

TEST_F(Textfile, ALinkInItsPlaceIsReplacedNotFollowed) {
  put(path("victim"), "untouched");
  fs::create_symlink(path("victim"), path("m.prom"));
  auto writer = TextfileWriter::make(path("m.prom"));
  ASSERT_TRUE(writer);
  ASSERT_TRUE(writer->write("text\n"));
  EXPECT_EQ(read(path("victim")), "untouched");
  EXPECT_EQ(read(path("m.prom")), "text\n");
}

TEST_F(Textfile, OnFailureTheOldFileStays) {
  auto writer = TextfileWriter::make(path("m.prom"));
  ASSERT_TRUE(writer);
  ASSERT_TRUE(writer->write("old\n"));
  // A limit on file sizes fails the write half-way, as a full disk does.
  struct rlimit before {};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto old_handler = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1000, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  const Status status = writer->write(std::string(5000, 'x'));
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, old_handler);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, EFBIG);
  EXPECT_THAT(status.error().message, HasSubstr(path("m.prom")));
  EXPECT_EQ(read(path("m.prom")), "old\n");
  EXPECT_EQ(entries(), 1U);
}

TEST_F(Textfile, IsRemovedFromTheDirectoryThatWasOpened) {
  fs::create_directory(path("metrics"));
  auto writer = TextfileWriter::make(path("metrics/m.prom"));
  ASSERT_TRUE(writer);
  ASSERT_TRUE(writer->write("text\n"));
  put(path("metrics/other.prom"), "another's");
  fs::rename(path("metrics"), path("moved"));
  fs::create_directory(path("metrics"));
  put(path("metrics/m.prom"), "not ours");
  EXPECT_TRUE(writer->remove());
  EXPECT_FALSE(fs::exists(path("moved/m.prom")));
  EXPECT_EQ(read(path("moved/other.prom")), "another's");
  EXPECT_EQ(read(path("metrics/m.prom")), "not ours");
  EXPECT_TRUE(writer->remove()) << "it is gone already";
}

TEST_F(Textfile, AReaderNeverSeesHalfAFile) {
  auto writer = TextfileWriter::make(path("m.prom"));
  ASSERT_TRUE(writer);
  const std::string one(300'000, 'a'), two(200'000, 'b');
  ASSERT_TRUE(writer->write(one));
  std::atomic<bool> done = false;
  std::atomic<int> reads = 0, bad = 0;
  std::thread reader([&] {
    while (!done) {
      const std::string text = read(path("m.prom"));
      if (text != one && text != two) ++bad;
      ++reads;
    }
  });
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(writer->write(i % 2 == 0 ? two : one));
  done = true;
  reader.join();
  EXPECT_EQ(bad, 0);
  EXPECT_GT(reads, 10);
}

}  // namespace
}  // namespace outrider
