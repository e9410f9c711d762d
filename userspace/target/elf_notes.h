// Reads the USDT notes (`.note.stapsdt`) of an ELF file into probes with file offsets, which is what uprobes want.
// Meant for files nobody vouches for: bounds are checked, a bad note is skipped with its reason and never fatal.
// Plain functions without shared state: thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/target/elf_symbols.h"

namespace outrider {

/// Notes read from one file at most; real binaries have up to a few thousand.
inline constexpr std::size_t kMaxNotes = 65536;
/// Skipped notes that are described one by one; all of them are counted.
inline constexpr std::size_t kMaxSkippedListed = 256;
/// Instruction bytes kept of each site: the 1-byte nop, the 10-byte nop and some more.
inline constexpr std::size_t kSiteBytes = 16;

/// The providers of places that are no notes: where a function begins, and where it returns to.
inline constexpr std::string_view kFunctionProvider = "function";
inline constexpr std::string_view kReturnProvider = "return";

enum class Machine { kX86_64, kAarch64 };

/// One usable note, or a function by its name: its `args` are those that a function is called with by the machine's
/// rules (six whole numbers or pointers), or what it returns. Offsets are into the file; addresses are as linked,
/// corrected for prelink.
struct ElfProbe {
  std::string provider;
  std::string name;
  std::string args;  ///< as the compiler wrote it: "8@%rdi -4@$0"
  std::uint64_t address = 0;
  std::uint64_t offset = 0;             ///< of the site, inside an executable segment
  std::uint64_t semaphore_address = 0;  ///< 0: the probe has no semaphore
  std::uint64_t semaphore_offset = 0;   ///< inside a writable segment; 0: no semaphore
  std::array<std::uint8_t, kSiteBytes> code{};
  std::size_t code_size = 0;  ///< bytes of `code` that the file has
};

struct SkippedNote {
  std::string probe;  ///< "provider:name", or "note at 0x..." where that much could not be read
  std::string reason;
};

struct ElfProbes {
  Machine machine = Machine::kX86_64;
  bool stripped = false;                         ///< no .symtab
  bool has_notes = false;                        ///< there is a .note.stapsdt section
  bool throws = false, switches_stacks = false;  ///< see WaysOut
  std::string build_id;                          ///< lower-case hex, empty if there is none
  std::vector<ElfProbe> probes;
  std::vector<SkippedNote> skipped;  ///< at most kMaxSkippedListed
  std::size_t skipped_count = 0;     ///< all that were skipped
};

/// Reads the probes of the file behind `fd`, which stays the caller's and whose position is not used. `name` is how
/// messages call the file. A file without notes is a success with no probes. Errors: not ELF, 32-bit, another
/// machine or byte order than x86-64 and arm64 little-endian, damaged so that nothing can be read. Those of `functions`
/// that the file has are probes as well, each twice: of kFunctionProvider and of kReturnProvider.
Result<ElfProbes> read_probes(int fd, std::string_view name, const FunctionNames& functions = {});

}  // namespace outrider
