// Damaged files by the thousand: whatever comes, no crash, no read outside, and only offsets that the file has.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <sstream>

#include "tests/unit/elf_builder.h"
#include "tests/unit/postgres_binary.h"
#include "userspace/target/elf_notes.h"
#include "userspace/target/usdt_args.h"

namespace outrider {
namespace {

constexpr unsigned kSeed = 20240601;

void check(int fd, std::size_t size) {
  const auto result = read_probes(fd, "mutant");
  if (!result) {
    ASSERT_FALSE(result.error().message.empty());
    return;
  }
  ASSERT_LE(result->skipped.size(), kMaxSkippedListed);
  for (const ElfProbe& probe : result->probes) {
    ASSERT_LT(probe.offset, size);
    ASSERT_LT(probe.semaphore_offset, size);
    ASSERT_FALSE(probe.provider.empty());
    for (const auto operand : split_usdt_args(probe.args)) (void)parse_usdt_arg(operand, result->machine);
  }
}

std::string sample() {
  std::string notes;
  for (std::uint64_t i = 0; i < 8; ++i) {
    notes += stapsdt_note({.address = kTextAddress + i, .semaphore = kDataAddress + i * 2});
  }
  return build_elf({.notes = notes, .code = std::string(32, '\x90')});
}

TEST(ElfHostile, every_truncation) {
  const std::string file = sample();
  const Fd fd = memory_file(file);
  for (std::size_t size = file.size(); size-- > 0;) {
    ASSERT_EQ(ftruncate(fd.get(), static_cast<off_t>(size)), 0);
    ASSERT_NO_FATAL_FAILURE(check(fd.get(), size)) << "size " << size;
  }
}

/// Puts random bytes, or values that tend to hurt, into the places that say where things are.
void mutate(const std::string& file, const std::vector<std::pair<std::size_t, std::size_t>>& places, int times) {
  const Fd fd = memory_file(file);
  ASSERT_TRUE(fd.valid());
  std::mt19937 random(kSeed);
  const std::uint64_t nasty[] = {0,     1,          0x7fffffff,  0x80000000,     0xffffffff,
                                 ~0ULL, 1ULL << 63, file.size(), file.size() - 1};
  for (int i = 0; i < times; ++i) {
    std::vector<std::size_t> touched;
    for (unsigned n = random() % 4 + 1; n > 0; --n) {
      const auto& [begin, length] = places[random() % places.size()];
      const std::size_t at = begin + random() % length;
      std::uint64_t value = random() % 2 != 0 ? nasty[random() % std::size(nasty)] : random();
      const auto width = std::min<std::size_t>({std::size_t{1} << random() % 4, file.size() - at, sizeof(value)});
      ASSERT_EQ(pwrite(fd.get(), &value, width, static_cast<off_t>(at)), static_cast<ssize_t>(width));
      touched.push_back(at);
    }
    ASSERT_NO_FATAL_FAILURE(check(fd.get(), file.size())) << "round " << i;
    for (const std::size_t at : touched) {
      const std::size_t width = std::min<std::size_t>(8, file.size() - at);
      ASSERT_EQ(pwrite(fd.get(), file.data() + at, width, static_cast<off_t>(at)), static_cast<ssize_t>(width));
    }
  }
}

TEST(ElfHostile, made_file_20000_mutations) {
  const std::string file = sample();
  const std::size_t tail = file.size() - kNotesOffset;
  mutate(file, {{0, 0x200}, {0x200, 0x20}, {kNotesOffset, tail}}, 20000);
}

// Fewer than of the file that is made: each time all of its thousands of symbols are read.
TEST(ElfHostile, real_file_2000_mutations) {
  for (const std::string& path : {postgres_binary(), std::string("/lib/x86_64-linux-gnu/libc.so.6")}) {
    std::ifstream stream(path, std::ios::binary);
    if (!stream) continue;
    std::ostringstream text;
    text << stream.rdbuf();
    const std::string file = text.str();
    Elf64_Ehdr header;
    std::memcpy(&header, file.data(), sizeof(header));
    const std::size_t table = header.e_shoff;
    const std::string mark("stapsdt\0", 8);
    const std::size_t notes = file.find(mark);
    if (notes == std::string::npos) continue;
    return mutate(file, {{0, 0x400}, {table, file.size() - table}, {notes - 12, 8192}}, 2000);
  }
  GTEST_SKIP() << "neither postgres nor a libc with probes at the usual place";
}

TEST(ElfHostile, random_argument_strings) {
  constexpr std::string_view kAlphabet = "-48@%$(),[]xrabdisp0129#:+f ";
  std::mt19937 random(kSeed);
  for (int i = 0; i < 200000; ++i) {
    std::string text;
    for (unsigned n = random() % 24; n > 0; --n) text += kAlphabet[random() % kAlphabet.size()];
    for (const auto operand : split_usdt_args(text)) {
      for (const Machine machine : {Machine::kX86_64, Machine::kAarch64}) {
        const auto arg = parse_usdt_arg(operand, machine);
        if (!arg) continue;
        const int size = arg->size < 0 ? -arg->size : arg->size;
        ASSERT_TRUE(size == 1 || size == 2 || size == 4 || size == 8) << operand;
        ASSERT_LE(arg->reg, 31) << operand;
      }
    }
  }
}

}  // namespace
}  // namespace outrider
