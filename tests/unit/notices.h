// Notices for tests of alert channels.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "userspace/model/notice.h"

namespace outrider {

inline Notice notice(const std::string& id, Notice::What what = Notice::What::kFiring) {
  Notice made;
  made.what = what;
  made.id = id;
  made.name = "High Response Time";
  made.rule_id = "response_time_high";
  made.target = "engine";
  made.metric = "query_metrics.avg_response_time_seconds";
  made.at_ms = 1'700'000'030'000;
  made.since_ms = 1'700'000'000'000;
  made.value = 0.15;
  made.threshold = 0.1;
  made.text = "the mean response time is 150 ms";
  return made;
}

inline Notice resolved(const std::string& id) { return notice(id, Notice::What::kResolved); }

/// "a:firing b:resolved": what is in a group, in order.
inline std::string said(const std::vector<Notice>& group) {
  std::string text;
  for (const Notice& one : group) {
    const bool over = one.what == Notice::What::kResolved;
    const std::string what = over ? "resolved" : one.what == Notice::What::kWorse ? "worse" : "firing";
    text += (text.empty() ? "" : " ") + one.id + ":" + what;
  }
  return text;
}

}  // namespace outrider
