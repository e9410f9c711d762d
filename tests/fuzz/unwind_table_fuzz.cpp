// Any bytes as an ELF file whose call frames are wanted. By its first byte an input is the file, or the second byte
// says how much of it is the index of the frames, the rest being those.
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/small_elf.h"
#include "userspace/symbols/unwind_table.h"

namespace {

std::string file_of(std::string_view input) {
  if (input.size() < 2 || input[0] % 4 == 0) return std::string(input.substr(std::min<std::size_t>(1, input.size())));
  const std::size_t index = std::min<std::size_t>(static_cast<unsigned char>(input[1]), input.size() - 2);
  return outrider::elf_with_frames(input.substr(2, index), input.substr(2 + index));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const outrider::Fd fd = outrider::memory_file(file_of(outrider::text_of(data, size)));
  for (const std::size_t most : {1, 1000}) {
    const outrider::UnwindTable table = outrider::read_unwind_table(fd.get(), 0x10, most);
    outrider::demand(table.rows.size() <= most && !(table.too_large && !table.rows.empty()),
                     "a table is as large as wanted");
    std::uint32_t last = 0;
    for (const outrider_unwind_row& row : table.rows) {
      outrider::demand(row.pc >= last, "rows are by address");
      last = row.pc;
    }
  }
  return 0;
}
