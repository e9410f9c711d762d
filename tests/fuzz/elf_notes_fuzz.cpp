// Any bytes as an ELF file. Random bytes rarely get past the header, so half of the inputs are laid over a good one.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "tests/unit/elf_builder.h"
#include "userspace/target/elf_notes.h"

namespace {

/// A good file whose notes, or header and segments, are replaced by the fuzzer's bytes.
std::string laid_over(std::string bytes) {
  using outrider::build_elf;
  if (bytes.empty()) return bytes;
  const auto choice = static_cast<unsigned char>(bytes[0]) % 4;
  bytes.erase(0, 1);
  if (choice == 0) return bytes;
  if (choice == 1) return build_elf({.notes = bytes});
  std::string file = build_elf({.notes = outrider::stapsdt_note({})});
  const std::size_t begin = choice == 2 ? 4 : outrider::kNotesOffset;
  std::copy_n(bytes.begin(), std::min(bytes.size(), file.size() - begin), file.begin() + static_cast<long>(begin));
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string file = laid_over(std::string(reinterpret_cast<const char*>(data), size));
  const outrider::Fd fd = outrider::memory_file(file);
  const auto result = outrider::read_probes(fd.get(), "fuzz", {"*"});
  if (!result) return 0;
  for (const auto& probe : result->probes) {
    if (probe.offset >= file.size() || probe.semaphore_offset >= file.size()) std::abort();
  }
  return 0;
}
