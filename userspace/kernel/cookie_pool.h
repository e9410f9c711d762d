// The attach cookies of probe sites. Not thread-safe.
#pragma once

#include <fmt/format.h>

#include <cerrno>
#include <cstdint>
#include <set>

#include "userspace/base/result.h"

namespace outrider {

/// Cookies are indices of the `sites` map; shared by the session and the probe sets that give them back.
class CookiePool {
 public:
  explicit CookiePool(std::uint32_t capacity) : capacity_(capacity) {}
  Result<std::uint32_t> take() {
    if (!free_.empty()) return free_.extract(free_.begin()).value();
    if (next_ == capacity_) return Error{fmt::format("more than {} probe sites", capacity_), ENOSPC};
    return next_++;
  }
  void give_back(std::uint32_t cookie) { free_.insert(cookie); }

 private:
  std::uint32_t capacity_;
  std::uint32_t next_ = 1;  // a cookie of 0 means that none was set
  std::set<std::uint32_t> free_;
};

}  // namespace outrider
