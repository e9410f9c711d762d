// Detectors find what nobody wrote a rule for: figures of one target that are out of line with its own past. Streaming:
// one sample at a time, constant memory, nothing read twice. Not thread-safe. Times are Unix milliseconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/base/result.h"

namespace outrider {

/// The figures of one interval that detectors look at; none where there is no data. Field names and units are those
/// of a snapshot.
struct DetectorSample {
  std::int64_t time_ms = 0;
  double seconds = 1;  ///< length of the interval
  std::optional<double> avg_response_time_seconds;
  std::optional<double> p95_response_time_seconds;
  std::optional<double> error_rate;          ///< 0..1
  std::optional<double> queries_per_second;  ///< 1/s
  std::optional<double> cpu_usage;           ///< percent, 0..100
  std::optional<double> memory_used_mb;      ///< MiB
  std::optional<double> cache_hit_rate;      ///< 0..1
};

/// An incident opens once, may become much worse, and closes once.
struct IncidentEvent {
  enum class What { kOpen, kWorse, kClose };
  What what = What::kOpen;
  std::int64_t at_ms = 0;
  std::int64_t since_ms = 0;  ///< when it began, which is earlier than when it was sure
  std::string arm;            ///< which test fired: "spike", "shift", "errors", ...
  std::string metric;         ///< by its name in a snapshot
  double value = 0;           ///< in the metric's unit
  double expected = 0;        ///< at this load, in the metric's unit
  double score = 0;           ///< in the arm's own measure
  std::string text;           ///< one sentence: metric, value, expected, effect, since when
  std::string why;            ///< of a closing: what ended it
  [[nodiscard]] std::optional<double> effect_percent() const;  ///< none where nothing was expected
};

class Detector {
 public:
  Detector() = default;
  virtual ~Detector() = default;
  Detector(const Detector&) = delete;
  Detector& operator=(const Detector&) = delete;

  /// Samples in order of time, of 100 ms to a minute each. Those below a second are gathered into seconds; where they
  /// are longer, windows and half-lives, which count samples, are as many times longer, and so is the time until a
  /// finding. A figure that is no finite number is no data. A sample of the time of the last one is passed over; an
  /// earlier one says that the clock was set, and what is remembered moves with it. Time that nobody saw (a minute
  /// without samples) does not count: nothing is found, and no incident is over, because of it.
  virtual void observe(const DetectorSample& sample, std::vector<IncidentEvent>& events) = 0;

  /// The target has ended, and people were told that what was found of it is over. What speaks for a fault is
  /// forgotten, what is normal is not: a fault that a restart does not cure is found anew.
  virtual void went_down() {}
  /// The host's figures come no more: nothing is open because of them.
  virtual void forget_host() {}

  /// All that a restarted agent needs to go on as if nothing had been, as one line of JSON: some KB.
  [[nodiscard]] virtual std::string serialise() const = 0;
  /// Error: not what serialise() of this kind of detector gives; the detector stays as it is.
  virtual Status restore(std::string_view text) = 0;

  [[nodiscard]] virtual std::size_t state_bytes() const = 0;  ///< of memory; it does not grow
};

/// What `[alerts] detector` and `outrider replay --detector` choose from: "default", "zscore", "none". Error: another
/// name, with those that there are.
Result<std::unique_ptr<Detector>> make_detector(const std::string& name);

}  // namespace outrider
