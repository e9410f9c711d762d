#include "userspace/target/usdt_args.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

namespace outrider {
namespace {

struct Register {
  int reg = 0;
  int width = 8;  ///< bytes that the name stands for
};

struct NamedRegister {
  std::string_view name;
  Register value;
};

constexpr NamedRegister kX86Registers[] = {
    {"rax", {OUTRIDER_REG_AX, 8}}, {"eax", {OUTRIDER_REG_AX, 4}}, {"ax", {OUTRIDER_REG_AX, 2}},
    {"al", {OUTRIDER_REG_AX, 1}},  {"rbx", {OUTRIDER_REG_BX, 8}}, {"ebx", {OUTRIDER_REG_BX, 4}},
    {"bx", {OUTRIDER_REG_BX, 2}},  {"bl", {OUTRIDER_REG_BX, 1}},  {"rcx", {OUTRIDER_REG_CX, 8}},
    {"ecx", {OUTRIDER_REG_CX, 4}}, {"cx", {OUTRIDER_REG_CX, 2}},  {"cl", {OUTRIDER_REG_CX, 1}},
    {"rdx", {OUTRIDER_REG_DX, 8}}, {"edx", {OUTRIDER_REG_DX, 4}}, {"dx", {OUTRIDER_REG_DX, 2}},
    {"dl", {OUTRIDER_REG_DX, 1}},  {"rsi", {OUTRIDER_REG_SI, 8}}, {"esi", {OUTRIDER_REG_SI, 4}},
    {"si", {OUTRIDER_REG_SI, 2}},  {"sil", {OUTRIDER_REG_SI, 1}}, {"rdi", {OUTRIDER_REG_DI, 8}},
    {"edi", {OUTRIDER_REG_DI, 4}}, {"di", {OUTRIDER_REG_DI, 2}},  {"dil", {OUTRIDER_REG_DI, 1}},
    {"rbp", {OUTRIDER_REG_BP, 8}}, {"ebp", {OUTRIDER_REG_BP, 4}}, {"bp", {OUTRIDER_REG_BP, 2}},
    {"bpl", {OUTRIDER_REG_BP, 1}}, {"rsp", {OUTRIDER_REG_SP, 8}}, {"esp", {OUTRIDER_REG_SP, 4}},
    {"sp", {OUTRIDER_REG_SP, 2}},  {"spl", {OUTRIDER_REG_SP, 1}}, {"rip", {OUTRIDER_REG_IP, 8}},
};

template <typename Number>
std::optional<Number> whole_number(std::string_view text, int base = 10) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

/// Decimal or 0x, signed; values up to 2^64 - 1 keep their bits.
std::optional<std::int64_t> number(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const int base = text.starts_with("0x") ? 16 : 10;
  if (base == 16) text.remove_prefix(2);
  const auto magnitude = whole_number<std::uint64_t>(text, base);
  if (!magnitude) return std::nullopt;
  return static_cast<std::int64_t>(negative ? 0 - *magnitude : *magnitude);
}

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

std::optional<Register> x86_register(std::string_view name) {
  for (const NamedRegister& known : kX86Registers) {
    if (known.name == name) return known.value;
  }
  // r8..r15 with the suffixes d, w, b
  if (name.size() < 2 || name[0] != 'r') return std::nullopt;
  int width = 8;
  if (name.back() == 'd') width = 4;
  if (name.back() == 'w') width = 2;
  if (name.back() == 'b') width = 1;
  const auto index = whole_number<unsigned>(name.substr(1, name.size() - (width == 8 ? 1 : 2)));
  if (!index || *index < 8 || *index > 15) return std::nullopt;
  return Register{OUTRIDER_REG_R8 + static_cast<int>(*index) - 8, width};
}

std::optional<Register> arm64_register(std::string_view name) {
  constexpr int kStackPointer = 31;
  if (name == "sp") return Register{kStackPointer, 8};
  if (name == "fp") return Register{29, 8};
  if (name == "lr") return Register{30, 8};
  if (name.size() < 2 || (name[0] != 'x' && name[0] != 'w')) return std::nullopt;
  const auto index = whole_number<unsigned>(name.substr(1));
  if (!index || *index > 30) return std::nullopt;
  return Register{static_cast<int>(*index), name[0] == 'x' ? 8 : 4};
}

/// One operand on its way: the text for messages and the argument being filled.
struct Operand {
  std::string_view text;
  outrider_arg arg{};

  [[nodiscard]] Error unreadable(std::string_view why) const {
    return Error{fmt::format("argument '{}' cannot be read: {}", text, why)};
  }
  /// The BPF side takes a constant as it is, so it is cut to the argument's size here.
  Result<outrider_arg> constant(std::int64_t value) {
    arg.kind = OUTRIDER_ARG_CONST;
    switch (arg.size) {
      case 1:
        value = static_cast<std::uint8_t>(value);
        break;
      case 2:
        value = static_cast<std::uint16_t>(value);
        break;
      case 4:
        value = static_cast<std::uint32_t>(value);
        break;
      case -1:
        value = std::int64_t{static_cast<std::int8_t>(value)};
        break;
      case -2:
        value = static_cast<std::int16_t>(value);
        break;
      case -4:
        value = static_cast<std::int32_t>(value);
        break;
      default:
        break;
    }
    arg.value = value;
    return arg;
  }
  Result<outrider_arg> in_register(Register place) {
    arg.kind = OUTRIDER_ARG_REG;
    arg.reg = static_cast<__u8>(place.reg);
    // The bits above the named part of a register are not the argument's.
    const int size = arg.size < 0 ? -arg.size : arg.size;
    if (size > place.width) arg.size = static_cast<__s8>(arg.size < 0 ? -place.width : place.width);
    return arg;
  }
  Result<outrider_arg> in_memory(Register base, std::int64_t displacement) {
    if (base.width != 8) return unreadable("its base is not a 64-bit register");
    arg.kind = OUTRIDER_ARG_DEREF;
    arg.reg = static_cast<__u8>(base.reg);
    arg.value = displacement;
    return arg;
  }
};

Result<outrider_arg> parse_x86_memory(Operand operand, std::string_view place) {
  const auto open = place.find('(');
  const std::string_view inside = place.substr(open + 1, place.size() - open - 2);
  const std::string_view before = place.substr(0, open);
  if (before.find(':') != std::string_view::npos) return operand.unreadable("it is relative to a segment register");
  if (inside.find(',') != std::string_view::npos) return operand.unreadable("it uses an index register");
  if (!inside.starts_with('%')) return operand.unreadable("its base is not a register");
  const auto base = x86_register(inside.substr(1));
  if (base && base->reg == OUTRIDER_REG_IP) return operand.unreadable("it is a symbol relative to %rip");
  if (!base) return operand.unreadable("its base register is unknown");
  const auto displacement = before.empty() ? std::optional<std::int64_t>(0) : number(before);
  if (!displacement) return operand.unreadable("its address is a symbol that the note does not resolve");
  return operand.in_memory(*base, *displacement);
}

Result<outrider_arg> parse_x86(Operand operand, std::string_view place) {
  if (place.starts_with('$')) {
    const auto value = number(place.substr(1));
    if (!value) return operand.unreadable("its constant is not a number");
    return operand.constant(*value);
  }
  if (place.ends_with(')') && place.find('(') != std::string_view::npos) return parse_x86_memory(operand, place);
  if (!place.starts_with('%')) return operand.unreadable("it is neither a constant, a register nor an address");
  if (place.find(':') != std::string_view::npos) return operand.unreadable("it is relative to a segment register");
  const std::string_view name = place.substr(1);
  if (name == "ah" || name == "bh" || name == "ch" || name == "dh") {
    return operand.unreadable("it is the second byte of a register");
  }
  const auto found = x86_register(name);
  if (!found) return operand.unreadable("the register is unknown or a vector register");
  return operand.in_register(*found);
}

Result<outrider_arg> parse_arm64(Operand operand, std::string_view place) {
  if (place.starts_with('[')) {
    if (!place.ends_with(']')) return operand.unreadable("its address has no end");
    const std::string_view inside = place.substr(1, place.size() - 2);
    const auto comma = inside.find(',');
    const auto base = arm64_register(trim(inside.substr(0, comma)));
    if (!base) return operand.unreadable("its base register is unknown");
    if (comma == std::string_view::npos) return operand.in_memory(*base, 0);
    std::string_view offset = trim(inside.substr(comma + 1));
    if (offset.starts_with('#')) offset.remove_prefix(1);
    if (arm64_register(offset.substr(0, offset.find(',')))) return operand.unreadable("it uses an index register");
    const auto displacement = number(offset);
    if (!displacement) return operand.unreadable("its offset is not a number");
    return operand.in_memory(*base, *displacement);
  }
  if (place == "xzr" || place == "wzr") return operand.constant(0);
  if (const auto found = arm64_register(place)) return operand.in_register(*found);
  if (place.starts_with('#')) place.remove_prefix(1);
  if (const auto value = number(place)) return operand.constant(*value);
  return operand.unreadable("the register is unknown or a vector register");
}

/// The "-4" of "-4@%eax"; a note without it means a machine word.
bool parse_size(std::string_view text, outrider_arg& arg) {
  const auto size = whole_number<int>(text);
  if (!size) return false;
  const auto is = [&](int bytes) { return *size == bytes || *size == -bytes; };
  if (!is(1) && !is(2) && !is(4) && !is(8)) return false;
  arg.size = static_cast<__s8>(*size);
  return true;
}

}  // namespace

std::vector<std::string_view> split_usdt_args(std::string_view args) {
  std::vector<std::string_view> parts;
  int depth = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= args.size(); ++i) {
    const char c = i < args.size() ? args[i] : ' ';
    if (c == '(' || c == '[') ++depth;
    if ((c == ')' || c == ']') && depth > 0) --depth;
    if (i < args.size() && (c != ' ' || depth > 0)) continue;
    if (i > begin) parts.push_back(args.substr(begin, i - begin));
    begin = i + 1;
  }
  return parts;
}

Result<outrider_arg> parse_usdt_arg(std::string_view text, Machine machine) {
  Operand operand{.text = text};
  operand.arg.size = 8;
  std::string_view place = text;
  const auto at = text.find('@');
  if (at != std::string_view::npos) {
    if (text.substr(0, at).ends_with('f')) return operand.unreadable("it is a floating point number");
    if (!parse_size(text.substr(0, at), operand.arg)) return operand.unreadable("its size is not 1, 2, 4 or 8 bytes");
    place = text.substr(at + 1);
  }
  if (place.empty()) return operand.unreadable("it is empty");
  return machine == Machine::kX86_64 ? parse_x86(operand, place) : parse_arm64(operand, place);
}

}  // namespace outrider
