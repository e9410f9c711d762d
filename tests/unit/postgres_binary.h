// The PostgreSQL server that Debian or Ubuntu installed, of whatever version.
#pragma once

#include <filesystem>
#include <set>
#include <string>

namespace outrider {

/// Path of the newest installed `postgres`; empty if there is none.
inline std::string postgres_binary() {
  std::set<std::filesystem::path> found;
  std::error_code none;
  for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql", none)) {
    const auto path = version.path() / "bin" / "postgres";
    if (std::filesystem::exists(path)) found.insert(path);
  }
  return found.empty() ? std::string() : found.rbegin()->string();
}

}  // namespace outrider
