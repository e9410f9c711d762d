#include "userspace/audit/auditor.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <utility>

#include "userspace/audit/engine_counter.h"
#include "userspace/base/background_thread.h"
#include "userspace/base/moment.h"

namespace outrider {

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kPartly =
    "queries are seen for part of the time only, to keep within max_overhead, so there is nothing to compare";

// Queries within queries too, which an engine counts like any other.
std::uint64_t counted(const QueryMetrics& queries, bool with_failed) {
  std::uint64_t sum = 0;
  for (const auto& [name, type] : queries.query_type_breakdown) sum += type.count - (with_failed ? 0 : type.failed);
  return sum;
}

}  // namespace

/// Guarded by `mutex`, but for `counter`, which is the thread's own and constant to others.
struct Auditor::Shared {
  Shared(std::unique_ptr<EngineCounter> owned, std::chrono::milliseconds period)
      : counter(std::move(owned)), every(period), with_failed(counter->counts_failed()) {}

  std::unique_ptr<EngineCounter> counter;
  const std::chrono::milliseconds every;
  const bool with_failed;
  mutable std::mutex mutex;
  std::condition_variable changed;
  AuditBook book;
  AuditState counters;
  bool seen = false;    // the target, once
  bool partly = false;  // and the last time only for a part of the time
  bool asking = false;
  bool stopping = false;

  void run() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return seen || stopping; });
    for (Clock::time_point next = Clock::now(); !stopping; next += every) {
      if (changed.wait_until(lock, next, [this] { return stopping; })) return;
      next = std::max(next, Clock::now() - every);
      asking = true;
      lock.unlock();
      AuditBook::Theirs reading;
      reading.unix_ms = unix_ms();
      reading.begin = Clock::now();
      Result<EngineCount> count = counter->read();
      reading.end = Clock::now();
      lock.lock();
      asking = false;
      note(std::move(reading), std::move(count));
    }
  }

  void note(AuditBook::Theirs reading, Result<EngineCount> count) {
    if (!count) {
      ++counters.failed_readings;
      counters.error = count.error().message;
      return;
    }
    ++counters.readings;
    counters.error.clear();
    reading.count = *std::move(count);
    book.theirs(std::move(reading));
  }
};

Result<std::unique_ptr<Auditor>> Auditor::start(std::string name, const std::string& source,
                                                std::chrono::milliseconds every) {
  Result<std::unique_ptr<EngineCounter>> counter = make_engine_counter(source);
  if (!counter) return counter.error();
  auto shared = std::make_shared<Shared>(std::move(*counter), every);
  Result<std::thread> thread =
      start_background_thread("outrider-audit", Privileges::kNone, [shared] { shared->run(); });
  if (!thread) return thread.error();
  return std::unique_ptr<Auditor>(new Auditor(std::move(name), std::move(shared), *std::move(thread)));
}

Auditor::~Auditor() {
  std::unique_lock lock(shared_->mutex);
  shared_->stopping = true;
  shared_->changed.notify_all();
  const bool hangs = shared_->asking;
  lock.unlock();
  if (hangs) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

void Auditor::observe(const Snapshot& snapshot, Time begin, Time end) {
  const QueryMetrics& queries = snapshot.query_metrics;
  const auto in_flight = static_cast<std::uint64_t>(std::max<std::int64_t>(queries.current_concurrent.value_or(0), 0));
  std::unique_lock lock(shared_->mutex);
  shared_->partly = snapshot.overhead.sampled_share < 1;
  if (shared_->partly) shared_->book.interrupt();  // what was extrapolated is compared with nothing
  shared_->book.ours({begin, end, counted(queries, shared_->with_failed), in_flight});
  shared_->seen = true;
  shared_->changed.notify_all();
  const std::string error = shared_->counters.error;
  const std::optional<AuditComparison> comparison = shared_->book.comparison();
  lock.unlock();  // the log may be slow
  say(error, comparison);
}

void Auditor::say(const std::string& error, const std::optional<AuditComparison>& comparison) {
  const auto now = Clock::now();
  const auto failing = failing_.observe(!error.empty(), now);
  if (failing == FaultNotice::Say::kBegan) spdlog::warn("{}: not audited: {}", name_, error);
  if (failing == FaultNotice::Say::kEnded) spdlog::info("{}: audited again", name_);
  const std::int64_t difference = comparison ? comparison->difference : 0;
  if (differing_.observe(difference != 0, now) != FaultNotice::Say::kBegan) return;
  spdlog::warn("{}: since the audit began the engine has counted {} queries, at least {} {} than were seen", name_,
               comparison->engine_queries, std::abs(difference), difference > 0 ? "more" : "fewer");
}

AuditState Auditor::state() const {
  const std::lock_guard lock(shared_->mutex);
  AuditState state = shared_->counters;
  state.comparison = shared_->book.comparison();
  state.restarts = shared_->book.restarts();
  if (state.error.empty() && shared_->partly) state.error = kPartly;
  return state;
}

}  // namespace outrider
