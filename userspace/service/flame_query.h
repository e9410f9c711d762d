// What a request about flame graphs asks for, and its answer. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/service/flames.h"

namespace outrider {

struct FlameQuery {
  FlameQuestion question;
  std::optional<std::int64_t> at;       ///< a recording that is kept, by its time, instead of a new one
  std::optional<std::int64_t> compare;  ///< the recording to compare it with
};

/// Reads `type`, `kind`, `for`, `at` and `compare`. Errors, EINVAL: one of them is not what it has to be.
Result<FlameQuery> parse_flame_query(const std::map<std::string, std::string>& query, const std::string& target);

/// Never waits for a recording. Errors: ENOENT, a recording is not there (any more); EINVAL, it is of another subject.
Result<FlameAnswer> answer_flame(Flames& flames, const FlameQuery& asked, const std::optional<std::string>& mode);

/// {"target", "type", "kind", "recordings": [{"time", "seconds", "stacks", "total"}]}: times are Unix milliseconds,
/// totals samples or seconds.
nlohmann::ordered_json recordings_json(const FlameSubject& subject, const std::vector<KeptFlame>& kept);

}  // namespace outrider
