// Any bytes as the file of silences; patterns in it are matched with a notice of everyday names.
#include "tests/fuzz/fuzz_input.h"
#include "userspace/alerts/silence.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const outrider::Folder kFolder;
  const std::string path = kFolder.write("silences.json", outrider::text_of(data, size));
  outrider::SilenceFile file(path);
  const bool good = static_cast<bool>(file.refresh());
  outrider::demand(static_cast<bool>(file.refresh()), "a fault is told once");
  outrider::Notice notice;
  notice.name = "High Response Time";
  notice.rule_id = "response_time_high";
  notice.target = "graph";
  for (const outrider::Silence& one : file.silences()) {
    for (const char* type : {"", "path"}) {
      notice.type = type;
      outrider::made(outrider::silences(one, notice, one.begin_ms));
    }
  }
  const auto changed = outrider::change_silences(path, [](std::vector<outrider::Silence>& all) -> outrider::Status {
    all.push_back({.id = "more", .begin_ms = 1, .until_ms = 2, .comment = "\xff"});
    return outrider::Ok{};
  });
  outrider::demand(good || !changed, "a damaged file stays as it is");
  const auto again = outrider::read_silences(path);
  outrider::demand(!changed || (again && again->size() == file.silences().size() + 1), "silences are read back");
  return 0;
}
