// How far from its linked addresses this very program was loaded.
#pragma once

#include <link.h>

#include <cstdint>

namespace outrider {

inline std::uint64_t load_bias() {
  std::uint64_t bias = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* out) {
        *static_cast<std::uint64_t*>(out) = info->dlpi_addr;
        return 1;  // the first one is the program
      },
      &bias);
  return bias;
}

}  // namespace outrider
