// Any text as a profile.
#include "tests/fuzz/fuzz_input.h"
#include "userspace/target/profile.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto profile = outrider::parse_profile(outrider::text_of(data, size), "f.toml");
  if (!profile) {
    outrider::demand(profile.error().message.starts_with("f.toml:"), "a fault has its place");
    return 0;
  }
  outrider::demand(!profile->name.empty() && !profile->probes.empty(), "a profile is whole");
  for (const outrider::ProfileProbe& probe : profile->probes) {
    outrider::demand(probe.label.size() < OUTRIDER_TYPE_NAME, "a phase's name fits");
    outrider::demand(probe.arguments_needed() >= 0 && probe.arguments_needed() <= 64, "arguments are few");
  }
  return 0;
}
