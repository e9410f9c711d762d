// Exports: each is a Sink, written to by a SinkThread of its own, so that a slow or failing one holds up neither the
// sampling nor another sink.
#pragma once

#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/model/agent_figures.h"
#include "userspace/model/report.h"

namespace outrider {

/// One way out for figures. Its own thread calls write(), kept_all(), become(), finish() and withdraw(), one at a time;
/// the others are thread-safe.
class Sink {
 public:
  using Clock = std::chrono::steady_clock;

  Sink() = default;
  virtual ~Sink() = default;
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  /// One round of readings. May take its time. Errors: one sentence with the next step; it is called again with the
  /// next round all the same.
  virtual Status write(const Report& report) = 0;
  /// Of the write() that has just failed: nothing is lost, what could not be handed on waits to be tried again.
  [[nodiscard]] virtual bool kept_all() const { return false; }
  /// Takes the settings of `fresh`, a sink of the same class that was never written to, and keeps what waits.
  virtual void become(Sink& fresh) = 0;
  /// The last call but withdraw(): hands on what write() held back. Errors: what could not be.
  virtual Status finish() { return Ok{}; }
  /// After finish(), if nobody wants this export any more: takes away what readers would go on taking for present
  /// figures. Errors: what could not be.
  virtual Status withdraw() { return Ok{}; }
  /// write() and finish() must have returned by `deadline` from now on, if they can.
  virtual void hurry(Clock::time_point deadline) { (void)deadline; }
  virtual std::optional<PointCounters> points() const { return std::nullopt; }
};

/// Owns a sink and the thread that writes to it. Thread-safe, but stop() is for one thread.
class SinkThread {
 public:
  static constexpr std::size_t kQueueLimit = 60;
  using SharedReport = std::shared_ptr<const Report>;

  /// The end of something that the sink must not write beside, because both may write the same file.
  using Ended = std::shared_future<void>;

  /// `name` is what logs and counters call it. Nothing is written before all of `after`. Errors: no thread to be had.
  static Result<std::unique_ptr<SinkThread>> start(std::string name, std::unique_ptr<Sink> sink,
                                                   std::size_t queue_limit = kQueueLimit,
                                                   std::vector<Ended> after = {});

  /// stop() with a second's time.
  ~SinkThread();
  SinkThread(const SinkThread&) = delete;
  SinkThread& operator=(const SinkThread&) = delete;

  /// Queues a round and returns at once; drops and counts the oldest one if the queue is full.
  void add(SharedReport report);

  /// Gives the sink the settings of `fresh` (see Sink::become) before its next write; returns at once. Rounds that wait
  /// are written with the new ones.
  void become(std::unique_ptr<Sink> fresh);

  /// Makes stop() the end of an export that is not wanted any more: see Sink::withdraw. To be called before it.
  void withdraw();

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
