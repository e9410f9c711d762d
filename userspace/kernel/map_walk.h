// Walks a kernel hash map with few system calls: the entries come in batches (Linux 5.6). Thread-safe.
#pragma once

#include <bpf/bpf.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace outrider {

/// Calls visit(key, value) for each entry. Those that come or go meanwhile may be seen or not; one that was there all
/// the time is seen exactly once.
template <typename Key, typename Value, typename Visit>
void for_each_entry(int map, Visit visit) {
  std::size_t room = 256;
  std::vector<Key> keys;
  std::vector<Value> values;
  std::uint32_t position = 0;
  for (bool first = true;;) {
    keys.resize(room);
    values.resize(room);
    auto count = static_cast<std::uint32_t>(room);
    std::uint32_t next = 0;
    const int result =
        bpf_map_lookup_batch(map, first ? nullptr : &position, &next, keys.data(), values.data(), &count, nullptr);
    if (result == -ENOSPC) {  // a single bucket of the map has more entries than that; nothing was passed over
      room *= 2;
      continue;
    }
    if (result != 0 && result != -ENOENT) return;
    for (std::uint32_t i = 0; i < count; ++i) visit(keys[i], values[i]);
    if (result != 0) return;  // the end
    position = next;
    first = false;
  }
}

}  // namespace outrider
