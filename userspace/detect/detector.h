// Detectors find what nobody wrote a rule for: figures of one target that are out of line with its own past. Streaming:
// one sample at a time, constant memory, nothing read twice. Not thread-safe. Times are Unix milliseconds.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
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
  [[nodiscard]] std::optional<double> effect_percent() const;  ///< none where nothing was expected
};

class Detector {
 public:
  Detector() = default;
  virtual ~Detector() = default;
  Detector(const Detector&) = delete;
  Detector& operator=(const Detector&) = delete;

  /// Samples in order of time. One that is not later than the last is passed over.
  virtual void observe(const DetectorSample& sample, std::vector<IncidentEvent>& events) = 0;
};

/// What `[alerts] detector` and `outrider replay --detector` choose from: "default", "zscore", "none". Error: another
/// name, with those that there are.
Result<std::unique_ptr<Detector>> make_detector(const std::string& name);

}  // namespace outrider
