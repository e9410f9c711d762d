// What the command line and the configuration call ways of watching. Pure functions of words that were checked before.
#pragma once

#include <string_view>

#include "userspace/agent/watcher.h"

namespace outrider {

/// "auto", "full", "light".
inline WatchMode mode_of(std::string_view word) {
  if (word == "full") return WatchMode::kFull;
  return word == "light" ? WatchMode::kLight : WatchMode::kAuto;
}

/// "off", "database", "user", "both": OUTRIDER_BY_*.
inline std::uint32_t types_by(std::string_view word) {
  if (word == "both") return OUTRIDER_BY_DATABASE | OUTRIDER_BY_USER;
  if (word == "database") return OUTRIDER_BY_DATABASE;
  return word == "user" ? OUTRIDER_BY_USER : 0;
}

/// "off", "normalised", "raw".
inline QueryText query_text_of(std::string_view word) {
  if (word == "raw") return QueryText::kRaw;
  return word == "normalised" ? QueryText::kStatement : QueryText::kOff;
}

}  // namespace outrider
