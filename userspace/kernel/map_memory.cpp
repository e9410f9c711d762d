#include "userspace/kernel/map_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace outrider {
namespace {

std::size_t whole_pages(std::size_t size) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return (size + page - 1) / page * page;
}

}  // namespace

Result<MapMemory> MapMemory::make(int map_fd, std::size_t size) {
  MapMemory memory;
  memory.size_ = whole_pages(size);
  memory.address_ = mmap(nullptr, memory.size_, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
  if (memory.address_ == MAP_FAILED) {
    memory.address_ = nullptr;
    return Error::from_errno(errno, "map the kernel's counters");
  }
  return memory;
}

MapMemory::MapMemory(MapMemory&& other) noexcept
    : address_(std::exchange(other.address_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MapMemory& MapMemory::operator=(MapMemory&& other) noexcept {
  std::swap(address_, other.address_);
  std::swap(size_, other.size_);
  return *this;
}

MapMemory::~MapMemory() {
  if (address_ != nullptr) munmap(address_, size_);
}

}  // namespace outrider
