// Notices in words and as JSON, as several channels say them. Pure, thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/model/notice.h"

namespace outrider {

/// `text` fit for one line of a log: valid UTF-8, no control characters, and at most `most` bytes.
std::string one_line(std::string_view text, std::size_t most);

/// "FIRING High Response Time: engine, type scan": what happened to what, in one line.
std::string headline(const Notice& notice);

/// {"version": 1, "alerts": [...]}, each as in notice_json.h.
std::string group_json(const std::vector<Notice>& group);

}  // namespace outrider
