// Exports: each is a Sink, written to by a SinkThread of its own, so that a slow or failing one holds up neither the
// sampling nor another sink.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/model/snapshot.h"

namespace outrider {

/// What became of the points of a sink that keeps a queue of its own; each but `queued` only grows.
struct PointCounters {
  std::uint64_t sent = 0;
  std::uint64_t rejected = 0;  ///< refused by the receiver for good
  std::uint64_t dropped = 0;   ///< the oldest, when the queue was full, and those left at the end
  std::uint64_t queued = 0;    ///< now
};

/// One way out for snapshots. Its own thread calls write() and finish(), one at a time; the others are thread-safe.
class Sink {
 public:
  using Clock = std::chrono::steady_clock;

  Sink() = default;
  virtual ~Sink() = default;
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  /// The snapshots of one interval. May take its time. Errors: one sentence with the next step; it is called again
  /// with the next interval all the same.
  virtual Status write(const std::vector<Snapshot>& snapshots) = 0;
  /// The last call: hands on what write() held back. Errors: what could not be.
  virtual Status finish() { return Ok{}; }
  /// write() and finish() must have returned by `deadline` from now on, if they can.
  virtual void hurry(Clock::time_point deadline) { (void)deadline; }
  virtual std::optional<PointCounters> points() const { return std::nullopt; }
};

/// In intervals, which one add() each brings; each but `queued` only grows.
struct SinkCounters {
  std::string name;
  std::uint64_t written = 0;
  std::uint64_t failed = 0;   ///< write() had an error
  std::uint64_t dropped = 0;  ///< never given to the sink: the queue was full, or the time to stop was over
  std::uint64_t queued = 0;   ///< now
  bool failing = false;       ///< the newest write failed
  std::string last_error;     ///< of the newest failure; empty if there was none
  std::optional<PointCounters> points;
};

/// Owns a sink and the thread that writes to it. Thread-safe, but stop() is for one thread.
class SinkThread {
 public:
  static constexpr std::size_t kQueueLimit = 60;
  using Snapshots = std::shared_ptr<const std::vector<Snapshot>>;

  /// `name` is what logs and counters call it. Errors: no thread to be had.
  static Result<std::unique_ptr<SinkThread>> start(std::string name, std::unique_ptr<Sink> sink,
                                                   std::size_t queue_limit = kQueueLimit);

  /// stop() with a second's time.
  ~SinkThread();
  SinkThread(const SinkThread&) = delete;
  SinkThread& operator=(const SinkThread&) = delete;

  /// Queues an interval and returns at once; drops and counts the oldest one if the queue is full.
  void add(Snapshots snapshots);

  /// Writes what is queued, and returns by `deadline`. A sink that hangs even then is left behind with its thread;
  /// what it had not written is counted as dropped, and said.
  void stop(Sink::Clock::time_point deadline);

  [[nodiscard]] SinkCounters counters() const;

 private:
  struct State;
  SinkThread(std::shared_ptr<State> state, std::thread thread) : state_(std::move(state)), thread_(std::move(thread)) {}

  std::shared_ptr<State> state_;  // shared with the thread, which may outlive this object
  std::thread thread_;            // not joinable: stopped
};

}  // namespace outrider
