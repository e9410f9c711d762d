#include "userspace/symbols/unwind_table.h"

#include <gelf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "userspace/base/elf_handle.h"
#include "userspace/symbols/call_frames.h"

namespace outrider {

#if defined(__x86_64__)
namespace {

constexpr std::size_t kMaxHeader = 64U << 20;
constexpr std::size_t kMaxFrames = 256U << 20;  // Chromium's .eh_frame has 15 MiB

std::optional<GElf_Phdr> find_segment(Elf* elf, auto matches) {
  std::size_t count = 0;
  if (elf_getphdrnum(elf, &count) != 0) return std::nullopt;
  for (std::size_t i = 0; i < std::min<std::size_t>(count, 1024); ++i) {
    GElf_Phdr header;
    if (gelf_getphdr(elf, static_cast<int>(i), &header) != nullptr && matches(header)) return header;
  }
  return std::nullopt;
}

// All of `count` bytes or none.
std::vector<std::uint8_t> read_bytes(int fd, std::uint64_t offset, std::uint64_t count, std::uint64_t most) {
  struct stat status {};
  if (count > most || fstat(fd, &status) != 0 || offset > static_cast<std::uint64_t>(status.st_size) ||
      count > static_cast<std::uint64_t>(status.st_size) - offset)
    return {};
  std::vector<std::uint8_t> bytes(count);
  std::size_t done = 0;
  while (done < count) {
    const ssize_t got = pread(fd, bytes.data() + done, count - done, static_cast<off_t>(offset + done));
    if (got <= 0) return {};
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

std::uint64_t relative_to(std::uint64_t address, const std::uint8_t* at) {
  std::int32_t relative = 0;
  std::memcpy(&relative, at, sizeof(relative));
  return address + static_cast<std::uint64_t>(static_cast<std::int64_t>(relative));
}

struct FunctionEntry {
  std::uint64_t start, description;
};

struct FrameIndex {
  std::uint64_t frames = 0;  ///< address of .eh_frame
  std::vector<FunctionEntry> functions;
};

// .eh_frame_hdr in the one encoding that linkers write: LSB Core, 10.6.2.
FrameIndex read_index(int fd, const GElf_Phdr& segment) {
  constexpr std::array<std::uint8_t, 4> kUsual = {1, 0x1b, 0x03, 0x3b};
  constexpr std::size_t kHead = 12;
  constexpr std::size_t kEntry = 8;
  const std::vector<std::uint8_t> bytes = read_bytes(fd, segment.p_offset, segment.p_filesz, kMaxHeader);
  if (bytes.size() < kHead || !std::equal(kUsual.begin(), kUsual.end(), bytes.begin())) return {};
  std::uint32_t count = 0;
  std::memcpy(&count, bytes.data() + 8, sizeof(count));
  count = std::min<std::uint32_t>(count, static_cast<std::uint32_t>((bytes.size() - kHead) / kEntry));
  FrameIndex index;
  index.frames = relative_to(segment.p_vaddr + kUsual.size(), bytes.data() + kUsual.size());
  index.functions.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint8_t* entry = bytes.data() + kHead + kEntry * i;
    index.functions.push_back({relative_to(segment.p_vaddr, entry), relative_to(segment.p_vaddr, entry + 4)});
  }
  std::sort(index.functions.begin(), index.functions.end(),
            [](const FunctionEntry& a, const FunctionEntry& b) { return a.start < b.start; });
  return index;
}

}  // namespace

UnwindTable read_unwind_table(int fd, std::uint64_t offset, std::size_t most) {
  constexpr std::uint64_t kHighest = std::numeric_limits<std::uint32_t>::max();
  elf_version(EV_CURRENT);
  const ElfHandle elf(elf_begin(fd, ELF_C_READ, nullptr));
  if (!elf || elf_kind(elf.get()) != ELF_K_ELF || gelf_getclass(elf.get()) != ELFCLASS64) return {};
  const auto loaded = find_segment(elf.get(), [offset](const GElf_Phdr& header) {
    // Mappings begin at whole pages, which may be before the segment; another segment may have the rest of that page.
    constexpr std::uint64_t kPage = 4095;
    return header.p_type == PT_LOAD && (header.p_flags & PF_X) != 0 && offset >= (header.p_offset & ~kPage) &&
           offset < header.p_offset + header.p_filesz;
  });
  const auto header = find_segment(elf.get(), [](const GElf_Phdr& h) { return h.p_type == PT_GNU_EH_FRAME; });
  if (!loaded || !header) return {};
  const FrameIndex index = read_index(fd, *header);
  const auto& functions = index.functions;
  const auto holder = find_segment(elf.get(), [&](const GElf_Phdr& h) {
    return h.p_type == PT_LOAD && index.frames >= h.p_vaddr && index.frames - h.p_vaddr < h.p_filesz;
  });
  if (functions.empty() || functions.back().start >= kHighest || !holder) return {};
  const std::uint64_t before = index.frames - holder->p_vaddr;
  const auto bytes = read_bytes(fd, holder->p_offset + before, holder->p_filesz - before, kMaxFrames);
  CallFrames frames({bytes, index.frames}, most);
  for (std::size_t i = 0; i < functions.size() && !frames.is_full(); ++i) {
    if (i > 0 && functions[i].start == functions[i - 1].start) continue;
    const std::uint64_t next = i + 1 < functions.size() ? functions[i + 1].start : kHighest;
    frames.add_function(functions[i].start, next, functions[i].description);
  }
  if (frames.is_full()) return {.linked = 0, .too_large = true, .rows = {}};
  return {.linked = loaded->p_vaddr + offset - loaded->p_offset, .too_large = false, .rows = frames.take()};
}
#else
UnwindTable read_unwind_table(int, std::uint64_t, std::size_t) { return {}; }
#endif

}  // namespace outrider
