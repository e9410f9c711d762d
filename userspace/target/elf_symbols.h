// Finds variables and functions in an ELF file's symbol tables. Meant for files nobody vouches for, as elf_notes.h is.
// Plain functions without shared state: thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "userspace/base/result.h"

struct Elf;

namespace outrider {

/// Names, and patterns as the shell has them for files ("parse_*").
using FunctionNames = std::set<std::string, std::less<>>;

/// Found in one file at most; far more than anybody may want to probe.
inline constexpr std::size_t kMaxFunctions = 1000;

/// Functions that return twice, or on another stack: a return probe puts its own address where they look for theirs.
bool returns_oddly(std::string_view function);

/// Whether the name of a function is what `pattern` says.
bool fits(const std::string& pattern, const std::string& function);

/// Address, as linked, of the variable `symbol` in the file behind `fd`, which stays the caller's and whose position is
/// not used. Looks at the dynamic symbols, which stripping leaves, and at the others. `name` is how messages call the
/// file. Errors: not an ELF file, or no such variable.
Result<std::uint64_t> find_data_symbol(int fd, std::string_view name, const std::string& symbol);

/// Addresses, as linked, of those of the functions that the file has. One that the dynamic linker chooses when the
/// program starts (an IFUNC) is none, nor is a piece that the compiler has cut off another one (`.cold`): it is jumped
/// to. What a pattern finds has each address once, and nothing that returns twice or on another stack.
std::map<std::string, std::uint64_t> find_functions(Elf* elf, const FunctionNames& wanted);

/// How code of the file may leave a function otherwise than by returning.
struct WaysOut {
  /// It throws, or lets through what a library throws, as C++ and Rust do; it is Go, whose stacks move; or it has no
  /// symbols by which that could be told.
  bool throws = false;
  bool switches_stacks = false;  ///< to another one with swapcontext() or setcontext()
};
WaysOut ways_out(Elf* elf);

}  // namespace outrider
