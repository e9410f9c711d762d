// What instruction a probe site is, what probing it would do, and whether and where to probe. Pure: thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "userspace/target/elf_notes.h"
#include "userspace/target/uprobe_generation.h"

namespace outrider {

enum class SiteCode {
  kNop,          ///< 1-byte nop (x86-64), `nop` (arm64)
  kNopNop10,     ///< 1-byte nop, then `66 2e 0f 1f 84 00 00 00 00 00`: the layout of outrider's own macros
  kNop5,         ///< any nop of 5 bytes
  kNop10,        ///< that 10-byte nop without the 1-byte nop before it
  kPush,         ///< push of a register
  kEndbr64,      ///< endbr64 followed by something that must be single-stepped
  kEndbr64Push,  ///< endbr64, then push of a register
  kInt3,         ///< a breakpoint that is in the file itself
  kOther,
  kUnreadable,  ///< the file has no such bytes
};

/// The instruction at the beginning of `code`, which should hold kSiteBytes bytes.
SiteCode classify_site(std::span<const std::uint8_t> code, Machine machine);

/// Reads the bytes at `offset` of `fd` (borrowed) and classifies them.
SiteCode read_site_code(int fd, std::uint64_t offset, Machine machine);

/// "nop1+nop10", "push %reg", ...
std::string_view site_code_name(SiteCode code);

struct SiteVerdict {
  bool usable = false;
  unsigned shift = 0;           ///< bytes to add to the site's offset
  bool single_stepped = false;  ///< costs microseconds a hit rather than half of one
  std::string consequence;      ///< in words; for unusable sites the reason and what to do
};

/// Whether and where to attach on a kernel of this generation. `allow_nop5`: the user insists on dangerous nop5 sites.
SiteVerdict decide_site(SiteCode code, UprobeGeneration generation, bool allow_nop5 = false);

}  // namespace outrider
