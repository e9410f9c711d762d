// Any bytes as Redis's answer to INFO.
#include "tests/fuzz/fuzz_input.h"
#include "userspace/audit/engine_counter.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto count = outrider::parse_redis_info(outrider::text_of(data, size));
  outrider::demand(!count || !count->epoch.empty(), "a count belongs to a run");
  return 0;
}
