// What goes wrong with a disk costs history and is counted; nothing is deleted, and nothing reaches the caller.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "tests/unit/store_points.h"

namespace outrider {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string contents(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

void write_file(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

void run_sql(const std::string& path, const char* sql) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(database);
  EXPECT_EQ(sqlite3_close(database), SQLITE_OK);
}

/// A small file system of its own, for as long as this lives.
class SmallDisk {
 public:
  SmallDisk(std::string path, const char* options) : path_(std::move(path)) {
    fs::create_directory(path_);
    mounted_ = ::mount("tmpfs", path_.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options) == 0;
    if (!mounted_) reason_ = std::string("no tmpfs can be mounted here: ") + std::strerror(errno);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
  std::string path_, reason_;
  bool mounted_ = false;
};

class StoreFaults : public StoreTest {
 protected:
  /// The files that were moved aside, logs left out.
  std::vector<fs::path> moved_aside() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(dir_)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("history.db.corrupt-") && name.find("-wal") == std::string::npos &&
          name.find("-shm") == std::string::npos) {
        files.push_back(entry.path());
      }
    }
    return files;
  }

  std::size_t points_stored() {
    const auto history = read(kStartMs, kStartMs + kHourMs, 1'000);
    EXPECT_TRUE(history) << history.error().message;
    return history ? history->points.size() : 0;
  }
};

TEST_F(StoreFaults, a_file_that_is_no_database_is_moved_aside_and_a_new_one_begun) {
  const std::string rubbish(8192, 'x');
  write_file(options_.path, rubbish);
  open();
  write(0, 3);
  EXPECT_EQ(store_->counters().corrupt_files, 1U);
  EXPECT_EQ(points_stored(), 3U);
  ASSERT_EQ(moved_aside().size(), 1U);
  EXPECT_EQ(contents(moved_aside()[0]), rubbish);
}

TEST_F(StoreFaults, a_second_corrupt_file_of_the_same_moment_does_not_replace_the_first) {
  for (const char c : {'x', 'y'}) {
    store_.reset();
    write_file(options_.path, std::string(8192, c));
    fs::remove(options_.path + "-wal");
    open();
  }
  EXPECT_EQ(moved_aside().size(), 2U);
}

TEST_F(StoreFaults, a_page_that_rots_while_the_store_runs_costs_the_file_but_no_point_that_comes) {
  open();
  write(0, 130);
  store_.reset();
  // All but the first page, which holds the header and the schema.
  std::string bytes = contents(options_.path);
  ASSERT_GT(bytes.size(), 3U * 4096);
  std::fill(bytes.begin() + 4096, bytes.end(), '\xff');
  write_file(options_.path, bytes);
  open();
  write(130, 140);
  const StoreCounters status = store_->counters();
  EXPECT_EQ(status.corrupt_files, 1U);
  EXPECT_EQ(status.error, "");
  EXPECT_EQ(status.written_points, 10U);
  ASSERT_EQ(moved_aside().size(), 1U);
  const auto history = read(kStartMs + 130'000, kStartMs + 140'000, 0);
  ASSERT_TRUE(history) << history.error().message;
  ASSERT_EQ(history->points.size(), 1U);
  EXPECT_EQ(history->points[0].types.at("read").queries, 10U);  // written once, not once an attempt
}

TEST_F(StoreFaults, a_file_of_a_newer_version_is_refused_and_left_alone) {
  open();
  write(0, 1);
  store_.reset();
  run_sql(options_.path, "PRAGMA user_version = 1000");
  const auto refused = Store::make(options_);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("newer Outrider (version 1000, this one knows "));
  EXPECT_FALSE(Store::open_read_only(options_));
  EXPECT_TRUE(moved_aside().empty());
}

TEST_F(StoreFaults, another_programs_database_is_refused_and_left_alone) {
  run_sql(options_.path, "CREATE TABLE accounts(id INTEGER); PRAGMA user_version = 1");
  ASSERT_EQ(::chmod(options_.path.c_str(), 0644), 0);
  const std::string before = contents(options_.path);
  const auto refused = Store::make(options_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, EINVAL);
  EXPECT_THAT(refused.error().message, HasSubstr("another program"));
  EXPECT_FALSE(fs::exists(options_.path + ".lock"));
  EXPECT_FALSE(Store::open_read_only(options_));
  EXPECT_EQ(contents(options_.path), before);
  struct stat status {};
  ASSERT_EQ(::stat(options_.path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0644U);
}

TEST_F(StoreFaults, other_steps_than_the_files_are_refused_and_a_reader_takes_the_files) {
  options_.tiers = {{1'000, kHourMs}, {5'000, 24 * kHourMs}, {20'000, 30 * 24 * kHourMs}};
  open();
  write(0, 120);
  store_.reset();
  const std::vector<Tier> used = options_.tiers;
  options_.tiers = StoreOptions().tiers;
  const auto refused = Store::make(options_);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("1000,5000,20000 ms and the options ask for 1000,10000,60000 ms"));
  auto reader = Store::open_read_only(options_);
  ASSERT_TRUE(reader) << reader.error().message;
  const auto history = reader->history({"engine", kStartMs, kStartMs + 40'000, 0, std::nullopt, false});
  ASSERT_TRUE(history) << history.error().message;
  EXPECT_EQ(history->resolution_ms, 20'000);
  ASSERT_EQ(history->points.size(), 1U);
  EXPECT_EQ(history->points[0].total.queries, 44U);
  // How long is another matter: that may change.
  options_.tiers = used;
  options_.tiers.back().keep_ms *= 2;
  open();
}

TEST_F(StoreFaults, a_full_queue_drops_what_comes_and_counts_it) {
  options_.max_queued_points = 4;
  options_.write_interval_ms = 600'000;  // only flush() writes
  open();
  for (std::int64_t index = 0; index < 10; ++index) store_->add("engine", make_second(index));
  EXPECT_EQ(store_->counters().dropped_points, 6U);
  EXPECT_EQ(store_->counters().queued_points, 4U);
  flush_at(10);
  EXPECT_EQ(store_->counters().written_points, 4U);
  EXPECT_EQ(points_stored(), 4U);
  store_->add("engine", make_second(10));
  flush_at(11);
  EXPECT_EQ(points_stored(), 5U);
}

TEST_F(StoreFaults, a_directory_that_is_missing_costs_nothing_once_it_is_there) {
  options_.path = dir_ + "/later/history.db";
  options_.write_interval_ms = 600'000;
  open();
  store_->add("engine", make_second(0));
  EXPECT_FALSE(store_->flush());
  EXPECT_GE(store_->counters().failed_writes, 2U);  // when it was opened, and now
  EXPECT_THAT(store_->counters().error, HasSubstr("No such file or directory"));
  EXPECT_EQ(store_->counters().queued_points, 1U);
  fs::create_directory(dir_ + "/later");
  flush_at(3);
  EXPECT_EQ(store_->counters().error, "");
  EXPECT_EQ(points_stored(), 1U);
}

// SQLite gives no error: it would go on writing to what nobody can open any more.
TEST_F(StoreFaults, a_directory_that_is_removed_is_said_and_history_begins_anew_once_it_is_there) {
  options_.path = dir_ + "/later/history.db";
  options_.write_interval_ms = 600'000;
  fs::create_directory(dir_ + "/later");
  open();
  write(0, 3);
  EXPECT_EQ(points_stored(), 3U);  // by a connection that stays open
  fs::remove_all(dir_ + "/later");
  EXPECT_THAT(read(kStartMs, kStartMs + kHourMs, 1'000).error().message, HasSubstr("was removed, moved or replaced"));
  store_->add("engine", make_second(3));
  const Status gone = store_->flush();
  ASSERT_FALSE(gone);
  EXPECT_THAT(gone.error().message, HasSubstr("later/history.db was removed, moved or replaced while it was open: the "
                                              "history so far is lost with it"));
  const StoreCounters status = store_->counters();
  EXPECT_EQ(status.error, gone.error().message);
  EXPECT_EQ(status.failed_writes, 1U);
  EXPECT_EQ(status.written_points, 3U);
  EXPECT_EQ(status.queued_points, 1U);
  store_->add("engine", make_second(4));
  EXPECT_THAT(store_->flush().error().message, HasSubstr("No such file or directory"));
  EXPECT_FALSE(read(kStartMs, kStartMs + kHourMs, 1'000));
  fs::create_directory(dir_ + "/later");
  flush_at(7);
  EXPECT_EQ(store_->counters().error, "");
  EXPECT_EQ(store_->counters().written_points, 5U);
  EXPECT_THAT(store_->take_warning(), HasSubstr("was opened anew: what was written before is lost"));
  EXPECT_EQ(store_->take_warning(), "");
  EXPECT_EQ(points_stored(), 2U);
  const auto second = Store::make(options_);
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_THAT((*second)->counters().error, HasSubstr("another Outrider writes to it"));  // the lock is there again
  open();
  EXPECT_EQ(points_stored(), 2U);
}

TEST_F(StoreFaults, a_file_that_another_one_replaces_is_let_go_with_its_log) {
  const std::string backup = dir_ + "/backup.db";
  options_.write_interval_ms = 600'000;
  open();
  write(0, 130);
  store_.reset();
  fs::copy_file(options_.path, backup);
  open();
  store_->put_state("key", "of the old file");
  write(130, 200);
  EXPECT_EQ(points_stored(), 200U);
  // What the log holds belongs to the old file. Taken for the new one's, it would spoil it.
  ASSERT_GT(fs::file_size(options_.path + "-wal"), 0U);
  fs::rename(backup, options_.path);
  EXPECT_FALSE(read(kStartMs, kStartMs + kHourMs, 1'000));
  EXPECT_THAT(store_->get_state("key").error().message, HasSubstr("was removed, moved or replaced"));
  store_->add("engine", make_second(200));
  EXPECT_THAT(store_->flush().error().message, HasSubstr("was removed, moved or replaced while it was open"));
  EXPECT_FALSE(fs::exists(options_.path + "-wal"));
  flush_at(203);
  EXPECT_EQ(points_stored(), 131U);
  EXPECT_EQ(store_->counters().corrupt_files, 0U);
  open();
  EXPECT_EQ(points_stored(), 131U);
}

TEST_F(StoreFaults, a_file_that_is_moved_away_is_whole_and_another_one_begun) {
  options_.write_interval_ms = 600'000;
  open();
  write(0, 3);
  const std::string moved = dir_ + "/moved.db";
  fs::rename(options_.path, moved);
  store_->add("engine", make_second(3));
  EXPECT_FALSE(store_->flush());
  flush_at(6);
  EXPECT_EQ(points_stored(), 1U);
  options_.path = moved;
  open();
  EXPECT_EQ(points_stored(), 3U);
}

TEST_F(StoreFaults, a_lock_or_a_log_that_is_removed_is_made_anew_and_costs_no_point) {
  options_.write_interval_ms = 600'000;
  open();
  write(0, 3);
  std::int64_t index = 3;
  for (const std::string suffix : {".lock", "-wal", "-shm"}) {
    EXPECT_EQ(points_stored(), static_cast<std::size_t>(index));
    fs::remove(options_.path + suffix);
    store_->add("engine", make_second(index++));
    EXPECT_TRUE(store_->flush());
    EXPECT_TRUE(fs::exists(options_.path + suffix));
  }
  EXPECT_EQ(points_stored(), 6U);
  EXPECT_EQ(store_->take_warning(), "");  // nothing is lost
}

TEST_F(StoreFaults, a_read_only_file_system_is_counted_and_what_is_on_it_can_be_read) {
  const SmallDisk disk(dir_ + "/disk", "size=8m,mode=0700");
  if (!disk.mounted()) GTEST_SKIP() << disk.reason();
  options_.path = dir_ + "/disk/history.db";
  open();
  write(0, 20);
  store_.reset();
  ASSERT_EQ(::mount(nullptr, (dir_ + "/disk").c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
  open();
  store_->add("engine", make_second(20));
  EXPECT_FALSE(store_->flush());
  EXPECT_GE(store_->counters().failed_writes, 1U);
  EXPECT_NE(store_->counters().error, "");
  EXPECT_EQ(points_stored(), 20U);
  ASSERT_EQ(::mount(nullptr, (dir_ + "/disk").c_str(), nullptr, MS_REMOUNT, nullptr), 0);
  flush_at(23);
  EXPECT_EQ(points_stored(), 21U);
}

TEST_F(StoreFaults, a_full_disk_drops_points_and_goes_on_when_there_is_room) {
  const SmallDisk disk(dir_ + "/disk", "size=2m,mode=0700");
  if (!disk.mounted()) GTEST_SKIP() << disk.reason();
  options_.path = dir_ + "/disk/history.db";
  options_.max_queued_points = 100;
  options_.write_interval_ms = 600'000;
  open();
  write(0, 20);
  write_file(dir_ + "/disk/ballast", std::string(2 << 20, 'x'));
  // More than can lie in the pages that the log has already.
  for (std::int64_t index = 20; index < 220; ++index) {
    Point point = make_second(index);
    for (int type = 0; type < 100; ++type) add_query(point.types["type " + std::to_string(type)], kFastNs);
    store_->add("engine", std::move(point));
  }
  EXPECT_FALSE(store_->flush());
  EXPECT_FALSE(store_->flush());
  EXPECT_THAT(store_->counters().error, HasSubstr("full"));
  EXPECT_EQ(store_->counters().failed_writes, 2U);
  EXPECT_EQ(store_->counters().dropped_points, 100U);
  EXPECT_EQ(store_->counters().queued_points, 100U);
  EXPECT_EQ(points_stored(), 20U);
  fs::remove(dir_ + "/disk/ballast");
  flush_at(222);
  EXPECT_EQ(store_->counters().error, "");
  EXPECT_EQ(store_->counters().corrupt_files, 0U);
  EXPECT_EQ(points_stored(), 120U);
}

TEST_F(StoreFaults, a_second_store_on_one_path_writes_nothing_before_the_first_is_gone) {
  open();
  store_->put_state("key", "of the first");
  write(0, 3);
  auto made = Store::make(options_);
  ASSERT_TRUE(made) << made.error().message;
  std::unique_ptr<Store> second = *std::move(made);
  second->add("engine", make_second(3));
  second->put_state("other key", "of the second");
  const Status refused = second->flush();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("another Outrider writes to it; give this one a path of its own"));
  EXPECT_GE(second->counters().failed_writes, 2U);  // when it was opened, and now
  EXPECT_EQ(second->counters().written_points, 0U);
  EXPECT_FALSE(second->get_state("key"));
  flush_at(6);
  EXPECT_EQ(points_stored(), 3U);
  EXPECT_TRUE(Store::open_read_only(options_));
  struct stat status {};
  ASSERT_EQ(::stat((options_.path + ".lock").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  store_ = std::move(second);
  flush_at(7);
  EXPECT_EQ(store_->counters().error, "");
  EXPECT_EQ(store_->counters().written_points, 1U);
  EXPECT_EQ(points_stored(), 4U);
}

TEST_F(StoreFaults, a_lock_that_is_a_link_is_not_followed) {
  fs::create_symlink(dir_ + "/elsewhere", options_.path + ".lock");
  open();
  EXPECT_THAT(store_->counters().error, HasSubstr("history.db.lock"));
  EXPECT_FALSE(fs::exists(dir_ + "/elsewhere"));
}

// As `sqlite3 history.db` does in another terminal, with a transaction left open.
TEST_F(StoreFaults, a_reader_that_holds_the_log_stops_the_writing_and_not_only_the_shrinking) {
  options_.max_bytes = 32 << 20;
  options_.max_queued_points = 50;
  options_.write_interval_ms = 600'000;
  open();
  write(0, 10);
  sqlite3* reader = nullptr;
  ASSERT_EQ(sqlite3_open(options_.path.c_str(), &reader), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM recent", nullptr, nullptr, nullptr), SQLITE_OK);
  std::int64_t index = 10;
  Status done = Ok{};
  for (; index < 2'000 && done; ++index) {
    store_->add("engine", make_large_second(index, 100));
    if (index % 10 != 9) continue;
    now_ms_ = kStartMs + index * 1'000;
    done = store_->flush();
  }
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("another process reads it and holds its log"));
  // The cap leaves 8 MiB to the log.
  EXPECT_LE(fs::file_size(options_.path + "-wal"), 8U << 20);
  // What does not fit into the queue is dropped, and counted.
  for (int more = 0; more < 50; ++more) store_->add("engine", make_large_second(index++, 100));
  EXPECT_EQ(store_->counters().queued_points, 50U);
  EXPECT_EQ(store_->counters().dropped_points, 10U);
  EXPECT_FALSE(store_->flush());
  EXPECT_LE(fs::file_size(options_.path + "-wal"), 8U << 20);
  ASSERT_EQ(sqlite3_close(reader), SQLITE_OK);
  flush_at(index);
  EXPECT_EQ(store_->counters().error, "");
  EXPECT_EQ(points_stored(), static_cast<std::size_t>(index) - 10);
}

TEST_F(StoreFaults, a_disk_that_is_full_from_the_start_says_so) {
  const SmallDisk disk(dir_ + "/disk", "size=1m,mode=0700");
  if (!disk.mounted()) GTEST_SKIP() << disk.reason();
  options_.path = dir_ + "/disk/history.db";
  open();
  write(0, 3);
  store_.reset();
  // What cannot be made is the index of the log.
  write_file(dir_ + "/disk/ballast", std::string(1 << 20, 'x'));
  open();
  EXPECT_THAT(store_->counters().error, HasSubstr("No space left on device"));
}

TEST_F(StoreFaults, a_store_that_others_could_read_is_closed_to_them_with_its_log) {
  struct stat status {};
  const auto mode = [&](const std::string& suffix) {
    EXPECT_EQ(::stat((options_.path + suffix).c_str(), &status), 0) << suffix;
    return status.st_mode & 0777;
  };
  open();
  write(0, 3);
  store_.reset();
  ASSERT_EQ(::chmod(options_.path.c_str(), 0644), 0);
  open();  // makes a log
  for (const char* suffix : {"", "-wal", "-shm"}) EXPECT_EQ(mode(suffix), 0600U) << suffix;
  // As a kill -9 leaves them, and a copy with the rights of another user's umask.
  const std::string copy = dir_ + "/copy.db";
  write(3, 6);
  for (const char* suffix : {"", "-wal", "-shm"}) {
    fs::copy_file(options_.path + suffix, copy + suffix);
    ASSERT_EQ(::chmod((copy + suffix).c_str(), 0644), 0);
  }
  options_.path = copy;
  open();
  for (const char* suffix : {"", "-wal", "-shm"}) EXPECT_EQ(mode(suffix), 0600U) << suffix;
  EXPECT_EQ(points_stored(), 6U);
}

TEST_F(StoreFaults, options_that_contradict_each_other_are_refused) {
  const auto refused = [&](const auto& change) {
    StoreOptions options = options_;
    change(options);
    return !Store::make(options);
  };
  EXPECT_TRUE(refused([](StoreOptions& options) { options.path.clear(); }));
  EXPECT_TRUE(refused([](StoreOptions& options) { options.tiers.clear(); }));
  EXPECT_TRUE(refused([](StoreOptions& options) { options.tiers[1].step_ms = 1'500; }));
  EXPECT_TRUE(refused([](StoreOptions& options) { options.tiers[2].keep_ms = kHourMs; }));
  EXPECT_TRUE(refused([](StoreOptions& options) { options.tiers[0].keep_ms = 2 * kMinuteMs - 1; }));
  EXPECT_TRUE(refused([](StoreOptions& options) { options.tiers[0].step_ms = 0; }));
  EXPECT_TRUE(refused([](StoreOptions& options) { options.max_bytes = 4096; }));
  EXPECT_TRUE(refused([](StoreOptions& options) { options.max_queued_points = 0; }));
  EXPECT_FALSE(fs::exists(options_.path));
}

}  // namespace
}  // namespace outrider
