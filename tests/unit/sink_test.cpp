// Exports in threads of their own: what is queued, dropped, said and flushed; and the exports that are files.
#include "userspace/agent/sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "tests/unit/log_capture.h"
#include "tests/unit/rounds.h"
#include "userspace/agent/sinks.h"
#include "userspace/base/fault_notice.h"
#include "userspace/model/snapshot_json.h"

namespace outrider {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

SinkThread::SharedReport shared(std::int64_t number) {
  return std::make_shared<const Report>(report_of(interval(number)));
}

// What a sink of the tests was given, and a gate that can hold it up. Shared, so that it outlives either side.
struct Record {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = true;
  int begun = 0;
  std::vector<std::int64_t> written;
  bool finished = false;
  bool kept_all = false;
  Status end = Ok{};

  void set_open(bool value) {
    const std::lock_guard lock(mutex);
    open = value;
    changed.notify_all();
  }
  template <typename Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 20s, condition);
  }
};

// Fails for the numbers below `failures`, and throws for the number -1.
class TestSink : public Sink {
 public:
  TestSink(std::shared_ptr<Record> record, std::int64_t failures) : record_(std::move(record)), failures_(failures) {}

  Status write(const Report& report) override {
    std::unique_lock lock(record_->mutex);
    ++record_->begun;
    record_->changed.notify_all();
    record_->changed.wait(lock, [&] { return record_->open; });
    const auto number = report.snapshots.at(0)->timestamp_ms;
    record_->written.push_back(number);
    record_->changed.notify_all();
    if (number == -1) throw std::runtime_error("thrown");
    if (number < failures_) return Error{"no room for it"};
    return Ok{};
  }
  Status finish() override {
    const std::lock_guard lock(record_->mutex);
    record_->finished = true;
    return record_->end;
  }
  [[nodiscard]] bool kept_all() const override { return record_->kept_all; }
  void become(Sink& fresh) override { failures_ = dynamic_cast<TestSink&>(fresh).failures_; }

 private:
  std::shared_ptr<Record> record_;
  std::int64_t failures_;
};

class SinkThreadTest : public testing::Test {
 protected:
  void TearDown() override {
    record_->set_open(true);
    thread_.reset();
  }

  void start(std::size_t limit = SinkThread::kQueueLimit, std::int64_t failures = 0) {
    auto started = SinkThread::start("test sink", std::make_unique<TestSink>(record_, failures), limit);
    ASSERT_TRUE(started) << started.error().message;
    thread_ = std::move(*started);
  }
  void stop() { thread_->stop(Sink::Clock::now() + 20s); }

  LogCapture log_;
  std::shared_ptr<Record> record_ = std::make_shared<Record>();
  std::unique_ptr<SinkThread> thread_;
};

TEST_F(SinkThreadTest, ASlowSinkHoldsNobodyUpAndLosesTheOldest) {
  record_->set_open(false);
  start(2);
  thread_->add(shared(0));
  ASSERT_TRUE(record_->wait([&] { return record_->begun == 1; }));
  for (const auto number : {1, 2, 3, 4, 5}) thread_->add(shared(number));  // returns although the sink does not
  auto counters = thread_->counters();
  EXPECT_EQ(counters.name, "test sink");
  EXPECT_EQ(counters.queued, 2U);
  EXPECT_EQ(counters.dropped, 3U);
  EXPECT_EQ(counters.written, 0U);
  record_->set_open(true);
  stop();
  EXPECT_THAT(record_->written, ElementsAre(0, 4, 5));
  counters = thread_->counters();
  EXPECT_EQ(counters.queued, 0U);
  EXPECT_EQ(counters.dropped, 3U);
  EXPECT_EQ(counters.written, 3U);
}

TEST_F(SinkThreadTest, AFaultIsSaidOnceAndSoIsItsEnd) {
  start(60, 3);
  for (const auto number : {0, 1, 2, 3, 4}) thread_->add(shared(number));
  stop();
  EXPECT_EQ(log_.text(),
            "error test sink: no room for it\n"
            "info test sink: works again; 3 writes have failed since the start\n");
  const auto counters = thread_->counters();
  EXPECT_EQ(counters.failed, 3U);
  EXPECT_EQ(counters.written, 2U);
  EXPECT_FALSE(counters.failing);
  EXPECT_EQ(counters.last_error, "no room for it");
}

TEST_F(SinkThreadTest, ARoundThatWaitsIsNoneThatFailed) {
  record_->kept_all = true;
  start(60, 3);
  for (const auto number : {0, 1}) thread_->add(shared(number));
  EXPECT_TRUE(record_->wait([&] { return record_->written.size() == 2; }));
  stop();
  EXPECT_EQ(thread_->counters().written, 2U);
  EXPECT_EQ(thread_->counters().failed, 0U);
  EXPECT_EQ(thread_->counters().last_error, "no room for it");
}

TEST_F(SinkThreadTest, WhatTheEndCostsIsSaidThoughTheFaultWasAlready) {
  record_->end = Error{"5 points are lost"};
  start(60, 3);
  thread_->add(shared(0));
  stop();
  EXPECT_EQ(log_.text(), "error test sink: no room for it\nerror test sink: 5 points are lost\n");
}

TEST_F(SinkThreadTest, NewSettingsAreForTheNextWrite) {
  start(60, 10);
  thread_->add(shared(1));
  ASSERT_TRUE(record_->wait([&] { return record_->written.size() == 1; }));
  thread_->become(std::make_unique<TestSink>(record_, 0));
  thread_->add(shared(2));
  stop();
  EXPECT_THAT(record_->written, ElementsAre(1, 2));
  EXPECT_EQ(thread_->counters().failed, 1U);
  EXPECT_EQ(thread_->counters().written, 1U);
}

TEST_F(SinkThreadTest, NothingIsWrittenBeforeTheOneBeforeHasEnded) {
  std::promise<void> other;
  auto started =
      SinkThread::start("test sink", std::make_unique<TestSink>(record_, 0), 60, {other.get_future().share()});
  ASSERT_TRUE(started) << started.error().message;
  thread_ = std::move(*started);
  thread_->add(shared(1));
  std::this_thread::sleep_for(100ms);
  {
    const std::lock_guard lock(record_->mutex);
    EXPECT_EQ(record_->begun, 0);
  }
  other.set_value();
  EXPECT_TRUE(record_->wait([&] { return record_->written.size() == 1; }));
}

TEST_F(SinkThreadTest, AnExceptionIsAFaultLikeAnyOther) {
  start();
  for (const auto number : {-1, 1}) thread_->add(shared(number));
  stop();
  EXPECT_EQ(thread_->counters().failed, 1U);
  EXPECT_EQ(thread_->counters().written, 1U);
  EXPECT_THAT(thread_->counters().last_error, HasSubstr("thrown"));
}

TEST_F(SinkThreadTest, StopFlushesAndThenNothingIsTaken) {
  record_->set_open(false);
  start();
  for (const auto number : {1, 2, 3, 4}) thread_->add(shared(number));
  EXPECT_FALSE(record_->finished);
  record_->set_open(true);
  stop();
  EXPECT_THAT(record_->written, ElementsAre(1, 2, 3, 4));
  EXPECT_TRUE(record_->finished);
  thread_->add(shared(5));
  thread_->add(nullptr);
  EXPECT_EQ(thread_->counters().dropped, 1U);
  EXPECT_EQ(record_->written.size(), 4U);
}

TEST_F(SinkThreadTest, ASinkThatHangsIsLeftBehind) {
  record_->set_open(false);
  start();
  thread_->add(shared(0));
  ASSERT_TRUE(record_->wait([&] { return record_->begun == 1; }));
  thread_->add(shared(1));
  thread_->stop(Sink::Clock::now() + 50ms);  // comes back although the sink never does
  EXPECT_EQ(thread_->counters().dropped, 1U);
  EXPECT_THAT(log_.text(), HasSubstr("left behind"));
  thread_.reset();
  record_->set_open(true);
  EXPECT_TRUE(record_->wait([&] { return record_->written.size() == 1; }));
}

TEST(FaultNotice, AtMostOnceAMinute) {
  using Say = FaultNotice::Say;
  FaultNotice notice;
  const Sink::Clock::time_point begin{};
  EXPECT_EQ(notice.observe(false, begin), Say::kNothing);
  EXPECT_EQ(notice.observe(true, begin), Say::kBegan);
  EXPECT_EQ(notice.observe(true, begin + 5min), Say::kNothing);
  EXPECT_EQ(notice.observe(false, begin + 6min), Say::kEnded);
  EXPECT_EQ(notice.observe(true, begin + 6min), Say::kBegan);
  EXPECT_EQ(notice.observe(false, begin + 6min + 1s), Say::kEnded);
  EXPECT_EQ(notice.observe(true, begin + 6min + 59s), Say::kNothing);
  EXPECT_EQ(notice.observe(false, begin + 6min + 59s), Say::kNothing);
  EXPECT_EQ(notice.observe(true, begin + 7min), Say::kBegan);
}

class FileSinkTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "outrider-sink-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  static std::string read(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::filesystem::path dir_;
};

TEST_F(FileSinkTest, TextfileFollowsItsDirectory) {
  const auto parent = dir_ / "metrics";
  TextfileSink sink({(parent / "o.prom").string(), {}});
  EXPECT_FALSE(sink.write(report_of(interval(1))));
  std::filesystem::create_directory(parent);
  EXPECT_TRUE(sink.write(report_of(interval(1))));
  EXPECT_EQ(read(parent / "o.prom"), prometheus_text(interval(1)));
  std::filesystem::remove_all(parent);
  EXPECT_FALSE(sink.write(report_of(interval(1))));
  std::filesystem::create_directory(parent);
  EXPECT_TRUE(sink.write(report_of(interval(1))));
  std::filesystem::rename(parent, dir_ / "old");
  std::filesystem::create_directory(parent);
  EXPECT_TRUE(sink.write(report_of(interval(1))));
  EXPECT_TRUE(std::filesystem::exists(parent / "o.prom"));
}

TEST_F(FileSinkTest, TextfileGoesWithItsPath) {
  const auto first = dir_ / "a.prom";
  const auto second = dir_ / "b.prom";
  TextfileSink sink({first.string(), {}});
  ASSERT_TRUE(sink.write(report_of(interval(1))));
  TextfileSink other_names({first.string(), {.prefix = "engine"}});
  sink.become(other_names);
  EXPECT_TRUE(std::filesystem::exists(first));
  TextfileSink moved({second.string(), {}});
  sink.become(moved);
  EXPECT_FALSE(std::filesystem::exists(first));
  ASSERT_TRUE(sink.write(report_of(interval(2))));
  EXPECT_TRUE(sink.finish());
  EXPECT_EQ(read(second), prometheus_text(interval(2)));
  EXPECT_TRUE(sink.withdraw());
  EXPECT_FALSE(std::filesystem::exists(second));
}

TEST_F(FileSinkTest, TextfileThatCannotGoIsSaidOnce) {
  const auto first = dir_ / "a.prom";
  const auto second = dir_ / "b.prom";
  TextfileSink sink({first.string(), {}});
  ASSERT_TRUE(sink.write(report_of(interval(1))));
  std::filesystem::remove(first);
  std::filesystem::create_directory(first);  // which even root cannot unlink
  TextfileSink moved({second.string(), {}});
  sink.become(moved);
  const auto left = sink.write(report_of(interval(2)));
  ASSERT_FALSE(left);
  EXPECT_THAT(left.error().message, HasSubstr(first.string() + " is no longer written and could not be removed"));
  EXPECT_EQ(read(second), prometheus_text(interval(2)));
  EXPECT_TRUE(sink.write(report_of(interval(3))));
}

TEST_F(FileSinkTest, JsonLinesAndARotatedFile) {
  const auto path = dir_ / "out.json";
  JsonSink sink({path.string()});
  std::vector<Snapshot> two = interval(1);
  two.push_back(interval(2).front());
  ASSERT_TRUE(sink.write(report_of(two)));
  ASSERT_TRUE(sink.write(report_of(interval(3))));
  EXPECT_EQ(read(path),
            to_json_line(two[0]) + "\n" + to_json_line(two[1]) + "\n" + to_json_line(interval(3)[0]) + "\n");
  std::filesystem::rename(path, dir_ / "out.json.1");
  ASSERT_TRUE(sink.write(report_of(interval(4))));
  EXPECT_EQ(read(path), to_json_line(interval(4)[0]) + "\n");
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0137, 0U);
}

TEST_F(FileSinkTest, InfluxFileAppends) {
  InfluxFileSink sink({(dir_ / "points").string(), {}});
  ASSERT_TRUE(sink.write(report_of(interval(1))));
  ASSERT_TRUE(sink.write(report_of(interval(2))));
  EXPECT_EQ(read(dir_ / "points"), influx_lines(interval(1)) + influx_lines(interval(2)));
}

TEST_F(FileSinkTest, WhatCannotBeOpenedIsAnErrorAndNoWait) {
  const auto pipe = dir_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  for (const auto& path : {pipe, dir_, dir_ / "missing" / "file"}) {
    const auto status = LineFile(path.string()).append("line\n");
    ASSERT_FALSE(status) << path;
    EXPECT_THAT(status.error().message, HasSubstr(path.string()));
  }
  const auto full = LineFile("/dev/full").append("line\n");
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, ENOSPC);
}

TEST_F(FileSinkTest, AFullDiskLeavesNoHalfLine) {
  const auto path = dir_ / "lines";
  LineFile file(path.string());
  ASSERT_TRUE(file.append(std::string(59, 'a') + "\n"));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit full{100, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  const auto status = file.append(std::string(59, 'b') + "\n");  // 40 bytes of it have room
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_FALSE(status);
  EXPECT_EQ(read(path), std::string(59, 'a') + "\n");
  ASSERT_TRUE(file.append("c\n"));
  EXPECT_EQ(read(path), std::string(59, 'a') + "\nc\n");
}

}  // namespace
}  // namespace outrider
