// Any text as an argument string, for both machines.
#include <cstdlib>
#include <string_view>

#include "userspace/target/usdt_args.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto operand : outrider::split_usdt_args(text)) {
    for (const auto machine : {outrider::Machine::kX86_64, outrider::Machine::kAarch64}) {
      const auto arg = outrider::parse_usdt_arg(operand, machine);
      if (arg && (arg->kind == OUTRIDER_ARG_NONE || arg->reg > 31)) std::abort();
    }
  }
  return 0;
}
