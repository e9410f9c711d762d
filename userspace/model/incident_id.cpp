#include "userspace/model/incident_id.h"

#include <fmt/format.h>

#include <cstdint>

namespace outrider {

std::string incident_id(std::initializer_list<std::string_view> parts) {
  constexpr std::uint64_t kBasis = 14'695'981'039'346'656'037ULL;
  constexpr std::uint64_t kPrime = 1'099'511'628'211ULL;
  std::uint64_t hash = kBasis;
  for (const std::string_view part : parts) {
    for (const char byte : part) hash = (hash ^ static_cast<unsigned char>(byte)) * kPrime;
    hash *= kPrime;
  }
  return fmt::format("{:016x}", hash);
}

}  // namespace outrider
