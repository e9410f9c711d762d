#include "userspace/target/site_code.h"

#include <unistd.h>

#include <algorithm>
#include <array>

namespace outrider {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::array<std::uint8_t, 10> kNop10Bytes = {0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0};
constexpr std::array<std::uint8_t, 4> kEndbr64Bytes = {0xf3, 0x0f, 0x1e, 0xfa};
constexpr std::array<std::uint8_t, 4> kArm64Nop = {0x1f, 0x20, 0x03, 0xd5};
constexpr std::uint32_t kArm64BrkMask = 0xffe0001f;
constexpr std::uint32_t kArm64Brk = 0xd4200000;

template <std::size_t N>
bool starts_with(Bytes code, const std::array<std::uint8_t, N>& prefix) {
  return code.size() >= N && std::equal(prefix.begin(), prefix.end(), code.begin());
}

bool is_legacy_prefix(std::uint8_t byte) {
  constexpr std::array<std::uint8_t, 11> kPrefixes = {0x66, 0x67, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0xf2, 0xf3, 0xf0};
  return std::find(kPrefixes.begin(), kPrefixes.end(), byte) != kPrefixes.end();
}

/// Length of ModRM, SIB and displacement at the front of `code`; 0 if it is cut off.
std::size_t operand_length(Bytes code) {
  if (code.empty()) return 0;
  const unsigned mode = code[0] >> 6;
  const unsigned rm = code[0] & 7;
  std::size_t length = 1;
  bool absolute = mode == 0 && rm == 5;
  if (mode != 3 && rm == 4) {
    if (code.size() < 2) return 0;
    ++length;
    absolute = mode == 0 && (code[1] & 7) == 5;
  }
  if (mode == 1) length += 1;
  if (mode == 2 || absolute) length += 4;
  return length <= code.size() ? length : 0;
}

/// lea or mov of a register to itself, which assemblers use as padding.
bool moves_to_itself(std::uint8_t opcode, Bytes operand, std::uint8_t rex) {
  if (operand.empty()) return false;
  const unsigned mode = operand[0] >> 6;
  const unsigned target = ((operand[0] >> 3) & 7) | ((rex & 4) != 0 ? 8 : 0);
  unsigned source = (operand[0] & 7) | ((rex & 1) != 0 ? 8 : 0);
  if (opcode == 0x89 || opcode == 0x8b) return mode == 3 && source == target;
  if (opcode != 0x8d || mode == 3 || mode == 0) return false;
  std::size_t displacement = 1;
  if ((operand[0] & 7) == 4) {
    if (operand.size() < 2 || ((operand[1] >> 3) & 7) != 4 || (rex & 2) != 0) return false;  // has an index
    source = (operand[1] & 7) | ((rex & 1) != 0 ? 8 : 0);
    displacement = 2;
  }
  const Bytes offset = operand.subspan(displacement);
  return source == target && std::all_of(offset.begin(), offset.end(), [](std::uint8_t b) { return b == 0; });
}

/// Length of the nop at the front of `code`, in whatever encoding the kernel takes for one; 0: none.
std::size_t nop_length(Bytes code) {
  std::size_t at = 0;
  while (at < code.size() && is_legacy_prefix(code[at])) {
    if (code[at] == 0xf3) return 0;  // pause, or endbr64
    ++at;
  }
  std::uint8_t rex = 0;
  if (at < code.size() && (code[at] & 0xf0) == 0x40) rex = code[at++];
  if (at >= code.size()) return 0;
  const std::uint8_t opcode = code[at++];
  if (opcode == 0x90) return (rex & 1) != 0 ? 0 : at;
  if (opcode == 0x0f) {
    if (at >= code.size() || code[at] != 0x1f) return 0;
    const std::size_t operand = operand_length(code.subspan(at + 1));
    return operand == 0 ? 0 : at + 1 + operand;
  }
  if (opcode != 0x89 && opcode != 0x8b && opcode != 0x8d) return 0;
  const std::size_t operand = operand_length(code.subspan(at));
  return operand != 0 && moves_to_itself(opcode, code.subspan(at, operand), rex) ? at + operand : 0;
}

bool is_push(Bytes code) {
  if (!code.empty() && code[0] == 0x41) code = code.subspan(1);  // r8..r15
  return !code.empty() && code[0] >= 0x50 && code[0] <= 0x57;
}

SiteCode classify_x86(Bytes code) {
  if (code[0] == 0xcc) return SiteCode::kInt3;
  if (code[0] == 0x90) return starts_with(code.subspan(1), kNop10Bytes) ? SiteCode::kNopNop10 : SiteCode::kNop;
  if (starts_with(code, kNop10Bytes)) return SiteCode::kNop10;
  if (nop_length(code) == 5) return SiteCode::kNop5;
  if (starts_with(code, kEndbr64Bytes)) {
    return is_push(code.subspan(kEndbr64Bytes.size())) ? SiteCode::kEndbr64Push : SiteCode::kEndbr64;
  }
  return is_push(code) ? SiteCode::kPush : SiteCode::kOther;
}

SiteCode classify_arm64(Bytes code) {
  if (code.size() < 4) return SiteCode::kUnreadable;
  if (starts_with(code, kArm64Nop)) return SiteCode::kNop;
  const std::uint32_t word = code[0] | code[1] << 8 | code[2] << 16 | static_cast<std::uint32_t>(code[3]) << 24;
  return (word & kArm64BrkMask) == kArm64Brk ? SiteCode::kInt3 : SiteCode::kOther;
}

SiteVerdict cheap(std::string words, unsigned shift = 0) { return {true, shift, false, std::move(words)}; }
SiteVerdict stepped(std::string words) { return {true, 0, true, std::move(words)}; }
SiteVerdict refused(std::string words) { return {false, 0, false, std::move(words)}; }

SiteVerdict decide_nop5(UprobeGeneration generation, bool allow_nop5) {
  if (generation != UprobeGeneration::kUnsafeNop5) {
    return stepped("a 5-byte nop: safe on this kernel, single-stepped where the kernel does not emulate it");
  }
  if (!allow_nop5) {
    return refused(
        "a 5-byte nop: this kernel would turn it into a call that overwrites the engine's red zone and kills its "
        "forked "
        "children; rebuild the engine with 1-byte nops (outrider's probe header) or use another kernel");
  }
  return cheap(
      "a 5-byte nop: dangerous on this kernel (wrong results, dying children), attached because it was insisted on");
}

}  // namespace

SiteCode classify_site(Bytes code, Machine machine) {
  if (code.empty()) return SiteCode::kUnreadable;
  return machine == Machine::kX86_64 ? classify_x86(code) : classify_arm64(code);
}

SiteCode read_site_code(int fd, std::uint64_t offset, Machine machine) {
  std::array<std::uint8_t, kSiteBytes> code{};
  const ssize_t got = pread(fd, code.data(), code.size(), static_cast<off_t>(offset));
  if (got <= 0) return SiteCode::kUnreadable;
  return classify_site(Bytes(code.data(), static_cast<std::size_t>(got)), machine);
}

std::string_view site_code_name(SiteCode code) {
  switch (code) {
    case SiteCode::kNop:
      return "nop";
    case SiteCode::kNopNop10:
      return "nop1+nop10";
    case SiteCode::kNop5:
      return "nop5";
    case SiteCode::kNop10:
      return "nop10";
    case SiteCode::kPush:
      return "push";
    case SiteCode::kEndbr64:
      return "endbr64";
    case SiteCode::kEndbr64Push:
      return "endbr64+push";
    case SiteCode::kInt3:
      return "breakpoint";
    case SiteCode::kOther:
      return "other";
    case SiteCode::kUnreadable:
      return "unreadable";
  }
  return "unknown";
}

SiteVerdict decide_site(SiteCode code, UprobeGeneration generation, bool allow_nop5) {
  switch (code) {
    case SiteCode::kNop:
      return cheap("emulated: about half a microsecond a hit");
    case SiteCode::kNopNop10:
      if (generation == UprobeGeneration::kSafeNop10) return cheap("optimised: about a quarter microsecond a hit", 1);
      return cheap("emulated: about half a microsecond a hit");
    case SiteCode::kNop5:
      return decide_nop5(generation, allow_nop5);
    case SiteCode::kNop10:
      if (generation == UprobeGeneration::kSafeNop10) return cheap("optimised: about a quarter microsecond a hit");
      return refused(
          "a bare 10-byte nop: this kernel refuses or never fires a probe on it; rebuild the engine with "
          "outrider's probe header, which puts a 1-byte nop before it");
    case SiteCode::kPush:
      return cheap("emulated: about half a microsecond a hit");
    case SiteCode::kEndbr64Push:
      return cheap("attached behind the endbr64, on the push, which is emulated", 4);
    case SiteCode::kEndbr64:
      return stepped("endbr64: single-stepped, up to 16 microseconds a hit in a virtual machine");
    case SiteCode::kInt3:
      return refused(
          "the file itself has a breakpoint here, on which the kernel allows no probe; reinstall the binary "
          "if a debugger left it");
    case SiteCode::kOther:
      return stepped("single-stepped: up to 16 microseconds a hit in a virtual machine");
    case SiteCode::kUnreadable:
      return refused("the file has no instruction here; it may be damaged, reinstall it");
  }
  return refused("unknown instruction");
}

}  // namespace outrider
