#include "userspace/agent/sink.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "userspace/base/background_thread.h"
#include "userspace/base/fault_notice.h"

namespace outrider {
namespace {

constexpr std::chrono::seconds kDefaultStopTime{1};
constexpr std::chrono::milliseconds kLookWhetherEnded{20};

// An exception in a thread would end the agent, so a fault of one export would end them all.
Status guarded(const std::function<Status()>& call) {
  try {
    return call();
  } catch (const std::exception& error) {
    return Error{std::string("unexpected: ") + error.what()};
  }
}

}  // namespace

/// What is not const is guarded by `mutex`, but for counters.name, which never changes.
struct SinkThread::State {
  State(std::string sink_name, std::unique_ptr<Sink> owned, std::size_t queue_limit, std::vector<Ended> others)
      : sink(std::move(owned)), limit(queue_limit), after(std::move(others)) {
    counters.name = std::move(sink_name);
  }

  const std::unique_ptr<Sink> sink;
  const std::size_t limit;
  std::vector<Ended> after;  // of the thread alone
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<SharedReport> queue;
  std::unique_ptr<Sink> fresh;  // its settings are for the next write; null: nothing has changed
  SinkCounters counters;
  FaultNotice notice;
  std::optional<Sink::Clock::time_point> deadline;  // set once it is to stop
  bool withdrawn = false;                           // set before the deadline: nobody wants it any more
  bool done = false;
  bool abandoned = false;  // nobody waits for the thread any more; the log may be gone

  [[nodiscard]] bool time_is_up() const { return deadline && Sink::Clock::now() >= *deadline; }

  void wait_for_others() {
    for (const Ended& other : after) {
      while (other.wait_for(kLookWhetherEnded) != std::future_status::ready) {
        const std::lock_guard lock(mutex);
        if (time_is_up()) return;
      }
    }
    after.clear();
  }

  /// The next interval, or none: it is time to end.
  SharedReport take() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return !queue.empty() || deadline; });
    if (queue.empty() || time_is_up()) return nullptr;
    auto next = std::move(queue.front());
    queue.pop_front();
    return next;
  }

  void take_settings() {
    std::unique_lock lock(mutex);
    const std::unique_ptr<Sink> settings = std::move(fresh);
    lock.unlock();
    if (settings) sink->become(*settings);
  }

  Status write(const Report& report) {
    take_settings();
    return sink->write(report);
  }

  Status finish() {
    take_settings();
    Status finished = sink->finish();
    std::unique_lock lock(mutex);
    const bool unwanted = withdrawn;
    lock.unlock();
    Status gone = unwanted ? sink->withdraw() : Ok{};
    return finished ? gone : finished;
  }

  /// Counts how a write ended and says so if it is news.
  void note(const Status& status) {
    std::unique_lock lock(mutex);
    ++(status || sink->kept_all() ? counters.written : counters.failed);
    counters.failing = !status;
    if (!status) counters.last_error = status.error().message;
    const auto say = abandoned ? FaultNotice::Say::kNothing : notice.observe(!status, Sink::Clock::now());
    const auto failures = counters.failed;
    lock.unlock();  // the log may be slow, and add() must not wait for it
    if (say == FaultNotice::Say::kBegan) spdlog::error("{}: {}", counters.name, status.error().message);
    if (say == FaultNotice::Say::kEnded) {
      spdlog::info("{}: works again; {} writes have failed since the start", counters.name, failures);
    }
  }

  /// What is lost at the end is said even if the fault behind it was: nobody can ask for the counters later.
  void note_end(const Status& status) {
    std::unique_lock lock(mutex);
    counters.failing = !status;
    if (!status) counters.last_error = status.error().message;
    const bool say = !status && !abandoned;
    lock.unlock();
    if (say) spdlog::error("{}: {}", counters.name, status.error().message);
  }

  void run() {
    wait_for_others();
    while (const auto report = take()) note(guarded([&] { return write(*report); }));
    note_end(guarded([&] { return finish(); }));
    const std::lock_guard lock(mutex);
    done = true;
    changed.notify_all();
  }
};

Result<std::unique_ptr<SinkThread>> SinkThread::start(std::string name, std::unique_ptr<Sink> sink,
                                                      std::size_t queue_limit, std::vector<Ended> after) {
  auto state = std::make_shared<State>(std::move(name), std::move(sink), std::max<std::size_t>(queue_limit, 1),
                                       std::move(after));
  Result<std::thread> thread = start_background_thread("outrider-sink", Privileges::kNone, [state] { state->run(); });
  if (!thread) return Error{"the export " + state->counters.name + ": " + thread.error().message, thread.error().code};
  return std::unique_ptr<SinkThread>(new SinkThread(std::move(state), *std::move(thread)));
}

SinkThread::~SinkThread() { stop(Sink::Clock::now() + kDefaultStopTime); }

void SinkThread::add(SharedReport report) {
  if (!report) return;
  SharedReport oldest;  // freed without the lock
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->deadline) {
      ++state_->counters.dropped;
      return;
    }
    if (state_->queue.size() >= state_->limit) {
      oldest = std::move(state_->queue.front());
      state_->queue.pop_front();
      ++state_->counters.dropped;
    }
    state_->queue.push_back(std::move(report));
  }
  state_->changed.notify_all();
}

void SinkThread::become(std::unique_ptr<Sink> fresh) {
  const std::lock_guard lock(state_->mutex);
  std::swap(state_->fresh, fresh);
}

void SinkThread::withdraw() {
  const std::lock_guard lock(state_->mutex);
  state_->withdrawn = true;
}

void SinkThread::stop(Sink::Clock::time_point deadline) {
  if (!thread_.joinable()) return;
  const auto now = Sink::Clock::now();
  // The sink's own deadline lies before ours: it shall have time to come back and say what it could not do.
  const auto last_call = now + std::max(deadline - now, Sink::Clock::duration::zero()) * 3 / 4;
  state_->sink->hurry(last_call);
  std::unique_lock lock(state_->mutex);
  state_->deadline = last_call;
  state_->changed.notify_all();
  const bool done = state_->changed.wait_until(lock, deadline, [&] { return state_->done; });
  state_->abandoned = !done;
  const auto left = state_->queue.size();
  state_->queue.clear();
  state_->counters.dropped += left;
  lock.unlock();
  if (done) {
    thread_.join();
  } else {
    thread_.detach();
    const auto points = state_->sink->points();
    spdlog::warn("{}: did not end in time and is left behind{}", state_->counters.name,
                 points && points->queued > 0 ? fmt::format(" with {} points that were not sent", points->queued) : "");
  }
  if (left > 0) spdlog::warn("{}: {} intervals were not written before the end", state_->counters.name, left);
}

SinkCounters SinkThread::counters() const {
  const std::lock_guard lock(state_->mutex);
  auto counters = state_->counters;
  counters.queued = state_->queue.size();
  counters.points = state_->sink->points();
  return counters;
}

}  // namespace outrider
