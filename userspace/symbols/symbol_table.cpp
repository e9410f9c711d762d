#include "userspace/symbols/symbol_table.h"

#include <fmt/format.h>
#include <gelf.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>

#include "userspace/base/elf_handle.h"

namespace outrider {
namespace {

constexpr std::size_t kMaxName = 4096;
// Functions that overlap are rare and nest at most so deep.
constexpr std::ptrdiff_t kMaxOverlap = 16;

std::size_t leading_underscores(std::string_view name) {
  const std::size_t at = name.find_first_not_of('_');
  return at == std::string_view::npos ? name.size() : at;
}

// Of the names of one function the one that people write: pthread_mutex_lock, not ___pthread_mutex_lock.
bool is_better(std::string_view a, std::string_view b) {
  const std::size_t in_a = leading_underscores(a);
  const std::size_t in_b = leading_underscores(b);
  if (in_a != in_b) return in_a < in_b;
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

std::string hexadecimal(std::span<const char> bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

}  // namespace

/// Reads one file into a table.
struct SymbolTable::Reader {
  Elf* elf;
  SymbolTable& table;
  std::size_t budget;

  std::span<const char> bytes_of(Elf_Scn* section) {
    GElf_Shdr header;
    if (section == nullptr || gelf_getshdr(section, &header) == nullptr || header.sh_size > budget) return {};
    if ((header.sh_flags & SHF_COMPRESSED) != 0 || header.sh_type == SHT_NOBITS) return {};
    budget -= header.sh_size;
    const Elf_Data* data = elf_rawdata(section, nullptr);
    if (data == nullptr || data->d_buf == nullptr) return {};
    return {static_cast<const char*>(data->d_buf), data->d_size};
  }

  void read_segments() {
    std::size_t count = 0;
    if (elf_getphdrnum(elf, &count) != 0) return;
    for (std::size_t i = 0; i < std::min<std::size_t>(count, 1024); ++i) {
      GElf_Phdr header;
      if (gelf_getphdr(elf, static_cast<int>(i), &header) == nullptr || header.p_type != PT_LOAD) continue;
      table.segments_.push_back({header.p_offset, header.p_filesz, header.p_vaddr});
    }
  }

  void read_build_id(Elf_Scn* section) {
    constexpr std::size_t kLongestId = 64;
    const auto bytes = bytes_of(section);
    Elf64_Nhdr note;
    if (bytes.size() < sizeof(note)) return;
    std::memcpy(&note, bytes.data(), sizeof(note));
    const std::size_t at = sizeof(note) + 4;  // behind "GNU"
    if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 || note.n_descsz > kLongestId) return;
    if (bytes.size() < at + note.n_descsz || std::memcmp(bytes.data() + sizeof(note), "GNU", 4) != 0) return;
    table.build_id_ = hexadecimal(bytes.subspan(at, note.n_descsz));
  }

  // Calls visit(entry, name) for each function that there is room for; what the budget has left then.
  template <typename Visit>
  std::size_t for_each_function(std::span<const char> entries, std::span<const char> names, Visit visit) const {
    std::size_t left = budget;
    for (std::size_t at = 0; entries.size() - at >= sizeof(Elf64_Sym); at += sizeof(Elf64_Sym)) {
      Elf64_Sym entry;
      std::memcpy(&entry, entries.data() + at, sizeof(entry));
      const auto type = ELF64_ST_TYPE(entry.st_info);
      if (type != STT_FUNC && type != STT_GNU_IFUNC) continue;
      if (entry.st_shndx == SHN_UNDEF || entry.st_size == 0 || entry.st_name >= names.size()) continue;
      if (entry.st_value + entry.st_size < entry.st_value) continue;
      const char* name = names.data() + entry.st_name;
      const std::string_view text(name, strnlen(name, std::min(kMaxName, names.size() - entry.st_name)));
      const std::size_t length = text.substr(0, text.find('@')).size();  // without the version: "name@@GLIBC_2.34"
      // Many symbols may share one name, so the bytes that were read do not bound what is kept.
      const std::size_t cost = length + 1 + sizeof(Function);
      if (length == 0 || cost > left) continue;
      left -= cost;
      visit(entry, text.substr(0, length));
    }
    return left;
  }

  void read_functions(Elf_Scn* section, std::size_t names_index) {
    const auto names = bytes_of(elf_getscn(elf, names_index));
    const auto entries = bytes_of(section);
    // Counted first: vectors that grow would take twice the room for a moment.
    std::size_t count = 0, bytes = 0;
    for_each_function(entries, names, [&](const Elf64_Sym&, std::string_view name) {
      ++count;
      bytes += name.size() + 1;
    });
    table.functions_.reserve(count);
    table.names_.reserve(bytes);
    budget = for_each_function(entries, names, [&](const Elf64_Sym& entry, std::string_view name) {
      const auto offset = static_cast<std::uint32_t>(table.names_.size());
      table.names_.insert(table.names_.end(), name.begin(), name.end());
      table.names_.push_back(0);
      table.functions_.push_back({entry.st_value, entry.st_value + entry.st_size, offset});
    });
  }

  void read_sections() {
    Elf_Scn* chosen = nullptr;
    GElf_Shdr chosen_header{};
    for (Elf_Scn* section = elf_nextscn(elf, nullptr); section != nullptr; section = elf_nextscn(elf, section)) {
      GElf_Shdr header;
      if (gelf_getshdr(section, &header) == nullptr) continue;
      if (header.sh_type == SHT_NOTE && table.build_id_.empty()) read_build_id(section);
      const bool full = header.sh_type == SHT_SYMTAB;
      if (!full && (header.sh_type != SHT_DYNSYM || chosen != nullptr)) continue;
      chosen = section;
      chosen_header = header;
      table.has_symtab_ = full;
    }
    if (chosen != nullptr) read_functions(chosen, chosen_header.sh_link);
  }
};

Result<SymbolTable> SymbolTable::read(int fd, std::string_view name, std::size_t most_bytes) {
  elf_version(EV_CURRENT);
  // Not by mmap: a file that shrinks while it is read would raise SIGBUS.
  const ElfHandle elf(elf_begin(fd, ELF_C_READ, nullptr));
  if (!elf || elf_kind(elf.get()) != ELF_K_ELF || gelf_getclass(elf.get()) != ELFCLASS64) {
    return Error{fmt::format("{} is no 64-bit ELF file whose symbols could be read", name)};
  }
  SymbolTable table;
  Reader reader{elf.get(), table, most_bytes};
  reader.read_segments();
  reader.read_sections();
  table.sort();
  return table;
}

void SymbolTable::sort() {
  std::sort(functions_.begin(), functions_.end(), [this](const Function& a, const Function& b) {
    return a.start != b.start ? a.start < b.start : is_better(name_at(a.name), name_at(b.name));
  });
  const auto same = [](const Function& a, const Function& b) { return a.start == b.start; };
  functions_.erase(std::unique(functions_.begin(), functions_.end(), same), functions_.end());
  functions_.shrink_to_fit();
  names_.shrink_to_fit();
}

std::optional<std::string_view> SymbolTable::find(std::uint64_t address) const {
  const auto after = std::upper_bound(functions_.begin(), functions_.end(), address,
                                      [](std::uint64_t at, const Function& function) { return at < function.start; });
  const std::ptrdiff_t most = std::min<std::ptrdiff_t>(kMaxOverlap, after - functions_.begin());
  for (std::ptrdiff_t i = 1; i <= most; ++i) {
    const Function& function = *(after - i);
    if (address < function.end) return name_at(function.name);
  }
  return std::nullopt;
}

std::optional<std::uint64_t> SymbolTable::address_of(std::uint64_t offset) const {
  for (const Segment& segment : segments_) {
    if (offset >= segment.offset && offset - segment.offset < segment.size)
      return segment.address + (offset - segment.offset);
  }
  return std::nullopt;
}

std::size_t SymbolTable::bytes() const {
  return functions_.capacity() * sizeof(Function) + names_.capacity() + segments_.capacity() * sizeof(Segment);
}

void SymbolTable::take_functions(SymbolTable&& debug) {
  functions_ = std::move(debug.functions_);
  names_ = std::move(debug.names_);
  has_symtab_ = debug.has_symtab_;
}

}  // namespace outrider
