// ELF files around a fuzzer's bytes, which by themselves rarely get past the header.
#pragma once

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/elf_builder.h"

namespace outrider {

inline Elf64_Ehdr small_elf_header() {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_DYN;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_ehsize = sizeof(header);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_shentsize = sizeof(Elf64_Shdr);
  return header;
}

/// Sections with these types and bytes behind an empty one; each is linked to the next one. All of it is loaded at
/// 0x1000.
inline std::string elf_with_sections(const std::vector<std::pair<std::uint32_t, std::string_view>>& parts) {
  Elf64_Ehdr header = small_elf_header();
  header.e_phnum = 1;
  header.e_phoff = sizeof(header);
  std::vector<Elf64_Shdr> sections(1);
  std::string bytes;
  for (const auto& [type, part] : parts) {
    const std::uint64_t offset = sizeof(header) + sizeof(Elf64_Phdr) + bytes.size();
    sections.push_back(section(0, type, 0, offset, part.size()));
    sections.back().sh_link = static_cast<std::uint32_t>(sections.size());
    sections.back().sh_entsize = sizeof(Elf64_Sym);
    bytes += part;
    bytes.resize((bytes.size() + 7) / 8 * 8);
  }
  sections.back().sh_link = 0;
  header.e_shnum = static_cast<std::uint16_t>(sections.size());
  header.e_shoff = sizeof(header) + sizeof(Elf64_Phdr) + bytes.size();
  std::string file;
  put(file, header);
  put(file, segment(PT_LOAD, PF_R | PF_X, 0, 0x1000, header.e_shoff));
  file += bytes;
  for (const Elf64_Shdr& one : sections) put(file, one);
  return file;
}

/// A segment of .eh_frame_hdr, and all of the file loaded at 0x1000.
inline std::string elf_with_frames(std::string_view index, std::string_view frames) {
  Elf64_Ehdr header = small_elf_header();
  header.e_phnum = 2;
  header.e_phoff = sizeof(header);
  const std::uint64_t begin = sizeof(header) + 2 * sizeof(Elf64_Phdr);
  const std::uint64_t size = begin + index.size() + frames.size();
  std::string file;
  put(file, header);
  put(file, segment(PT_LOAD, PF_R | PF_X, 0, 0x1000, size));
  put(file, segment(PT_GNU_EH_FRAME, PF_R, begin, 0x1000 + begin, index.size()));
  return file.append(index).append(frames);
}

}  // namespace outrider
