// Rows made of call frame information that is put together by hand here, after the tables of DWARF 5, 6.4.2; and of
// what no compiler wrote.
#include "userspace/symbols/call_frames.h"

#include <dwarf.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <ostream>
#include <vector>

static bool operator==(const outrider_unwind_row& a, const outrider_unwind_row& b) {
  return a.pc == b.pc && a.cfa == b.cfa && a.cfa_offset == b.cfa_offset && a.fp_offset == b.fp_offset;
}

static std::ostream& operator<<(std::ostream& out, const outrider_unwind_row& row) {
  return out << row.pc << ": cfa " << int{row.cfa} << " + " << row.cfa_offset << ", fp " << int{row.fp_offset};
}

namespace outrider {
namespace {

using Bytes = std::vector<std::uint8_t>;
using Rows = std::vector<outrider_unwind_row>;

constexpr std::uint64_t kSection = 0x5000;
constexpr std::uint64_t kStart = 0x1000;
constexpr std::uint8_t kLength = 0x40;
constexpr std::uint64_t kNext = 0x1080;
constexpr std::size_t kMost = 100;

void append(Bytes& to, const Bytes& more) { to.insert(to.end(), more.begin(), more.end()); }

void append_entry(Bytes& to, const Bytes& contents) {
  const auto length = static_cast<std::uint32_t>(contents.size());
  const std::size_t at = to.size();
  to.resize(at + sizeof(length));
  std::memcpy(to.data() + at, &length, sizeof(length));
  append(to, contents);
}

struct Section {
  Bytes bytes;
  std::uint64_t description = 0;
};

// What GCC begins with: the CFA is sp + 8, the return address 8 below it.
const Bytes kInitially = {DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1};

// One common entry, one function with pointers of four bytes relative to their place.
Section section_of(const Bytes& instructions, const Bytes& initially = kInitially, const Bytes& letters = {'z', 'R', 0},
                   const Bytes& letters_data = {1, DW_EH_PE_pcrel | DW_EH_PE_sdata4},
                   std::uint8_t return_register = 16) {
  Section made;
  Bytes common = {0, 0, 0, 0, 1};
  append(common, letters);
  append(common, {1, 0x78, return_register});  // code by 1, data by -8
  append(common, letters_data);
  append(common, initially);
  append_entry(made.bytes, common);
  made.description = kSection + made.bytes.size();
  Bytes function = {static_cast<std::uint8_t>(made.bytes.size() + 4), 0, 0, 0, 0, 0, 0, 0, kLength, 0, 0, 0, 0};
  append(function, instructions);
  append_entry(made.bytes, function);
  return made;
}

Rows rows_of(const Section& section) {
  CallFrames frames({section.bytes, kSection}, kMost);
  frames.add_function(kStart, kNext, section.description);
  EXPECT_FALSE(frames.is_full());
  return frames.take();
}

outrider_unwind_row row(std::uint64_t pc, outrider_cfa cfa, std::int16_t offset = 0, std::int8_t pointer = 0) {
  return {.pc = static_cast<std::uint32_t>(pc),
          .cfa_offset = offset,
          .cfa = static_cast<std::uint8_t>(cfa),
          .fp_offset = pointer};
}

const outrider_unwind_row kGap = row(kStart + kLength, OUTRIDER_CFA_NONE);
const Rows kNothing = {row(kStart, OUTRIDER_CFA_NONE)};

TEST(CallFrames, AFunctionWithAFramePointer) {
  // push rbp (1 byte); mov rbp, rsp (3); ...; pop rbp, at 0x30 (1)
  const Section section =
      section_of({DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16, DW_CFA_offset | 6, 2, DW_CFA_advance_loc | 3,
                  DW_CFA_def_cfa_register, 6, DW_CFA_advance_loc1, 0x2d, DW_CFA_restore | 6, DW_CFA_def_cfa, 7, 8});
  EXPECT_EQ(rows_of(section),
            (Rows{row(kStart, OUTRIDER_CFA_SP, 8), row(kStart + 1, OUTRIDER_CFA_SP, 16, -2),
                  row(kStart + 4, OUTRIDER_CFA_FP, 16, -2), row(kStart + 0x31, OUTRIDER_CFA_SP, 8), kGap}));
}

TEST(CallFrames, WhatIsRememberedComesBack) {
  const Section section = section_of({DW_CFA_remember_state, DW_CFA_advance_loc2, 4, 0, DW_CFA_def_cfa_offset, 0x80, 1,
                                      DW_CFA_advance_loc4, 4, 0, 0, 0, DW_CFA_restore_state});
  EXPECT_EQ(rows_of(section), (Rows{row(kStart, OUTRIDER_CFA_SP, 8), row(kStart + 4, OUTRIDER_CFA_SP, 128),
                                    row(kStart + 8, OUTRIDER_CFA_SP, 8), kGap}));
}

TEST(CallFrames, TheOutermostFunctionHasNoReturnAddress) {
  EXPECT_EQ(rows_of(section_of({DW_CFA_undefined, 16})), (Rows{row(kStart, OUTRIDER_CFA_END), kGap}));
}

TEST(CallFrames, LinkersJumpTables) {
  Bytes expression = {DW_CFA_def_cfa_expression,
                      11,
                      DW_OP_breg7,
                      8,
                      DW_OP_breg16,
                      0,
                      DW_OP_lit15,
                      DW_OP_and,
                      DW_OP_lit11,
                      DW_OP_ge,
                      DW_OP_lit3,
                      DW_OP_shl,
                      DW_OP_plus};
  EXPECT_EQ(rows_of(section_of(expression)), (Rows{row(kStart, OUTRIDER_CFA_PLT), kGap}));
  expression[3] = 16;
  EXPECT_EQ(rows_of(section_of(expression)), kNothing) << "another expression";
}

// After an expression the register is no base until an offset is given, as in libgcrypt's assembly.
TEST(CallFrames, AnExpressionLeavesNoOffset) {
  const Section section = section_of({DW_CFA_def_cfa_expression, 1, DW_OP_breg0, DW_CFA_advance_loc | 4,
                                      DW_CFA_def_cfa_register, 7, DW_CFA_advance_loc | 4, DW_CFA_def_cfa_offset, 48});
  EXPECT_EQ(rows_of(section), (Rows{row(kStart, OUTRIDER_CFA_NONE), row(kStart + 8, OUTRIDER_CFA_SP, 48), kGap}));
}

TEST(CallFrames, FramesThatTheKernelSideCannotFollow) {
  EXPECT_EQ(rows_of(section_of({DW_CFA_def_cfa, 0, 8})), kNothing) << "another register";
  EXPECT_EQ(rows_of(section_of({DW_CFA_def_cfa_offset, 0x80, 0x80, 2})), kNothing) << "32 KiB";
  EXPECT_EQ(rows_of(section_of({DW_CFA_offset | 16, 2})), kNothing) << "the return address elsewhere";
  EXPECT_EQ(rows_of(section_of({DW_CFA_register, 6, 3})), kNothing) << "the frame pointer in a register";
  EXPECT_EQ(rows_of(section_of({DW_CFA_offset | 6, 0x81, 1})), kNothing) << "the frame pointer 1032 bytes away";
  EXPECT_EQ(rows_of(section_of({}, kInitially, {'z', 'R', 'S', 0})), kNothing) << "a signal's frame";
}

TEST(CallFrames, WhatNoCompilerWrote) {
  const Bytes huge = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f};  // 2^62 and more
  Bytes registers = {DW_CFA_offset_extended};
  append(registers, huge);
  append(registers, {1, DW_CFA_offset | 6, 2});
  EXPECT_EQ(rows_of(section_of(registers)), (Rows{row(kStart, OUTRIDER_CFA_SP, 8, -2), kGap}))
      << "a register that no machine has";
  EXPECT_EQ(rows_of(section_of({0x3f})), kNothing) << "no instruction";
  EXPECT_EQ(rows_of(section_of({DW_CFA_restore_state})), kNothing) << "nothing was remembered";
  EXPECT_EQ(rows_of(section_of(Bytes(1000, DW_CFA_remember_state))), kNothing) << "without end";
  EXPECT_EQ(rows_of(section_of({DW_CFA_def_cfa, 7})), kNothing) << "cut off";
  EXPECT_EQ(rows_of(section_of({DW_CFA_val_expression, 6, 100})), kNothing) << "a block beyond the end";
  EXPECT_EQ(rows_of(section_of(Bytes(100, DW_CFA_offset | 6))), kNothing) << "a number without end";
  EXPECT_EQ(rows_of(section_of({}, {}, {'z', 'Q', 0})), kNothing) << "an augmentation that is not known";
  EXPECT_EQ(rows_of(section_of({}, kInitially, {'z', 'R', 0}, {1, DW_EH_PE_omit})), kNothing);
  EXPECT_EQ(rows_of(section_of({}, kInitially, {'z', 'R', 0}, {1, 0x1b}, 17)), kNothing) << "another return register";
}

TEST(CallFrames, ADescriptionThatIsNowhere) {
  Section section = section_of({});
  for (const std::uint64_t at : {std::uint64_t{0}, kSection - 1, kSection, kSection + section.bytes.size() - 2,
                                 kSection + section.bytes.size(), ~std::uint64_t{0}}) {
    section.description = at;
    EXPECT_EQ(rows_of(section), kNothing) << at;
  }
}

// Each instruction is a byte; a function may have millions of them, and there may be millions of functions.
TEST(CallFrames, WorkEnds) {
  const Section section = section_of(Bytes(1U << 20, DW_CFA_advance_loc | 0));
  CallFrames frames({section.bytes, kSection}, kMost);
  int functions = 0;
  while (!frames.is_full() && functions < 1000) {
    frames.add_function(kStart, kNext, section.description);
    ++functions;
  }
  EXPECT_TRUE(frames.is_full());
  EXPECT_LT(functions, 100);
}

TEST(CallFrames, RowsEnd) {
  Bytes instructions;
  for (std::uint8_t i = 0; i < 60; ++i) append(instructions, {DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, i});
  const Section section = section_of(instructions);
  CallFrames frames({section.bytes, kSection}, 10);
  frames.add_function(kStart, kNext, section.description);
  EXPECT_TRUE(frames.is_full());
  EXPECT_LE(frames.take().size(), 12U);
}

}  // namespace
}  // namespace outrider
