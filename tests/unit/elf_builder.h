// Builds small ELF files byte by byte for the tests of the note parser, and puts them into memory files.
// Layout: text at offset 0x1000 = address 0x401000, data at 0x2000 = 0x602000, notes from 0x3000 on.
#pragma once

#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/base/fd.h"

namespace outrider {

inline constexpr std::uint64_t kTextOffset = 0x1000, kTextAddress = 0x401000;
inline constexpr std::uint64_t kDataOffset = 0x2000, kDataAddress = 0x602000;
inline constexpr std::uint64_t kPartSize = 0x100;
inline constexpr std::uint64_t kNotesOffset = 0x3000;

template <typename T>
void put(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

/// A raw note with any header one likes.
inline std::string raw_note(std::uint32_t name_size, std::uint32_t desc_size, std::uint32_t type,
                            std::string_view body) {
  std::string out;
  put(out, name_size);
  put(out, desc_size);
  put(out, type);
  return out.append(body);
}

struct NoteSpec {
  std::uint64_t address = kTextAddress + 0x10;
  std::uint64_t base = 0x700000;
  std::uint64_t semaphore = 0;
  std::string strings = std::string("prov\0name\0008@%rdi\0", 17);
};

inline std::string stapsdt_note(const NoteSpec& spec) {
  std::string desc;
  put(desc, spec.address);
  put(desc, spec.base);
  put(desc, spec.semaphore);
  desc += spec.strings;
  const auto size = static_cast<std::uint32_t>(desc.size());
  desc.resize((desc.size() + 3) / 4 * 4);
  return raw_note(8, size, 3, std::string("stapsdt\0", 8) + desc);
}

struct ElfSpec {
  std::string notes{};
  std::string code{};  // at the start of the text
  std::uint64_t base_address = 0x700000;
  std::uint16_t machine = EM_X86_64;
  std::uint16_t type = ET_DYN;
  std::uint32_t note_section_type = SHT_NOTE;
  std::uint32_t data_flags = PF_R | PF_W;
  bool symbols = true;
};

inline Elf64_Phdr segment(std::uint32_t type, std::uint32_t flags, std::uint64_t offset, std::uint64_t address,
                          std::uint64_t size) {
  Elf64_Phdr header{};
  header.p_type = type;
  header.p_flags = flags;
  header.p_offset = offset;
  header.p_vaddr = address;
  header.p_filesz = size;
  header.p_memsz = size * 2;  // the upper half has no bytes in the file
  return header;
}

inline Elf64_Shdr section(std::uint32_t name, std::uint32_t type, std::uint64_t address, std::uint64_t offset,
                          std::uint64_t size) {
  Elf64_Shdr header{};
  header.sh_name = name;
  header.sh_type = type;
  header.sh_addr = address;
  header.sh_offset = offset;
  header.sh_size = size;
  return header;
}

inline std::string build_elf(const ElfSpec& spec) {
  const std::string names("\0.note.stapsdt\0.stapsdt.base\0.shstrtab\0.symtab\0", 47);
  const std::string build_id = raw_note(4, 4, NT_GNU_BUILD_ID, std::string("GNU\0\xde\xad\xbe\xef", 8));
  const Elf64_Phdr segments[] = {segment(PT_LOAD, PF_R | PF_X, kTextOffset, kTextAddress, kPartSize),
                                 segment(PT_LOAD, spec.data_flags, kDataOffset, kDataAddress, kPartSize),
                                 segment(PT_NOTE, PF_R, 0x200, 0x400200, build_id.size())};
  const std::uint64_t names_offset = kNotesOffset + spec.notes.size();
  const std::uint64_t table = (names_offset + names.size() + 7) / 8 * 8;
  std::vector<Elf64_Shdr> sections = {section(0, SHT_NULL, 0, 0, 0),
                                      section(1, spec.note_section_type, 0, kNotesOffset, spec.notes.size()),
                                      section(15, SHT_PROGBITS, spec.base_address, kTextOffset, 1),
                                      section(29, SHT_STRTAB, 0, names_offset, names.size())};
  if (spec.symbols) sections.push_back(section(39, SHT_SYMTAB, 0, kTextOffset, 0));

  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = spec.type;
  header.e_machine = spec.machine;
  header.e_version = EV_CURRENT;
  header.e_phoff = sizeof(header);
  header.e_shoff = table;
  header.e_ehsize = sizeof(header);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = std::size(segments);
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = static_cast<std::uint16_t>(sections.size());
  header.e_shstrndx = 3;

  std::string file;
  put(file, header);
  for (const Elf64_Phdr& part : segments) put(file, part);
  file.resize(0x200);
  file += build_id;
  file.resize(kTextOffset);
  file += spec.code;
  file.resize(kNotesOffset);
  file += spec.notes + names;
  file.resize(table);
  for (const Elf64_Shdr& part : sections) put(file, part);
  return file;
}

/// A memory file with these bytes; an invalid Fd fails the test that uses it.
inline Fd memory_file(std::string_view bytes) {
  Fd fd(memfd_create("elf", MFD_CLOEXEC));
  if (pwrite(fd.get(), bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) fd.reset();
  return fd;
}

}  // namespace outrider
