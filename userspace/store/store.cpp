#include "userspace/store/store.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <iterator>
#include <utility>

#include "userspace/base/background_thread.h"
#include "userspace/base/moment.h"
#include "userspace/store/schema.h"

namespace outrider {
namespace {

using SteadyClock = std::chrono::steady_clock;

// Unlike the monotonic clock, it also counts the time in which the machine sleeps.
std::int64_t system_steady_ms() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000 + now.tv_nsec / 1'000'000;
}

}  // namespace

Store::Store(StoreOptions options) : options_(std::move(options)) {}

Result<std::unique_ptr<Store>> Store::make(StoreOptions options) {
  if (Status sound = check_options(options); !sound) return Error{sound.error().message, EINVAL};
  if (!options.steady_ms) options.steady_ms = options.now_ms ? options.now_ms : system_steady_ms;
  if (!options.now_ms) options.now_ms = unix_ms;
  std::unique_ptr<Store> store(new Store(std::move(options)));
  if (Status opened = store->open_writer(); !opened) {
    if (is_refusal(opened.error())) return Error{opened.error().message, EINVAL};
    store->counters_.error = opened.error().message;
    ++store->counters_.failed_writes;
  }
  store->counters_.file_bytes = file_bytes(store->options_.path);
  Result<std::thread> thread =
      start_background_thread("outrider-store", Privileges::kNone, [running = store.get()] { running->run(); });
  if (!thread) return Error{"the history: " + thread.error().message, thread.error().code};
  store->thread_ = *std::move(thread);
  return store;
}

Store::~Store() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::int64_t Store::now_ms() const { return options_.now_ms(); }

void Store::add(const std::string& target, Point point, TypeTexts texts) {
  auto shared = std::make_shared<const Point>(std::move(point));
  const std::lock_guard lock(mutex_);
  newest_[target] = shared;
  if (queue_.size() + batch_points_ >= options_.max_queued_points) {
    ++counters_.dropped_points;
    return;
  }
  queue_.push_back({target, std::move(shared), std::move(texts)});
}

void Store::put_state(const std::string& key, std::string value) {
  const std::lock_guard lock(mutex_);
  state_[key] = std::move(value);
}

void Store::put_states(const std::map<std::string, std::string>& values) {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, value] : values) state_[key] = value;
}

Status Store::flush() {
  std::unique_lock lock(mutex_);
  const std::uint64_t wanted = ++flushes_wanted_;
  wake_.notify_all();
  written_.wait(lock, [&] { return flushes_done_ >= wanted; });
  if (!counters_.error.empty()) return Error{counters_.error};
  return Ok{};
}

void Store::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    const auto pause = std::chrono::milliseconds(options_.write_interval_ms);
    wake_.wait_for(lock, pause, [&] { return stopping_ || flushes_wanted_ > flushes_done_; });
    const bool last = stopping_;
    const std::uint64_t flushes = flushes_wanted_;
    // What could not be written last time stays in front.
    std::move(queue_.begin(), queue_.end(), std::back_inserter(batch_));
    queue_.clear();
    batch_points_ = batch_.size();
    batch_state_ = state_;
    lock.unlock();
    write_batch();
    lock.lock();
    flushes_done_ = flushes;
    written_.notify_all();
    if (last) return;
  }
}

void Store::write_batch() {
  const auto begin = SteadyClock::now();
  const Moment now{now_ms(), options_.steady_ms()};
  Status done = try_write(now);
  if (!done && is_corruption(done.error())) {
    start_anew(now.unix_ms);
    done = try_write(now);
  }
  if (!done && writer_ && is_out_of_place(done.error())) {
    const bool lost = is_history_lost(done.error());
    leave_files(done.error());
    if (!lost) done = try_write(now);  // nothing is wrong with the database, and there may be no next time
  }
  finish_batch(done, std::chrono::duration<double>(SteadyClock::now() - begin).count());
}

Status Store::open_writer() {
  auto writer = HistoryWriter::open(options_);
  if (!writer && is_corruption(writer.error())) {
    start_anew(now_ms());
    writer = HistoryWriter::open(options_);
  }
  {
    const std::lock_guard lock(mutex_);
    taken_ = !writer && is_taken(writer.error()) ? std::optional(writer.error()) : std::nullopt;
    if (writer && !warning_ && !writer->warning().empty()) warning_ = writer->warning();
    if (writer && std::exchange(history_lost_, false)) {
      warning_ = fmt::format(
          "the store {} was opened anew: what was written before is lost with a file that was removed, moved or "
          "replaced under the running service",
          options_.path);
    }
  }
  if (!writer) return writer.error();
  writer_ = std::move(*writer);
  {
    // One that was opened while nothing could be written may not look at the log.
    const std::lock_guard lock(reader_mutex_);
    reader_.reset();
  }
  const std::lock_guard lock(mutex_);
  held_ = writer_->files();
  return Ok{};
}

Status Store::try_write(const Moment& now) {
  if (!writer_) {
    if (Status opened = open_writer(); !opened) return opened;
  }
  return writer_->write(batch_, batch_state_, now);
}

// The corrupt file may still be worth something to somebody: it is moved, never deleted.
void Store::start_anew(std::int64_t now) {
  writer_.reset();
  {
    // Held during the move: a reader that was opened in between would show the old file for ever.
    const std::lock_guard lock(reader_mutex_);
    reader_.reset();
    if (!move_aside(options_.path, now)) return;
  }
  const std::lock_guard lock(mutex_);
  ++counters_.corrupt_files;
}

// The reader's connection goes first: it might share the index of the log with what is opened next.
void Store::leave_files(const Error& why) {
  history_lost_ = history_lost_ || is_history_lost(why);
  const std::lock_guard lock(reader_mutex_);
  reader_.reset();
  writer_->leave();
  writer_.reset();
}

void Store::finish_batch(const Status& done, double seconds) {
  // Any other fault may be of the connection: open it again.
  if (!done) writer_.reset();
  const std::int64_t bytes = file_bytes(options_.path);
  const std::lock_guard lock(mutex_);
  counters_.file_bytes = bytes;
  counters_.last_write_seconds = seconds;
  if (!done) {
    held_.reset();
    ++counters_.failed_writes;
    counters_.error = done.error().message;
    return;
  }
  counters_.error.clear();
  const std::uint64_t late = writer_->take_late();
  counters_.late_points += late;
  counters_.trims += writer_->take_trims();
  counters_.written_points += batch_.size() - late;
  batch_.clear();
  batch_points_ = 0;
  for (const auto& [key, value] : batch_state_) {
    const auto found = state_.find(key);
    if (found != state_.end() && found->second == value) state_.erase(found);
  }
}

// Until the store's thread has seen that the path leads elsewhere, nothing may be read there: with the log of the one
// file, another would be read wrongly. False: nothing is open for writing, so that nobody looks at the path.
Result<bool> Store::check_files() {
  std::optional<HeldFiles> held;
  {
    const std::lock_guard lock(mutex_);
    held = held_;
  }
  if (!held) return false;
  if (Status there = held->check(); !there) return there.error();
  return true;
}

template <typename T, typename Read>
Result<T> Store::read(Read&& how) {
  const Error stopping{"the service is stopping", ECANCELED};
  const std::lock_guard lock(reader_mutex_);
  if (stops_reading_) return stopping;
  const auto watched = check_files();
  if (!watched || !*watched) reader_.reset();
  if (!watched) return watched.error();
  if (!reader_) {
    auto opened = StoreReader::open(options_);
    if (!opened) return opened.error();
    reader_ = std::move(*opened);
    reader_->set_limit(&reading_is_over_);
  }
  read_until_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(options_.longest_read_ms);
  Result<T> result = how(*reader_);
  if (result) return result;
  reader_.reset();
  if (result.error().code != SQLITE_INTERRUPT) return result;
  if (stops_reading_) return stopping;
  return Error{fmt::format("the answer takes more than {} s; ask for a shorter window or a larger step",
                           options_.longest_read_ms / 1000),
               ETIMEDOUT};
}

Result<std::optional<std::string>> Store::get_state(const std::string& key) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = state_.find(key);
    if (found != state_.end()) return std::optional(found->second);
    if (taken_) return *taken_;
  }
  if (const auto watched = check_files(); !watched) return watched.error();
  // By a reader of its own: a question about the past may take long, and it is the sampling thread that asks here.
  auto reader = StoreReader::open(options_);
  if (!reader) return reader.error();
  return reader->state(key);
}

std::shared_ptr<const Point> Store::get_current_performance(const std::string& target) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = newest_.find(target);
    if (found != newest_.end()) return found->second;
  }
  const auto point = read<std::optional<Point>>([&](StoreReader& reader) { return reader.newest(target); });
  return point && *point ? std::make_shared<const Point>(**point) : nullptr;
}

Result<std::vector<Point>> Store::get_recent_snapshots(const std::string& target, std::int64_t window_ms) {
  const std::int64_t from = now_ms() - window_ms;
  return read<std::vector<Point>>([&](StoreReader& reader) { return reader.recent(target, from); });
}

Result<History> Store::history(const HistoryQuery& query) {
  return read<History>([&](StoreReader& reader) { return reader.history(query); });
}

Result<History> Store::for_each_step(const HistoryQuery& query, const VisitStep& visit) {
  return read<History>([&](StoreReader& reader) { return reader.for_each_step(query, visit); });
}

Result<std::vector<std::string>> Store::targets() {
  return read<std::vector<std::string>>([](StoreReader& reader) { return reader.targets(); });
}

Result<std::vector<std::string>> Store::targets_in(std::int64_t from_ms, std::int64_t to_ms) {
  return read<std::vector<std::string>>([&](StoreReader& reader) { return reader.targets_in(from_ms, to_ms); });
}

Result<std::vector<std::string>> Store::types(const std::string& target) {
  return read<std::vector<std::string>>([&](StoreReader& reader) { return reader.types(target); });
}

Result<std::optional<TypeText>> Store::statement(const std::string& type) {
  return read<std::optional<TypeText>>([&](StoreReader& reader) { return reader.statement(type); });
}

StoreCounters Store::counters() {
  const std::lock_guard lock(mutex_);
  StoreCounters counters = counters_;
  counters.queued_points = queue_.size() + batch_points_;
  return counters;
}

std::string Store::take_warning() {
  const std::lock_guard lock(mutex_);
  return warning_ ? std::exchange(*warning_, {}) : std::string();
}

}  // namespace outrider
