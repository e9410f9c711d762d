// Single queries as JSON, as the API and `outrider slow` give them. Pure, thread-safe.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "userspace/model/single_query.h"

namespace outrider {

/// Names of a thread's frames, or why there are none.
struct ThreadStack {
  std::vector<std::string> frames;  ///< outermost first
  std::string missing;              ///< empty: it is there
};

nlohmann::ordered_json to_json(const SlowQuery& query);
nlohmann::ordered_json to_json(const InFlightQuery& query, const ThreadStack& stack);

}  // namespace outrider
