// What alerting has come to: what is pending and what fires, what was told lately, and how the channels do. Plain data,
// immutable once it is published.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "userspace/model/notice.h"

namespace outrider {

/// What became of the notices of an alert channel; each but `queued` only grows.
struct ChannelCounters {
  std::string name;
  std::uint64_t sent = 0;     ///< accepted, those that are said again included
  std::uint64_t failed = 0;   ///< attempts, each with one notice or more
  std::uint64_t dropped = 0;  ///< lost: refused, too old, or the queue was full
  std::uint64_t queued = 0;   ///< now
  bool failing = false;       ///< the newest attempt failed
  std::string last_error;     ///< of the newest failure; empty if there was none
};

struct AlertLine {
  Notice notice;         ///< as it was last told; of a pending one the id is empty
  bool pending = false;  ///< in breach, but not yet for as long as its rule says
  bool held = false;     ///< nobody is told: silenced, flapping, or to be expected of a target that is down
};

struct AlertStatus {
  std::vector<AlertLine> alerts;
  /// What began, worsened and ended, newest first; never null.
  std::shared_ptr<const std::vector<Notice>> recent = std::make_shared<std::vector<Notice>>();
  std::vector<ChannelCounters> channels;
  std::uint64_t told = 0;                ///< notices handed to the channels, since the agent's start
  std::uint64_t untracked_breaches = 0;  ///< see RuleBook::untracked
  std::size_t detector_bytes = 0;        ///< memory of all detectors
};

}  // namespace outrider
