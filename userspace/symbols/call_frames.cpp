#include "userspace/symbols/call_frames.h"

#include <dwarf.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <optional>

namespace outrider {
namespace {

constexpr std::uint64_t kFramePointer = 6;  // DWARF's numbers of registers
constexpr std::uint64_t kStackPointer = 7;
constexpr std::uint64_t kReturnAddress = 16;
constexpr std::size_t kMostRemembered = 64;
constexpr std::int64_t kNoOffset = -1;  // after an expression, until one is given
constexpr std::size_t kLongestText = 16;
constexpr unsigned kMostBits = 70;  // of a number in sevens
constexpr std::size_t kStepsOfFunction = 8;

// Bytes of a value in this encoding of a pointer; 0: not one that is used.
std::size_t size_of(std::uint8_t encoding) {
  switch (encoding & 0x0fU) {
    case DW_EH_PE_absptr:
    case DW_EH_PE_udata8:
    case DW_EH_PE_sdata8:
      return 8;
    case DW_EH_PE_udata4:
    case DW_EH_PE_sdata4:
      return 4;
    case DW_EH_PE_udata2:
    case DW_EH_PE_sdata2:
      return 2;
    default:
      return 0;
  }
}

// The one expression that linkers write, for their jump tables: sp + 8 + ((ip & 15) >= 11) * 8.
bool is_plt(std::span<const std::uint8_t> expression) {
  constexpr std::array<std::uint8_t, 11> kBytes = {DW_OP_breg7, 8,         DW_OP_breg16, 0,
                                                   DW_OP_lit15, DW_OP_and, DW_OP_lit11,  DW_OP_ge,
                                                   DW_OP_lit3,  DW_OP_shl, DW_OP_plus};
  return std::equal(expression.begin(), expression.end(), kBytes.begin(), kBytes.end());
}

}  // namespace

/// Reads on from a place; behind the end it gives zeros and says so.
class CallFrames::Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> bytes) : left_(bytes) {}

  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] std::uint8_t peek() const { return left_.empty() ? 0 : left_.front(); }
  [[nodiscard]] bool at_end() const { return left_.empty(); }

  std::span<const std::uint8_t> take(std::uint64_t count) {
    if (count > left_.size()) {
      failed_ = true;
      left_ = {};
      return {};
    }
    const auto taken = left_.first(count);
    left_ = left_.subspan(count);
    return taken;
  }
  std::uint64_t number(std::size_t size) {
    std::uint64_t value = 0;
    const auto bytes = take(size);
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }
  std::uint8_t byte() { return static_cast<std::uint8_t>(number(1)); }

  std::uint64_t uleb() {
    unsigned shift = 0;
    return leb(shift);
  }
  std::int64_t sleb() {
    unsigned shift = 0;
    std::uint64_t value = leb(shift);
    if (!failed_ && shift < 64 && (value >> (shift - 1) & 1U) != 0) value |= ~std::uint64_t{0} << shift;
    return static_cast<std::int64_t>(value);
  }
  std::string_view text() {
    const auto head = left_.first(std::min(left_.size(), kLongestText));
    const auto length = static_cast<std::size_t>(std::find(head.begin(), head.end(), 0) - head.begin());
    failed_ = failed_ || length == head.size();
    const auto bytes = take(length);
    take(1);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  std::span<const std::uint8_t> block() { return take(uleb()); }

 private:
  // `shift`: bits that were read. Those beyond the 64th are lost.
  std::uint64_t leb(unsigned& shift) {
    std::uint64_t value = 0;
    for (bool more = true; more;) {
      failed_ = failed_ || shift >= kMostBits;
      if (failed_) return 0;
      const std::uint8_t next = byte();
      if (shift < 64) value |= std::uint64_t{next & 0x7fU} << shift;
      shift += 7;
      more = (next & 0x80U) != 0;
    }
    return value;
  }

  std::span<const std::uint8_t> left_;
  bool failed_ = false;
};

namespace {

bool is_of_cfa(std::uint8_t code) {
  return (code >= DW_CFA_def_cfa && code <= DW_CFA_def_cfa_expression) ||
         (code >= DW_CFA_def_cfa_sf && code <= DW_CFA_def_cfa_offset_sf);
}

// Wraps where a file says something absurd.
std::int64_t scaled(std::uint64_t value, std::int64_t factor) {
  return static_cast<std::int64_t>(value * static_cast<std::uint64_t>(factor));
}

}  // namespace

// The contents of the entry that begins at `at`, without its length.
CallFrames::Reader CallFrames::entry_at(std::size_t at) const {
  if (at >= section_.bytes.size()) return Reader({});
  Reader reader(section_.bytes.subspan(at));
  const std::uint64_t length = reader.number(4);
  // The long form is for entries of 4 GiB and more.
  return Reader(length == 0xffffffffU ? std::span<const std::uint8_t>() : reader.take(length));
}

bool CallFrames::read_augmentation(Reader& reader, std::string_view letters, Common& common) {
  for (const char letter : letters) {
    switch (letter) {
      case 'R':
        common.encoding = reader.byte();
        break;
      case 'L':
        reader.byte();
        break;
      case 'P': {
        const std::size_t size = size_of(reader.byte());
        if (size == 0) return false;
        reader.take(size);
        break;
      }
      case 'S':
        common.signal = true;
        break;
      default:
        return false;
    }
  }
  return true;
}

bool CallFrames::read_common(std::size_t at, Common& common) {
  Reader reader = entry_at(at);
  const std::uint64_t id = reader.number(4);
  const std::uint8_t version = reader.byte();
  std::string_view letters = reader.text();
  common.code_factor = reader.uleb();
  common.data_factor = reader.sleb();
  const std::uint64_t caller = version == 1 ? reader.byte() : reader.uleb();
  if (reader.failed() || id != 0 || (version != 1 && version != 3) || caller != kReturnAddress) return false;
  if (letters.starts_with('z')) {
    letters.remove_prefix(1);
    common.augmented = true;
    Reader data(reader.block());
    if (!read_augmentation(data, letters, common) || data.failed()) return false;
  } else if (!letters.empty()) {
    return false;
  }
  State state;
  if (reader.failed()) return false;
  for (remembered_.clear(); !reader.at_end();) {
    if (!run_one(reader, common, state)) return false;
  }
  common.initial = state;
  return !reader.failed();
}

// Null: of no interest.
CallFrames::Rule* CallFrames::rule_of(State& state, std::uint64_t number) {
  if (number == kFramePointer) return &state.frame_pointer;
  if (number == kReturnAddress) return &state.return_address;
  return nullptr;
}

// One instruction on the CFA; false: there is no such.
bool CallFrames::define_cfa(Reader& reader, std::uint8_t code, const Common& common, State& state) {
  const auto set_base = [&](std::uint64_t number) {
    state.cfa = OUTRIDER_CFA_NONE;
    if (number == kStackPointer) state.cfa = OUTRIDER_CFA_SP;
    if (number == kFramePointer) state.cfa = OUTRIDER_CFA_FP;
  };
  const bool with_base = code == DW_CFA_def_cfa || code == DW_CFA_def_cfa_sf || code == DW_CFA_def_cfa_register;
  if (with_base) set_base(reader.uleb());
  switch (code) {
    case DW_CFA_def_cfa_register:
      break;
    case DW_CFA_def_cfa:
    case DW_CFA_def_cfa_offset:
      state.cfa_offset = scaled(reader.uleb(), 1);
      break;
    case DW_CFA_def_cfa_sf:
    case DW_CFA_def_cfa_offset_sf:
      state.cfa_offset = scaled(static_cast<std::uint64_t>(reader.sleb()), common.data_factor);
      break;
    case DW_CFA_def_cfa_expression:
      state.cfa = is_plt(reader.block()) ? OUTRIDER_CFA_PLT : OUTRIDER_CFA_NONE;
      state.cfa_offset = kNoOffset;
      break;
    default:
      return false;
  }
  return !reader.failed();
}

// One instruction on a register; false: there is no such.
bool CallFrames::define_rule(Reader& reader, std::uint8_t code, const Common& common, State& state) {
  // The order of the operands is that of the calls.
  const std::uint64_t number = reader.uleb();
  Rule rule{Rule::Kind::kOther, 0};
  switch (code) {
    case DW_CFA_offset_extended:
      rule = {Rule::Kind::kAtOffset, scaled(reader.uleb(), common.data_factor)};
      break;
    case DW_CFA_offset_extended_sf:
      rule = {Rule::Kind::kAtOffset, scaled(static_cast<std::uint64_t>(reader.sleb()), common.data_factor)};
      break;
    case DW_CFA_GNU_negative_offset_extended:
      rule = {Rule::Kind::kAtOffset, scaled(~reader.uleb() + 1, common.data_factor)};
      break;
    case DW_CFA_undefined:
      rule.kind = Rule::Kind::kUndefined;
      break;
    case DW_CFA_same_value:
      rule.kind = Rule::Kind::kSame;
      break;
    case DW_CFA_register:
    case DW_CFA_val_offset:
    case DW_CFA_val_offset_sf:
      reader.uleb();
      break;
    case DW_CFA_expression:
    case DW_CFA_val_expression:
      reader.block();
      break;
    default:
      return false;
  }
  if (Rule* known = rule_of(state, number)) *known = rule;
  return !reader.failed();
}

// One instruction that does not move on; false: there is no such.
bool CallFrames::run_one(Reader& reader, const Common& common, State& state) {
  ++steps_;
  const std::uint8_t code = reader.byte();
  const std::uint8_t low = code & 0x3fU;
  const auto restore = [&](std::uint64_t number) {
    State initial = common.initial;
    if (const Rule* first = rule_of(initial, number)) *rule_of(state, number) = *first;
  };
  if ((code & 0xc0U) == DW_CFA_offset) {
    const Rule rule{Rule::Kind::kAtOffset, scaled(reader.uleb(), common.data_factor)};
    if (Rule* known = rule_of(state, low)) *known = rule;
    return !reader.failed();
  }
  if ((code & 0xc0U) == DW_CFA_restore) {
    restore(low);
    return true;
  }
  switch (code) {
    case DW_CFA_nop:
      return true;
    case DW_CFA_restore_extended:
      restore(reader.uleb());
      return !reader.failed();
    case DW_CFA_remember_state:
      if (remembered_.size() == kMostRemembered) return false;
      remembered_.push_back(state);
      return true;
    case DW_CFA_restore_state:
      if (remembered_.empty()) return false;
      state = remembered_.back();
      remembered_.pop_back();
      return true;
    case DW_CFA_GNU_args_size:
      reader.uleb();
      return !reader.failed();
    default:
      return is_of_cfa(code) ? define_cfa(reader, code, common, state) : define_rule(reader, code, common, state);
  }
}

// By how much the instruction at hand moves on; none: it is none of these, and was not taken.
std::optional<std::uint64_t> CallFrames::advance(Reader& reader, const Common& common) {
  const std::uint8_t code = reader.peek();
  std::size_t size = 0;
  if ((code & 0xc0U) == DW_CFA_advance_loc) {
    reader.byte();
    return (code & 0x3fU) * common.code_factor;
  }
  if (code == DW_CFA_advance_loc1) size = 1;
  if (code == DW_CFA_advance_loc2) size = 2;
  if (code == DW_CFA_advance_loc4) size = 4;
  if (size == 0) return std::nullopt;
  reader.byte();
  return reader.number(size) * common.code_factor;
}

void CallFrames::add_function(std::uint64_t start, std::uint64_t next, std::uint64_t description) {
  const std::uint64_t end = describe(start, next, description);
  // Behind its end, and where it was not understood.
  if (end < next)
    add_row({.pc = static_cast<std::uint32_t>(end), .cfa_offset = 0, .cfa = OUTRIDER_CFA_NONE, .fp_offset = 0});
}

// Adds the rows; returns up to where they hold.
std::uint64_t CallFrames::describe(std::uint64_t start, std::uint64_t next, std::uint64_t description) {
  steps_ += kStepsOfFunction;
  const std::uint64_t at = description - section_.address;
  Reader reader = entry_at(at);
  const std::uint64_t back = reader.number(4);  // from here to the common entry; 0: this is one
  Common common;
  if (reader.failed() || back == 0 || back > at + 4 || !read_common(at + 4 - back, common)) return start;
  const std::size_t size = size_of(common.encoding);
  reader.take(size);  // the start, which is known
  const std::uint64_t length = reader.number(size);
  if (common.augmented) reader.block();
  if (size == 0 || reader.failed()) return start;
  const std::uint64_t end = std::min(next, start + std::min(length, next - start));
  State state = common.initial;
  std::uint64_t pc = start;
  for (remembered_.clear(); !reader.at_end() && !is_full();) {
    if (const auto distance = advance(reader, common)) {
      if (reader.failed()) return pc;
      if (*distance >= end - pc) break;
      if (*distance > 0) add_row(state, common.signal, pc);
      pc += *distance;
    } else if (!run_one(reader, common, state)) {
      return pc;
    }
  }
  if (pc < end) add_row(state, common.signal, pc);
  return end;
}

void CallFrames::add_row(const State& state, bool signal, std::uint64_t pc) {
  outrider_unwind_row row{
      .pc = static_cast<std::uint32_t>(pc), .cfa_offset = 0, .cfa = OUTRIDER_CFA_NONE, .fp_offset = 0};
  const Rule& pointer = state.frame_pointer;
  const bool saved = pointer.kind == Rule::Kind::kAtOffset;
  const bool usable = saved ? pointer.offset % 8 == 0 && pointer.offset < 0 && pointer.offset >= -1024
                            : pointer.kind != Rule::Kind::kOther;
  const bool is_jump_table = state.cfa == OUTRIDER_CFA_PLT;
  const std::int64_t offset = state.cfa_offset;
  if (state.return_address.kind == Rule::Kind::kUndefined) {
    row.cfa = OUTRIDER_CFA_END;
  } else if (!signal && usable && state.cfa != OUTRIDER_CFA_NONE &&
             state.return_address.kind == Rule::Kind::kAtOffset && state.return_address.offset == -8 &&
             (is_jump_table || offset >= 0) && offset <= std::numeric_limits<std::int16_t>::max()) {
    row.cfa = static_cast<std::uint8_t>(state.cfa);
    row.cfa_offset = static_cast<std::int16_t>(is_jump_table ? 0 : offset);
    row.fp_offset = static_cast<std::int8_t>(saved ? pointer.offset / 8 : 0);
  }
  add_row(row);
}

void CallFrames::add_row(const outrider_unwind_row& row) {
  if (!rows_.empty() && rows_.back().cfa == row.cfa && rows_.back().cfa_offset == row.cfa_offset &&
      rows_.back().fp_offset == row.fp_offset)
    return;
  rows_.push_back(row);
}

}  // namespace outrider
