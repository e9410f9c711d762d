// Any bytes as call frame information, described at two places.
#include <cstdlib>
#include <span>

#include "userspace/symbols/call_frames.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint64_t kSection = 0x1000;
  constexpr std::size_t kMost = 1000;
  outrider::CallFrames frames({{data, size}, kSection}, kMost);
  const std::uint8_t place = size > 0 ? data[size - 1] : 0;
  frames.add_function(0x100, 0x200, kSection + place);
  frames.add_function(0x200, 0x100'0000, kSection);
  std::uint32_t last = 0;
  for (const outrider_unwind_row& row : frames.take()) {
    if (row.pc < last || row.pc >= 0x100'0000) std::abort();
    last = row.pc;
  }
  return 0;
}
