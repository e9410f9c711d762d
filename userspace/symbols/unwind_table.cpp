#include "userspace/symbols/unwind_table.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <gelf.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <span>

namespace outrider {

#if defined(__x86_64__)
namespace {

constexpr int kFramePointer = 6;  // DWARF's numbers of registers
constexpr int kStackPointer = 7;
constexpr int kReturnAddress = 16;
constexpr std::size_t kMaxHeader = 64U << 20;

struct ElfCloser {
  void operator()(Elf* elf) const { elf_end(elf); }
};
struct CfiCloser {
  void operator()(Dwarf_CFI* cfi) const { dwarf_cfi_end(cfi); }
};
struct FrameCloser {
  void operator()(Dwarf_Frame* frame) const { std::free(frame); }  // NOLINT: libdw hands out what malloc gave it
};
using Frame = std::unique_ptr<Dwarf_Frame, FrameCloser>;

std::optional<GElf_Phdr> find_segment(Elf* elf, auto matches) {
  std::size_t count = 0;
  if (elf_getphdrnum(elf, &count) != 0) return std::nullopt;
  for (std::size_t i = 0; i < std::min<std::size_t>(count, 1024); ++i) {
    GElf_Phdr header;
    if (gelf_getphdr(elf, static_cast<int>(i), &header) != nullptr && matches(header)) return header;
  }
  return std::nullopt;
}

// Where functions begin, from the sorted table of .eh_frame_hdr in the one encoding that linkers write.
std::vector<std::uint64_t> function_starts(int fd, const GElf_Phdr& segment) {
  constexpr std::array<unsigned char, 4> kUsual = {1, 0x1b, 0x03, 0x3b};
  constexpr std::size_t kHead = 12;
  if (segment.p_filesz < kHead || segment.p_filesz > kMaxHeader) return {};
  std::vector<unsigned char> bytes(segment.p_filesz);
  if (pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(segment.p_offset)) != static_cast<ssize_t>(bytes.size()))
    return {};
  if (!std::equal(kUsual.begin(), kUsual.end(), bytes.begin())) return {};
  std::uint32_t count = 0;
  std::memcpy(&count, bytes.data() + 8, sizeof(count));
  count = std::min<std::uint32_t>(count, static_cast<std::uint32_t>((bytes.size() - kHead) / 8));
  std::vector<std::uint64_t> starts;
  starts.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    std::int32_t relative = 0;
    std::memcpy(&relative, bytes.data() + kHead + std::size_t{8} * i, sizeof(relative));
    starts.push_back(segment.p_vaddr + static_cast<std::uint64_t>(static_cast<std::int64_t>(relative)));
  }
  std::sort(starts.begin(), starts.end());
  return starts;
}

// A register is saved at the canonical frame address plus this; none: in any other way.
std::optional<std::int64_t> saved_at(Dwarf_Frame* frame, int number, bool& same, bool& undefined) {
  std::array<Dwarf_Op, 3> memory{};
  Dwarf_Op* ops = nullptr;
  std::size_t count = 0;
  same = undefined = false;
  if (dwarf_frame_register(frame, number, memory.data(), &ops, &count) != 0) return std::nullopt;
  same = count == 0 && ops == nullptr;
  undefined = count == 0 && ops == memory.data();
  if (count == 0 || count > 2 || ops[0].atom != DW_OP_call_frame_cfa) return std::nullopt;
  if (count == 1) return 0;
  if (ops[1].atom != DW_OP_plus_uconst) return std::nullopt;
  return static_cast<std::int64_t>(ops[1].number);
}

// The one expression that linkers write, for their jump tables: sp + 8 + ((ip & 15) >= 11) * 8.
bool is_plt(std::span<const Dwarf_Op> ops) {
  constexpr std::array<std::uint8_t, 8> kAtoms = {DW_OP_breg7, DW_OP_breg16, DW_OP_lit15, DW_OP_and,
                                                  DW_OP_lit11, DW_OP_ge,     DW_OP_lit3,  DW_OP_shl};
  if (ops.size() != kAtoms.size() + 1 || ops.back().atom != DW_OP_plus || ops[0].number != 8) return false;
  return std::equal(kAtoms.begin(), kAtoms.end(), ops.begin(),
                    [](std::uint8_t atom, const Dwarf_Op& op) { return atom == op.atom; });
}

void read_cfa(Dwarf_Frame* frame, outrider_unwind_row& row) {
  Dwarf_Op* ops = nullptr;
  std::size_t count = 0;
  if (dwarf_frame_cfa(frame, &ops, &count) != 0 || count == 0) return;
  if (is_plt({ops, count})) {
    row.cfa = OUTRIDER_CFA_PLT;
    return;
  }
  if (count != 1 || ops[0].atom != DW_OP_bregx) return;
  const auto offset = static_cast<std::int64_t>(ops[0].number2);
  if (offset < 0 || offset > std::numeric_limits<std::int16_t>::max()) return;
  row.cfa_offset = static_cast<std::int16_t>(offset);
  if (ops[0].number == kStackPointer) row.cfa = OUTRIDER_CFA_SP;
  if (ops[0].number == kFramePointer) row.cfa = OUTRIDER_CFA_FP;
}

outrider_unwind_row read_row(Dwarf_Frame* frame, std::uint64_t pc, bool signal) {
  outrider_unwind_row row{
      .pc = static_cast<std::uint32_t>(pc), .cfa_offset = 0, .cfa = OUTRIDER_CFA_NONE, .fp_offset = 0};
  bool same = false;
  bool undefined = false;
  const auto caller = saved_at(frame, kReturnAddress, same, undefined);
  if (undefined) {
    row.cfa = OUTRIDER_CFA_END;
    return row;
  }
  if (signal || caller != -8) return row;
  const auto pointer = saved_at(frame, kFramePointer, same, undefined);
  if (!pointer && !same && !undefined) return row;
  if (pointer && (*pointer % 8 != 0 || *pointer >= 0 || *pointer < -1024)) return row;
  read_cfa(frame, row);
  if (pointer) row.fp_offset = static_cast<std::int8_t>(*pointer / 8);
  return row;
}

class Rows {
 public:
  explicit Rows(std::size_t most) : most_(most) {}

  void add(const outrider_unwind_row& row) {
    if (!rows_.empty() && rows_.back().cfa == row.cfa && rows_.back().cfa_offset == row.cfa_offset &&
        rows_.back().fp_offset == row.fp_offset)
      return;
    rows_.push_back(row);
  }
  [[nodiscard]] bool full() const { return rows_.size() > most_; }
  std::vector<outrider_unwind_row> take() { return std::move(rows_); }

  // The rows of one function, which ends before `next`.
  void add_function(Dwarf_CFI* cfi, std::uint64_t start, std::uint64_t next) {
    std::uint64_t pc = start;
    while (pc < next && !full()) {
      Dwarf_Frame* raw = nullptr;
      if (dwarf_cfi_addrframe(cfi, pc, &raw) != 0) break;
      const Frame frame(raw);
      Dwarf_Addr begin = 0;
      Dwarf_Addr end = 0;
      bool signal = false;
      if (dwarf_frame_info(frame.get(), &begin, &end, &signal) < 0 || end <= pc) break;
      add(read_row(frame.get(), pc, signal));
      pc = end;
    }
    if (pc < next)
      add({.pc = static_cast<std::uint32_t>(pc), .cfa_offset = 0, .cfa = OUTRIDER_CFA_NONE, .fp_offset = 0});
  }

 private:
  std::size_t most_;
  std::vector<outrider_unwind_row> rows_;
};

}  // namespace

UnwindTable read_unwind_table(int fd, std::uint64_t offset, std::size_t most) {
  constexpr std::uint64_t kHighest = std::numeric_limits<std::uint32_t>::max();
  elf_version(EV_CURRENT);
  const std::unique_ptr<Elf, ElfCloser> elf(elf_begin(fd, ELF_C_READ, nullptr));
  if (!elf || elf_kind(elf.get()) != ELF_K_ELF || gelf_getclass(elf.get()) != ELFCLASS64) return {};
  const auto loaded = find_segment(elf.get(), [offset](const GElf_Phdr& header) {
    // Mappings begin at whole pages, which may be before the segment.
    constexpr std::uint64_t kPage = 4095;
    return header.p_type == PT_LOAD && offset >= (header.p_offset & ~kPage) &&
           offset < header.p_offset + header.p_filesz;
  });
  const auto index = find_segment(elf.get(), [](const GElf_Phdr& h) { return h.p_type == PT_GNU_EH_FRAME; });
  const std::unique_ptr<Dwarf_CFI, CfiCloser> cfi(dwarf_getcfi_elf(elf.get()));
  if (!loaded || !index || !cfi) return {};
  const std::vector<std::uint64_t> starts = function_starts(fd, *index);
  if (starts.empty() || starts.back() >= kHighest) return {};
  Rows rows(most);
  for (std::size_t i = 0; i < starts.size() && !rows.full(); ++i) {
    if (i > 0 && starts[i] == starts[i - 1]) continue;
    rows.add_function(cfi.get(), starts[i], i + 1 < starts.size() ? starts[i + 1] : kHighest);
  }
  if (rows.full()) return {.linked = 0, .too_large = true, .rows = {}};
  return {.linked = loaded->p_vaddr + offset - loaded->p_offset, .too_large = false, .rows = rows.take()};
}
#else
UnwindTable read_unwind_table(int, std::uint64_t, std::size_t) { return {}; }
#endif

}  // namespace outrider
