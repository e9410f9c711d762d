// The slowest queries of an interval, from the lists of bpf/lib/slow.h. Owns its mapping of them; not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/kernel/map_memory.h"
#include "userspace/model/single_query.h"

namespace outrider {

class SlowLists {
 public:
  SlowLists() = default;
  /// Descriptors of the maps slow_lists and slow_texts; they stay the caller's.
  SlowLists(int lists, int texts) : lists_map_(lists), texts_map_(texts) {}

  /// Maps the lists of the first `used` slots. Error: out of memory.
  Status refresh(std::uint32_t used);

  /// Empties the lists of the coming interval `epoch`, which nobody writes yet.
  void clear(std::uint32_t epoch);

  /// Empties the lists of one slot.
  void forget(std::uint32_t slot);

  /// Appends those of `slot`, whose type is `type`, that ended in the interval `epoch`, which is over. False: the list
  /// was in use all the time.
  [[nodiscard]] bool read(std::uint32_t slot, std::uint32_t epoch, const std::string& type,
                          std::vector<SlowQuery>& queries) const;

 private:
  void empty(std::uint32_t slot, std::uint32_t epoch);
  [[nodiscard]] std::string text(std::uint32_t key) const;

  int lists_map_ = -1, texts_map_ = -1;
  std::uint32_t used_ = 0;
  MapMemory memory_;
};

}  // namespace outrider
