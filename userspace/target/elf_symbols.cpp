#include "userspace/target/elf_symbols.h"

#include <fmt/format.h>
#include <fnmatch.h>
#include <gelf.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "userspace/base/elf_handle.h"

namespace outrider {
namespace {

// For all tables together: far more than any engine has. A hostile header could claim the size of a sparse file for
// each of its sections.
constexpr std::size_t kMaxTables = 256u << 20;

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

/// The NUL-terminated name at this offset of the names; none if it has no end.
std::optional<std::string_view> name_at(std::span<const char> names, std::size_t offset) {
  if (offset >= names.size()) return std::nullopt;
  const auto rest = names.subspan(offset);
  const void* end = std::memchr(rest.data(), 0, rest.size());
  if (end == nullptr) return std::nullopt;
  return std::string_view(rest.data(), static_cast<std::size_t>(static_cast<const char*>(end) - rest.data()));
}

/// The symbols of a table until `look` says that it has seen enough.
bool look_through(std::span<const char> table, std::span<const char> names,
                  const std::function<bool(const Elf64_Sym&, std::string_view)>& look) {
  for (std::size_t at = 0; table.size() - at >= sizeof(Elf64_Sym); at += sizeof(Elf64_Sym)) {
    Elf64_Sym entry;
    std::memcpy(&entry, table.data() + at, sizeof(entry));
    const auto name = name_at(names, entry.st_name);
    if (name && look(entry, *name)) return true;
  }
  return false;
}

/// Through all tables of the file, the dynamic symbols and the others.
void for_each_symbol(Elf* elf, const std::function<bool(const Elf64_Sym&, std::string_view)>& look) {
  std::size_t budget = kMaxTables;
  for (Elf_Scn* section = elf_nextscn(elf, nullptr); section != nullptr; section = elf_nextscn(elf, section)) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) == nullptr) continue;
    if (header.sh_type != SHT_DYNSYM && header.sh_type != SHT_SYMTAB) continue;
    const auto names = section_bytes(elf_getscn(elf, header.sh_link), budget);
    if (look_through(section_bytes(section, budget), names, look)) return;
  }
}

bool is_defined(const Elf64_Sym& entry) { return entry.st_shndx != SHN_UNDEF && entry.st_value != 0; }

}  // namespace

Result<std::uint64_t> find_data_symbol(int fd, std::string_view name, const std::string& symbol) {
  elf_version(EV_CURRENT);
  // Not by mmap: a file that shrinks while it is read would raise SIGBUS.
  const ElfHandle elf(elf_begin(fd, ELF_C_READ, nullptr));
  if (!elf || elf_kind(elf.get()) != ELF_K_ELF || gelf_getclass(elf.get()) != ELFCLASS64) {
    return Error{fmt::format("{} is no 64-bit ELF file whose symbols could be read", name)};
  }
  std::optional<std::uint64_t> found;
  for_each_symbol(elf.get(), [&](const Elf64_Sym& entry, std::string_view symbol_name) {
    const bool wanted = ELF64_ST_TYPE(entry.st_info) == STT_OBJECT && is_defined(entry) && symbol_name == symbol;
    if (wanted) found = entry.st_value;
    return wanted;
  });
  if (found) return *found;
  return Error{fmt::format("{} has no variable '{}' in its symbol tables", name, symbol)};
}

/// "run.cold", what the linker has outlined: it is jumped to, with the frame of another function in place.
bool is_piece(std::string_view function) {
  return function.find(".cold") != std::string_view::npos || function.starts_with("OUTLINED_FUNCTION_");
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool has_section(Elf* elf, std::initializer_list<std::string_view> wanted) {
  std::size_t names = 0;
  if (elf_getshdrstrndx(elf, &names) != 0) return false;
  for (Elf_Scn* section = elf_nextscn(elf, nullptr); section != nullptr; section = elf_nextscn(elf, section)) {
    GElf_Shdr header;
    const char* name = gelf_getshdr(section, &header) == nullptr ? nullptr : elf_strptr(elf, names, header.sh_name);
    if (name != nullptr && is_one_of(name, wanted)) return true;
  }
  return false;
}

bool is_pattern(std::string_view function) { return function.find_first_of("*?[") != std::string_view::npos; }

bool fits(const std::string& pattern, const std::string& function) {
  return is_pattern(pattern) ? fnmatch(pattern.c_str(), function.c_str(), 0) == 0 : pattern == function;
}

bool returns_oddly(std::string_view function) {
  static constexpr std::array<std::string_view, 14> kOdd = {
      "vfork",     "__vfork",     "clone",      "__clone",     "clone3",      "setjmp", "_setjmp",
      "sigsetjmp", "__sigsetjmp", "getcontext", "swapcontext", "makecontext", "_start", "__restore_rt"};
  return std::find(kOdd.begin(), kOdd.end(), function) != kOdd.end();
}

std::map<std::string, std::uint64_t> find_functions(Elf* elf, const FunctionNames& wanted) {
  std::vector<std::string> patterns;
  std::copy_if(wanted.begin(), wanted.end(), std::back_inserter(patterns), is_pattern);
  const auto is_wanted = [&](std::string_view name) {
    if (wanted.contains(name)) return true;
    if (patterns.empty() || returns_oddly(name)) return false;
    const std::string text(name);
    return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& each) { return fits(each, text); });
  };
  std::map<std::string, std::uint64_t> found;
  std::set<std::uint64_t> seen;
  for_each_symbol(elf, [&](const Elf64_Sym& entry, std::string_view name) {
    const bool function = ELF64_ST_TYPE(entry.st_info) == STT_FUNC && is_defined(entry);
    if (!function || is_piece(name) || !is_wanted(name)) return false;
    if (wanted.contains(name) || seen.insert(entry.st_value).second) found.emplace(name, entry.st_value);
    return found.size() >= kMaxFunctions || (patterns.empty() && found.size() == wanted.size());
  });
  return found;
}

WaysOut ways_out(Elf* elf) {
  bool any = false, of_c = false;
  WaysOut ways;
  for_each_symbol(elf, [&](const Elf64_Sym& entry, std::string_view name) {
    any = any || !name.empty();
    // Those who throw by themselves, and those whose frames can catch: what they call in a library may throw.
    ways.throws =
        is_one_of(name, {"__cxa_throw", "_Unwind_RaiseException", "__gxx_personality_v0", "rust_eh_personality"});
    ways.switches_stacks |= !is_defined(entry) && is_one_of(name, {"swapcontext", "setcontext"});
    // The C library, and C whose variables have cleanups.
    of_c = of_c || is_one_of(name, {"__gcc_personality_v0", "__libc_start_main"});
    return ways.throws;
  });
  // Stripped, with the run-time of C++ inside, it keeps the tables alone.
  const bool tables = !of_c && !has_section(elf, {".symtab"}) && has_section(elf, {".gcc_except_table"});
  ways.throws = ways.throws || !any || tables || has_section(elf, {".gopclntab", ".note.go.buildid"});
  return ways;
}

}  // namespace outrider
