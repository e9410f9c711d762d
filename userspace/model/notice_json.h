// A notice as JSON: what every alert channel hands on, and how notices are kept over a restart. Thread-safe.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>

#include "userspace/model/notice.h"

namespace outrider {

/// at and since (RFC 3339), event (firing, worse, resolved), id, name, rule, arm, severity, target, type, metric,
/// value, threshold, expected, effect_percent, score, cause, text, annotation, labels. A figure that there is not is
/// null, a text "". Foreign bytes in texts are replaced, so that dump() does not throw.
nlohmann::ordered_json to_json(const Notice& notice);

/// Reads to_json() back. None if it is something else: a key of the wrong type, a time that is none.
std::optional<Notice> notice_from_json(const nlohmann::ordered_json& json);

/// firing, worse, resolved.
const char* name_of(Notice::What what);

}  // namespace outrider
