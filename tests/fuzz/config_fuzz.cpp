// Any text as the configuration; a good one is written and read to the same.
#include "tests/fuzz/fuzz_input.h"
#include "userspace/config/load.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const outrider::Folder kFolder;
  const std::string_view text = outrider::text_of(data, size);
  outrider::made(outrider::load_config(kFolder.write("outrider.toml", text)));
  const auto config = outrider::parse_config(text, "f.toml");
  if (!config) {
    outrider::demand(config.error().message.starts_with("f.toml:"), "a fault has its place");
    return 0;
  }
  auto again = outrider::parse_config(outrider::to_toml(*config), "again.toml");
  if (!again) std::fprintf(stderr, "%s\n", again.error().message.c_str());
  outrider::demand(again && *again == *config, "a configuration is read back");
  return 0;
}
