// What people are told of a detector's finding: its name, how much it matters, and the sentence that explains it.
// Pure, thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "userspace/detect/detector.h"
#include "userspace/model/notice.h"

namespace outrider {

/// Of whom, and what is known besides the event itself.
struct NoticeContext {
  std::string target;
  std::string type;      ///< empty: the target as a whole
  std::string cause;     ///< what moved most; may be empty
  std::string sentence;  ///< in place of the one made of value and expected; no target in front; empty: that one
};

/// A notice of an event that opens or is worse. The id is a hash of target, type, arm, metric and `since_ms`.
Notice notice_of(const IncidentEvent& event, const NoticeContext& context);

/// The sentence at the end of what was told: "kg: the latency shift since 03:12:05 UTC is closed after 15 min: ...".
std::string closing_text(const Notice& notice, std::int64_t now_ms, const std::string& why);

/// "45 s", "12 min", "3 h 20 min", "2.5 days"; "an unknown time" if it is no number.
std::string format_length(double seconds);

}  // namespace outrider
