// What the profile format knows of each role: its name, its fields in the ABI's order, and where it belongs.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "bpf/abi/abi.h"
#include "userspace/target/profile.h"

namespace outrider {

struct RoleInfo {
  std::string_view name;
  ProbeGroup group;
  std::array<std::string_view, OUTRIDER_MAX_ARGS> fields;  ///< unused ones are empty
  std::uint32_t flags;                                     ///< OUTRIDER_SITE_* that make sense
};

/// Indexed by outrider_role.
inline constexpr std::array<RoleInfo, OUTRIDER_ROLES> kRoles = {{
    {"query_start",
     ProbeGroup::kStart,
     {"id", "type", "depth"},
     OUTRIDER_SITE_TYPE_IS_SQL | OUTRIDER_SITE_OUTERMOST | OUTRIDER_SITE_TYPE_FROM_STATEMENT |
         OUTRIDER_SITE_TYPE_IS_KEY | OUTRIDER_SITE_TYPE_IS_NUMBER},
    {"query_end",
     ProbeGroup::kQuery,
     {"id", "type", "status", "duration_ns", "depth", "hits", "misses"},
     OUTRIDER_SITE_TYPE_IS_SQL | OUTRIDER_SITE_TYPE_FROM_STATEMENT | OUTRIDER_SITE_TYPE_IS_NUMBER |
         OUTRIDER_SITE_SAME_STACK | OUTRIDER_SITE_UNTIL_STATEMENT},
    {"query_switch", ProbeGroup::kStart, {"id"}, 0},
    {"query_failed", ProbeGroup::kQuery, {}, 0},
    {"statement", ProbeGroup::kQuery, {"text"}, OUTRIDER_SITE_TEXT_IS_NAME},
    {"statement_ok", ProbeGroup::kQuery, {}, 0},
    {"phase_start", ProbeGroup::kPhase, {"name"}, 0},
    {"phase_end", ProbeGroup::kPhase, {"name"}, 0},
    {"cache", ProbeGroup::kCache, {"hit", "skip"}, OUTRIDER_SITE_TENTATIVE},
    {"wait_start", ProbeGroup::kWait, {"class"}, 0},
    {"wait_end", ProbeGroup::kWait, {"class"}, 0},
    {"prepare", ProbeGroup::kStart, {"text", "key", "key_at", "length"}, 0},
    {"prepare_end", ProbeGroup::kQuery, {"result"}, 0},
    {"step", ProbeGroup::kStart, {"key"}, 0},
    {"step_end", ProbeGroup::kQuery, {"result", "more", "done"}, 0},
    {"steps_over", ProbeGroup::kQuery, {"key"}, OUTRIDER_SITE_FORGETS_KEY},
}};

/// Position of the duration among query_end's fields.
inline constexpr std::size_t kDurationField = 3;

/// Indexed by ProbeGroup.
inline constexpr std::array<std::string_view, 5> kGroupNames = {"query", "start", "phase", "cache", "wait"};

}  // namespace outrider
