// Any bytes as folded stacks; what was read is written and read to the same sum.
#include "tests/fuzz/fuzz_input.h"
#include "userspace/export/flame_text.h"
#include "userspace/export/folded_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const outrider::Folder kFolder;
  const std::string_view text = outrider::text_of(data, size);
  outrider::made(outrider::read_folded(kFolder.write("a.folded", text)));
  auto tree = outrider::parse_folded(text, "a.folded");
  if (!tree) return 0;
  const std::uint64_t total = tree->total();
  outrider::FlameGraph graph({}, *std::move(tree));
  const auto again = outrider::parse_folded(outrider::flame_folded(graph), "again");
  // A frame that ends in a number makes a line look like one of a difference.
  outrider::demand(!again || again->total() == total, "no value is lost");
  outrider::made(outrider::flame_json(graph, 0));
  return 0;
}
