// Any bytes as recorded figures; the first byte says whether a column is asked for by name.
#include <cstdlib>

#include "tests/fuzz/fuzz_input.h"
#include "userspace/detect/csv_samples.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static const outrider::Folder kFolder;
  const std::string path = kFolder.write("a.csv", outrider::text_of(data + 1, size - 1));
  const auto column = data[0] % 2 == 0 ? std::nullopt : std::optional<std::string>("value");
  std::size_t rows = 0;
  const auto summary = outrider::read_csv(path, column, [&](const outrider::RecordedRow& row) {
    ++rows;
    outrider::demand(std::abs(row.sample.time_ms) < 300'000'000'000'000, "a time is one");
  });
  outrider::demand(!summary || (summary->rows == rows && summary->back <= rows), "each row is counted");
  outrider::made(outrider::read_csv((kFolder.path() / "none").string(), column, [](const outrider::RecordedRow&) {}));
  return 0;
}
