// The id of an incident, by which receivers know it again. Pure, thread-safe.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace outrider {

/// What tells it from all others, hashed: 16 hexadecimal digits, the same in every run of the agent. FNV-1a of 64 bits
/// (Fowler, Noll, Vo) with a zero byte behind each part.
std::string incident_id(std::initializer_list<std::string_view> parts);

}  // namespace outrider
