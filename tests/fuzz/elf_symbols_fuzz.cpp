// Any bytes as an ELF file whose symbols are wanted. By its first byte an input is the file, or what its tables hold:
// the second byte says how much of it are the names.
#include <gelf.h>

#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/small_elf.h"
#include "userspace/base/elf_handle.h"
#include "userspace/symbols/symbol_table.h"
#include "userspace/target/elf_symbols.h"

namespace {

std::string file_of(std::string_view input) {
  if (input.size() < 2 || input[0] % 4 == 0) return std::string(input.substr(std::min<std::size_t>(1, input.size())));
  const std::uint32_t kind = input[0] % 4 == 1 ? SHT_DYNSYM : SHT_SYMTAB;
  const std::size_t names = std::min<std::size_t>(static_cast<unsigned char>(input[1]), input.size() - 2);
  const std::string_view texts = input.substr(2, names), symbols = input.substr(2 + names);
  if (input[0] % 4 == 3)
    return outrider::elf_with_sections({{SHT_NOTE, texts}, {kind, symbols}, {SHT_STRTAB, symbols}});
  return outrider::elf_with_sections({{kind, symbols}, {SHT_STRTAB, texts}});
}

// What attaching asks of a file whose functions are to be probed.
void look_for_functions(int fd) {
  const outrider::ElfHandle elf(elf_begin(fd, ELF_C_READ, nullptr));
  if (!elf || elf_kind(elf.get()) != ELF_K_ELF || gelf_getclass(elf.get()) != ELFCLASS64) return;
  for (const auto& [name, address] : outrider::find_functions(elf.get(), {"a", "main", "*a*", "_Z*"}))
    outrider::demand(outrider::fits("a", name) || outrider::fits("main", name) || outrider::fits("*a*", name) ||
                         outrider::fits("_Z*", name),
                     "what is found is what was wanted");
  outrider::made(outrider::ways_out(elf.get()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const outrider::Fd fd = outrider::memory_file(file_of(outrider::text_of(data, size)));
  outrider::made(outrider::find_data_symbol(fd.get(), "fuzz", "my_wait_event_info"));
  look_for_functions(fd.get());
  auto table = outrider::SymbolTable::read(fd.get(), "fuzz");
  if (!table) return 0;
  for (const std::uint64_t address : {std::uint64_t{0}, std::uint64_t{0x1010}, UINT64_MAX}) {
    if (const auto name = table->find(address))
      outrider::demand(!name->empty() && name->size() <= 4096, "a name is one");
    outrider::made(table->address_of(address));
  }
  outrider::demand(table->bytes() < (300U << 20U) && table->build_id().size() <= 128,
                   "a table is no larger than a file");
  auto other = outrider::SymbolTable::read(fd.get(), "again");
  if (other) table->take_functions(std::move(*other));
  outrider::demand(table->size() == 0 || table->size() <= size, "a function takes more than a byte");
  return 0;
}
