// Any text as an argument string, for both machines.
#include "tests/fuzz/fuzz_input.h"
#include "userspace/target/usdt_args.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  for (const auto operand : outrider::split_usdt_args(outrider::text_of(data, size))) {
    for (const auto machine : {outrider::Machine::kX86_64, outrider::Machine::kAarch64}) {
      const auto arg = outrider::parse_usdt_arg(operand, machine);
      outrider::demand(!arg || (arg->kind != OUTRIDER_ARG_NONE && arg->reg <= 31),
                       "an operand has a kind and a register");
    }
  }
  return 0;
}
