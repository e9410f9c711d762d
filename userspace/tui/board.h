// All that one look at a source gave: every target with its newest figures, the alerts, and what the agent costs. Plain
// data, immutable once it is handed over.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "userspace/model/report.h"
#include "userspace/model/rule.h"

namespace outrider {

struct BoardTarget {
  std::string name;
  std::string error;        ///< why it could not be attached to; empty: it was
  SharedSnapshot snapshot;  ///< null: there are no figures yet
  SharedSnapshot probed{};  ///< see LastProbed; null: use `snapshot`

  /// Whose figures of queries are to be shown; null: there are none.
  [[nodiscard]] const Snapshot* queries() const { return probed ? probed.get() : snapshot.get(); }
};

struct BoardAlert {
  std::string target, name, type;
  Severity severity = Severity::kWarning;
  std::int64_t since_ms = 0;  ///< Unix time
  bool pending = false;       ///< else it fires
  bool held = false;          ///< nobody is told
};

/// What the agent itself takes of the machine.
struct AgentCost {
  std::optional<double> cpu_percent;  ///< of one CPU; none: it takes two looks
  std::optional<double> resident_bytes;
};

struct SeriesPoint {
  std::int64_t second = 0;            ///< Unix time
  double queries_per_second = 0;      ///< the last of the second
  std::optional<double> p99_seconds;  ///< the highest of the second; none: no query ended
};

/// Recorded figures of one type, oldest first.
struct TypePast {
  std::string target, type;
  std::vector<SeriesPoint> points;
};

struct Board {
  std::string source;        ///< where the figures come from: an address, or how they are taken
  std::int64_t time_ms = 0;  ///< Unix time of the look
  std::vector<BoardTarget> targets;
  std::vector<BoardAlert> alerts;
  std::string no_alerts;  ///< not empty: why there is no saying whether there are any
  AgentCost agent;
  TypePast past;                      ///< of the type that was asked for; empty: of none
  std::string trouble;                ///< not empty: why there are no newer figures; the others are the last ones
  std::int64_t trouble_since_ms = 0;  ///< Unix time, with `trouble`
  std::string news;                   ///< the last thing that the source had to say; may be empty
};

using SharedBoard = std::shared_ptr<const Board>;

}  // namespace outrider
