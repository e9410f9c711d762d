#include "userspace/target/elf_symbols.h"

#include <fmt/format.h>
#include <gelf.h>

#include <cstring>
#include <memory>
#include <optional>
#include <span>

namespace outrider {
namespace {

// For all tables together: far more than any engine has. A hostile header could claim the size of a sparse file for
// each of its sections.
constexpr std::size_t kMaxTables = 256u << 20;

struct ElfCloser {
  void operator()(Elf* elf) const { elf_end(elf); }
};

/// The raw bytes of a section, taken from the budget; none if there are none in the file.
std::span<const char> section_bytes(Elf_Scn* section, std::size_t& budget) {
  GElf_Shdr header;
  if (section == nullptr || gelf_getshdr(section, &header) == nullptr || header.sh_size > budget) return {};
  if ((header.sh_flags & SHF_COMPRESSED) != 0 || header.sh_type == SHT_NOBITS) return {};
  budget -= header.sh_size;
  const Elf_Data* data = elf_rawdata(section, nullptr);
  if (data == nullptr || data->d_buf == nullptr) return {};
  return {static_cast<const char*>(data->d_buf), data->d_size};
}

/// `name` with its terminating NUL at this offset of the names?
bool is_named(std::span<const char> names, std::size_t offset, const std::string& name) {
  const std::size_t length = name.size() + 1;
  return offset < names.size() && names.size() - offset >= length &&
         std::memcmp(names.data() + offset, name.c_str(), length) == 0;
}

std::optional<std::uint64_t> find_in_table(std::span<const char> table, std::span<const char> names,
                                           const std::string& symbol) {
  for (std::size_t at = 0; table.size() - at >= sizeof(Elf64_Sym); at += sizeof(Elf64_Sym)) {
    Elf64_Sym entry;
    std::memcpy(&entry, table.data() + at, sizeof(entry));
    const bool defined = entry.st_shndx != SHN_UNDEF && entry.st_value != 0;
    if (ELF64_ST_TYPE(entry.st_info) == STT_OBJECT && defined && is_named(names, entry.st_name, symbol)) {
      return entry.st_value;
    }
  }
  return std::nullopt;
}

}  // namespace

Result<std::uint64_t> find_data_symbol(int fd, std::string_view name, const std::string& symbol) {
  elf_version(EV_CURRENT);
  // Not by mmap: a file that shrinks while it is read would raise SIGBUS.
  const std::unique_ptr<Elf, ElfCloser> elf(elf_begin(fd, ELF_C_READ, nullptr));
  if (!elf || elf_kind(elf.get()) != ELF_K_ELF || gelf_getclass(elf.get()) != ELFCLASS64) {
    return Error{fmt::format("{} is no 64-bit ELF file whose symbols could be read", name)};
  }
  std::size_t budget = kMaxTables;
  for (Elf_Scn* section = elf_nextscn(elf.get(), nullptr); section != nullptr;
       section = elf_nextscn(elf.get(), section)) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) == nullptr) continue;
    if (header.sh_type != SHT_DYNSYM && header.sh_type != SHT_SYMTAB) continue;
    const auto names = section_bytes(elf_getscn(elf.get(), header.sh_link), budget);
    if (const auto found = find_in_table(section_bytes(section, budget), names, symbol)) return *found;
  }
  return Error{fmt::format("{} has no variable '{}' in its symbol tables", name, symbol)};
}

}  // namespace outrider
