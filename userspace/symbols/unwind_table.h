// What a file's .eh_frame says about its stack frames, as rows for the kernel side (bpf/abi/unwind.h). Plain function
// without shared state: thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bpf/abi/unwind.h"

namespace outrider {

struct UnwindTable {
  std::uint64_t linked = 0;               ///< address as linked of what is at the offset that was asked for
  bool too_large = false;                 ///< more rows than were wanted: there are none
  std::vector<outrider_unwind_row> rows;  ///< by address; empty: there is nothing that could be used
};

/// Reads the file behind `fd`, which stays the caller's and of which `offset` is loaded. At most `most` rows, else
/// none.
UnwindTable read_unwind_table(int fd, std::uint64_t offset, std::size_t most);

}  // namespace outrider
