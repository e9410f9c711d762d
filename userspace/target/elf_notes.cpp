#include "userspace/target/elf_notes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gelf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <tuple>

#include "userspace/base/elf_handle.h"

namespace outrider {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t kMaxNoteSection = 16u << 20;
constexpr std::size_t kMaxSegments = 1024;
constexpr std::size_t kMaxNameLength = 128;
constexpr std::size_t kMaxArgsLength = 1024;
constexpr std::size_t kNoteHeader = 12;
constexpr std::uint32_t kStapsdtType = 3;
constexpr std::uint64_t kSemaphoreSize = 2;

/// What is needed of a file to turn addresses into offsets.
struct Layout {
  int fd = -1;
  std::uint64_t file_size = 0;
  std::vector<GElf_Phdr> segments;
  std::uint64_t base_address = 0;  // of .stapsdt.base; 0: none
};

struct Note {
  std::uint32_t type = 0;
  std::string_view owner;
  Bytes desc;
};

template <typename T>
T load(const std::uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

std::size_t align4(std::uint64_t size) { return (size + 3) & ~std::uint64_t{3}; }

/// The note at `position`, which is moved behind it; none when its sizes do not fit into the section.
std::optional<Note> next_note(Bytes section, std::size_t& position) {
  const std::size_t left = section.size() - position;
  if (left < kNoteHeader) return std::nullopt;
  const std::uint8_t* header = section.data() + position;
  const auto name_size = load<std::uint32_t>(header);
  const auto desc_size = load<std::uint32_t>(header + 4);
  const std::uint64_t name_room = align4(name_size);
  // The last note of a section may lack its padding.
  if (kNoteHeader + name_room + desc_size > left) return std::nullopt;
  Note note;
  note.type = load<std::uint32_t>(header + 8);
  note.owner = std::string_view(reinterpret_cast<const char*>(header + kNoteHeader), name_size);
  note.owner = note.owner.substr(0, note.owner.find('\0'));
  note.desc = section.subspan(position + kNoteHeader + name_room, desc_size);
  position += std::min<std::size_t>(left, kNoteHeader + name_room + align4(desc_size));
  return note;
}

/// The NUL-terminated string at the front of `bytes`, which is moved behind it; none if unterminated.
std::optional<std::string_view> take_string(Bytes& bytes) {
  const auto end = std::find(bytes.begin(), bytes.end(), 0);
  if (end == bytes.end()) return std::nullopt;
  const auto length = static_cast<std::size_t>(end - bytes.begin());
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), length);
  bytes = bytes.subspan(length + 1);
  return text;
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

std::optional<std::uint64_t> file_offset(const Layout& layout, std::uint64_t address, std::uint64_t size,
                                         GElf_Word flag) {
  for (const GElf_Phdr& segment : layout.segments) {
    if ((segment.p_flags & flag) == 0 || address < segment.p_vaddr) continue;
    const std::uint64_t inside = address - segment.p_vaddr;
    if (inside >= segment.p_filesz || segment.p_filesz - inside < size) continue;
    const std::uint64_t offset = segment.p_offset + inside;
    if (offset < inside || offset >= layout.file_size || layout.file_size - offset < size) continue;
    return offset;
  }
  return std::nullopt;
}

/// Fills offsets and code from the addresses; the reason if the probe cannot be used.
std::optional<std::string> locate(const Layout& layout, ElfProbe& probe) {
  const auto site = file_offset(layout, probe.address, 1, PF_X);
  if (!site) return fmt::format("its address {:#x} lies in no executable segment of the file", probe.address);
  probe.offset = *site;
  if (probe.semaphore_address != 0) {
    const auto semaphore = file_offset(layout, probe.semaphore_address, kSemaphoreSize, PF_W);
    if (!semaphore) {
      return fmt::format("its semaphore {:#x} lies in no writable segment of the file", probe.semaphore_address);
    }
    if (*semaphore % kSemaphoreSize != 0) return fmt::format("its semaphore's offset {:#x} is odd", *semaphore);
    probe.semaphore_offset = *semaphore;
  }
  const ssize_t got = pread(layout.fd, probe.code.data(), probe.code.size(), static_cast<off_t>(probe.offset));
  probe.code_size = got > 0 ? static_cast<std::size_t>(got) : 0;
  return std::nullopt;
}

void skip(ElfProbes& result, std::string probe, std::string reason) {
  ++result.skipped_count;
  if (result.skipped.size() < kMaxSkippedListed) result.skipped.push_back({std::move(probe), std::move(reason)});
}

/// The strings and addresses of one note's description; the reason if they make no sense.
std::optional<std::string> decode(Bytes desc, std::uint64_t base_address, ElfProbe& probe) {
  if (desc.size() < 3 * sizeof(std::uint64_t)) return "it is too short for its three addresses";
  probe.address = load<std::uint64_t>(desc.data());
  const auto note_base = load<std::uint64_t>(desc.data() + 8);
  probe.semaphore_address = load<std::uint64_t>(desc.data() + 16);
  desc = desc.subspan(3 * sizeof(std::uint64_t));
  const auto provider = take_string(desc);
  const auto name = provider ? take_string(desc) : std::nullopt;
  if (!name) return "its provider or name has no end";
  if (provider->empty() || name->empty()) return "its provider or name is empty";
  if (provider->size() > kMaxNameLength || name->size() > kMaxNameLength) return "its provider or name is too long";
  if (!is_printable(*provider) || !is_printable(*name)) return "its provider or name holds unprintable characters";
  probe.provider = *provider;
  probe.name = *name;
  const auto args = take_string(desc);
  if (!args) return "its argument string has no end";
  if (args->size() > kMaxArgsLength || !is_printable(*args)) return "its argument string is damaged";
  probe.args = *args;
  if (base_address != 0 && note_base != 0) {  // prelink moved the file after the note was written
    const std::uint64_t moved = base_address - note_base;
    probe.address += moved;
    if (probe.semaphore_address != 0) probe.semaphore_address += moved;
  }
  return std::nullopt;
}

void read_notes(Bytes section, const Layout& layout, ElfProbes& result) {
  std::set<std::tuple<std::uint64_t, std::string, std::string>>
      seen;  // linkers may keep a folded function's note twice
  std::size_t notes = 0;
  for (std::size_t position = 0; position < section.size();) {
    const std::string where = fmt::format("note at {:#x}", position);
    const auto note = next_note(section, position);
    if (!note) return skip(result, where, "its size runs past the end of the section; nothing behind it can be read");
    if (note->type != kStapsdtType || note->owner != "stapsdt") continue;
    if (++notes > kMaxNotes) return skip(result, where, fmt::format("only the first {} notes are read", kMaxNotes));
    ElfProbe probe;
    auto reason = decode(note->desc, layout.base_address, probe);
    if (!reason) reason = locate(layout, probe);
    if (reason) {
      skip(result, probe.name.empty() ? where : probe.provider + ":" + probe.name, std::move(*reason));
    } else if (seen.emplace(probe.offset, probe.provider, probe.name).second) {
      result.probes.push_back(std::move(probe));
    }
  }
}

std::string hex(Bytes bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

/// The build id stands in a loaded note segment, so that it is there even without section headers.
std::string read_build_id(Elf* elf, const Layout& layout) {
  constexpr std::size_t kMaxBuildId = 64;
  for (const GElf_Phdr& segment : layout.segments) {
    if (segment.p_type != PT_NOTE || segment.p_filesz > (1u << 20)) continue;
    const Elf_Data* data =
        elf_getdata_rawchunk(elf, static_cast<std::int64_t>(segment.p_offset), segment.p_filesz, ELF_T_BYTE);
    if (data == nullptr || data->d_buf == nullptr) continue;
    const Bytes bytes(static_cast<const std::uint8_t*>(data->d_buf), data->d_size);
    for (std::size_t position = 0; position < bytes.size();) {
      const auto note = next_note(bytes, position);
      if (!note) break;
      if (note->type == NT_GNU_BUILD_ID && note->owner == "GNU" && note->desc.size() <= kMaxBuildId) {
        return hex(note->desc);
      }
    }
  }
  return "";
}

/// The checks that decide whether libelf gets to see the file at all.
Result<Machine> check_header(int fd, std::uint64_t file_size, std::string_view name) {
  Elf64_Ehdr header{};
  const ssize_t got = pread(fd, &header, sizeof(header), 0);
  if (got < 0) return Error::from_errno(errno, fmt::format("read {}", name));
  if (got < SELFMAG || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
    return Error{fmt::format("{} is not an ELF file; name the engine's own binary, not a script that starts it", name)};
  }
  if (got > EI_CLASS && header.e_ident[EI_CLASS] == ELFCLASS32) {
    return Error{fmt::format("{} is a 32-bit ELF file; only 64-bit engines can be watched", name)};
  }
  if (got < static_cast<ssize_t>(sizeof(header)) || header.e_ident[EI_CLASS] != ELFCLASS64) {
    return Error{fmt::format("{} is a damaged ELF file: its header is cut off or wrong; install it again", name)};
  }
  const bool known = header.e_machine == EM_X86_64 || header.e_machine == EM_AARCH64;
  if (!known || header.e_ident[EI_DATA] != ELFDATA2LSB) {
    return Error{fmt::format("{} is for another machine (ELF machine {}); x86-64 and arm64 can be watched", name,
                             header.e_machine)};
  }
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN) {
    return Error{fmt::format("{} is neither an executable nor a shared library", name)};
  }
  const std::uint64_t sections = std::uint64_t{header.e_shnum} * sizeof(Elf64_Shdr);
  // e_shnum 0 with a table means more than 65,279 sections: no linked program has that many, and libelf would
  // allocate for each.
  if (header.e_shoff != 0 && (header.e_shnum == 0 || header.e_shentsize != sizeof(Elf64_Shdr) ||
                              header.e_shoff > file_size || file_size - header.e_shoff < sections)) {
    return Error{
        fmt::format("{} is a damaged ELF file: its section table is cut off or wrong; install it again", name)};
  }
  return header.e_machine == EM_X86_64 ? Machine::kX86_64 : Machine::kAarch64;
}

void read_segments(Elf* elf, Layout& layout) {
  std::size_t count = 0;
  if (elf_getphdrnum(elf, &count) != 0) return;
  for (std::size_t i = 0; i < std::min(count, kMaxSegments); ++i) {
    GElf_Phdr segment;
    if (gelf_getphdr(elf, static_cast<int>(i), &segment) == nullptr) continue;
    if (segment.p_type == PT_LOAD || segment.p_type == PT_NOTE) layout.segments.push_back(segment);
  }
}

/// Finds the sections of interest by name and type; returns those with USDT notes.
std::vector<Elf_Scn*> find_sections(Elf* elf, Layout& layout, ElfProbes& result) {
  std::vector<Elf_Scn*> notes;
  result.stripped = true;
  std::size_t names = 0;
  if (elf_getshdrstrndx(elf, &names) != 0) return notes;
  for (Elf_Scn* section = elf_nextscn(elf, nullptr); section != nullptr; section = elf_nextscn(elf, section)) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) == nullptr) continue;
    if (header.sh_type == SHT_SYMTAB) result.stripped = false;
    const char* name = elf_strptr(elf, names, header.sh_name);
    if (name == nullptr) continue;
    if (std::strcmp(name, ".stapsdt.base") == 0) layout.base_address = header.sh_addr;
    if (std::strcmp(name, ".note.stapsdt") == 0) notes.push_back(section);
  }
  return notes;
}

void read_section(Elf_Scn* section, const Layout& layout, ElfProbes& result) {
  GElf_Shdr header;
  if (gelf_getshdr(section, &header) == nullptr) return skip(result, ".note.stapsdt", "its header cannot be read");
  if (header.sh_type != SHT_NOTE) return skip(result, ".note.stapsdt", "the section holds no notes (debug file?)");
  if ((header.sh_flags & SHF_COMPRESSED) != 0) return skip(result, ".note.stapsdt", "the section is compressed");
  if (header.sh_size > kMaxNoteSection) {
    return skip(result, ".note.stapsdt",
                fmt::format("the section claims {} bytes, more than any real one", header.sh_size));
  }
  const Elf_Data* data = elf_rawdata(section, nullptr);
  if (data == nullptr || (data->d_buf == nullptr && header.sh_size != 0)) {
    return skip(result, ".note.stapsdt", "the section lies beyond the end of the file");
  }
  read_notes(Bytes(static_cast<const std::uint8_t*>(data->d_buf), data->d_size), layout, result);
}

void add_functions(Elf* elf, const Layout& layout, const FunctionNames& functions, ElfProbes& result) {
  const bool x86 = result.machine == Machine::kX86_64;
  const char* arguments = x86 ? "8@%rdi 8@%rsi 8@%rdx 8@%rcx 8@%r8 8@%r9" : "8@x0 8@x1 8@x2 8@x3 8@x4 8@x5";
  for (const auto& [symbol, address] : find_functions(elf, functions)) {
    ElfProbe probe;
    probe.provider = kFunctionProvider;
    probe.name = symbol;
    probe.args = arguments;
    probe.address = address;
    if (auto reason = locate(layout, probe)) {
      skip(result, probe.provider + ":" + symbol, std::move(*reason));
      continue;
    }
    ElfProbe back = probe;
    back.provider = kReturnProvider;
    back.args = x86 ? "8@%rax" : "8@x0";
    result.probes.push_back(std::move(probe));
    result.probes.push_back(std::move(back));
  }
}

}  // namespace

Result<ElfProbes> read_probes(int fd, std::string_view name, const FunctionNames& functions) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return Error::from_errno(errno, fmt::format("stat {}", name));
  if (!S_ISREG(status.st_mode))
    return Error{fmt::format("{} is not a regular file; name the engine's own binary", name)};
  Layout layout;
  layout.fd = fd;
  layout.file_size = static_cast<std::uint64_t>(status.st_size);
  const auto machine = check_header(fd, layout.file_size, name);
  if (!machine) return machine.error();

  elf_version(EV_CURRENT);
  // Not by mmap: a file that shrinks while it is read would raise SIGBUS.
  const ElfHandle elf(elf_begin(fd, ELF_C_READ, nullptr));
  if (!elf || elf_kind(elf.get()) != ELF_K_ELF) {
    return Error{fmt::format("{} is a damaged ELF file: {}; install it again", name, elf_errmsg(-1))};
  }
  ElfProbes result;
  result.machine = *machine;
  read_segments(elf.get(), layout);
  result.build_id = read_build_id(elf.get(), layout);
  const auto sections = find_sections(elf.get(), layout, result);
  result.has_notes = !sections.empty();
  // Loaded segments only from here on: a note segment may overlap them.
  std::erase_if(layout.segments, [](const GElf_Phdr& segment) { return segment.p_type != PT_LOAD; });
  for (Elf_Scn* section : sections) read_section(section, layout, result);
  const WaysOut ways = ways_out(elf.get());
  result.throws = ways.throws;
  result.switches_stacks = ways.switches_stacks;
  if (!functions.empty()) add_functions(elf.get(), layout, functions, result);
  return result;
}

}  // namespace outrider
