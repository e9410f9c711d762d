// Finds a variable in an ELF file's symbol tables. Meant for files nobody vouches for, as elf_notes.h is.
// Plain function without shared state: thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "userspace/base/result.h"

namespace outrider {

/// Address, as linked, of the variable `symbol` in the file behind `fd`, which stays the caller's and whose position is
/// not used. Looks at the dynamic symbols, which stripping leaves, and at the others. `name` is how messages call the
/// file. Errors: not an ELF file, or no such variable.
Result<std::uint64_t> find_data_symbol(int fd, std::string_view name, const std::string& symbol);

}  // namespace outrider
