// Memory that the kernel's programs and the agent share. Owns its mapping; not thread-safe.
#pragma once

#include <cstddef>

#include "userspace/base/result.h"

namespace outrider {

/// A mapping of the first `size` bytes of an mmap-able map.
class MapMemory {
 public:
  MapMemory() = default;
  static Result<MapMemory> make(int map_fd, std::size_t size);
  MapMemory(MapMemory&& other) noexcept;
  MapMemory& operator=(MapMemory&& other) noexcept;
  MapMemory(const MapMemory&) = delete;
  MapMemory& operator=(const MapMemory&) = delete;
  ~MapMemory();

  template <typename T>
  [[nodiscard]] T* as() const {
    return static_cast<T*>(address_);
  }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  void* address_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace outrider
