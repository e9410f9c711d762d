// Pushes points to an InfluxDB over HTTP: 1.x by /write, 2.x by /api/v2/write. What cannot be sent waits in a bounded
// queue and is tried again with growing pauses, be it that the server is away or that it does not know the token or the
// database; what it finds wrong with the points themselves is counted and dropped.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "userspace/agent/sink.h"
#include "userspace/export/influx_line.h"
#include "userspace/http/client.h"

namespace outrider {

struct InfluxPushOptions {
  std::string url;  ///< scheme, host, port and perhaps a path in front of ours, e.g. http://127.0.0.1:8086
  unsigned version = 1;
  std::string database = "outrider";  ///< version 1
  std::string org;                    ///< version 2
  std::string bucket = "outrider";    ///< version 2
  std::string token;                  ///< empty: none is sent; version 1: "user:password"
  std::string ca_file;                ///< PEM; empty: the certificates that the system trusts
  InfluxOptions lines;
  std::size_t batch_points = 5'000;              ///< points a request; it ends earlier at about 900 KB
  std::size_t queue_points = 100'000;            ///< points that wait for a server that is away
  std::size_t queue_bytes = 16U << 20U;          ///< and their size
  std::chrono::milliseconds retry_first{1'000};  ///< the pause after one failure; it doubles with each
  std::chrono::milliseconds retry_most{15'000};
  std::chrono::milliseconds request_timeout{10'000};
};

class InfluxPushSink : public Sink {
 public:
  /// Sends nothing yet: the server may come later. Errors: a bad URL, version or token, an empty name.
  static Result<std::unique_ptr<InfluxPushSink>> make(InfluxPushOptions options);

  /// Queues the points of the interval, then sends what is queued unless a pause is running. Errors: the server is
  /// away or lets us in no longer (the points wait), it refused some, or the queue is full (those are gone). The
  /// server's reason is in the message, and which bound of the queue was met.
  Status write(const Report& report) override;
  [[nodiscard]] bool kept_all() const override { return kept_all_; }
  /// Points that wait go where the new settings say, at once: what was wrong may be mended.
  void become(Sink& fresh) override;
  /// Tries once more, whatever pause is running. Errors: as above; what could not be sent is dropped.
  Status finish() override;
  void hurry(Clock::time_point deadline) override { deadline_ = deadline.time_since_epoch().count(); }
  [[nodiscard]] std::optional<PointCounters> points() const override;

 private:
  struct Batch {
    std::string body;
    std::size_t points = 0;
  };
  enum class Fate { kSent, kRejected, kRetry };
  struct Outcome {
    Fate fate = Fate::kSent;
    std::string reason;
    const char* advice = "";
    std::size_t rejected = 0;  ///< of the batch, if kRejected
  };

  InfluxPushSink(InfluxPushOptions options, HttpCall call, std::string name);
  void enqueue(std::string_view lines);
  [[nodiscard]] std::string full(std::size_t dropped) const;
  void drop_oldest();
  [[nodiscard]] Batch next_batch() const;
  void remove(const Batch& batch);
  [[nodiscard]] Outcome send(const Batch& batch);
  Status send_all();
  Error pause(const Outcome& outcome);
  [[nodiscard]] bool time_is_up() const;

  InfluxPushOptions options_;
  HttpCall call_;                  // all but the body
  std::string name_;               // for messages: scheme, host and port
  std::deque<std::string> queue_;  // a line each, with its newline
  std::size_t queue_bytes_ = 0;
  bool too_large_ = false;  // what was dropped last was for the queue's bytes, and not for its points
  unsigned failures_ = 0;   // in a row
  Clock::time_point next_try_;
  std::optional<Error> away_;  // why the pause is running
  std::string reason_;         // the same in the server's words
  bool kept_all_ = true;       // in the last write
  std::mt19937 random_{std::random_device{}()};
  std::atomic<Clock::rep> deadline_{Clock::time_point::max().time_since_epoch().count()};
  std::atomic<std::uint64_t> sent_{0}, rejected_{0}, dropped_{0}, queued_{0};
};

}  // namespace outrider
