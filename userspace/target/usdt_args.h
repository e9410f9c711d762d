// Decodes the argument strings of USDT notes ("-4@$0 8@%rdi 4@-136(%rbp)") into the ABI's outrider_arg. Operands that
// the BPF side cannot read (index registers, symbols, vector registers) are reported with the reason. Thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bpf/abi/abi.h"
#include "userspace/base/result.h"
#include "userspace/target/elf_notes.h"

namespace outrider {

/// "a b" -> {"a", "b"}; blanks inside () and [] do not separate.
std::vector<std::string_view> split_usdt_args(std::string_view args);

/// One operand as the note has it, e.g. "8@%rdi". The error says which operand and why it cannot be read.
Result<outrider_arg> parse_usdt_arg(std::string_view operand, Machine machine);

}  // namespace outrider
