#include "userspace/target/elf_notes.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <set>
#include <tuple>

#include "tests/unit/elf_builder.h"
#include "tests/unit/postgres_binary.h"

namespace outrider {
namespace {

using ::testing::HasSubstr;

Result<ElfProbes> read(const std::string& bytes) {
  const Fd fd = memory_file(bytes);
  return read_probes(fd.get(), "x");
}

ElfProbes read_notes(const std::string& notes) {
  auto result = read(build_elf({.notes = notes}));
  EXPECT_TRUE(result) << (result ? "" : result.error().message);
  return result ? *result : ElfProbes{};
}

std::string message(const Result<ElfProbes>& result) { return result ? "no error" : result.error().message; }

TEST(ElfNotes, one_note_with_semaphore) {
  const NoteSpec note{.address = kTextAddress + 0x10, .semaphore = kDataAddress + 0x20};
  const auto result = read(build_elf({.notes = stapsdt_note(note), .code = std::string(0x10, '\0') + "\x90\x66\x2e"}));
  ASSERT_TRUE(result);
  ASSERT_EQ(result->probes.size(), 1U);
  const ElfProbe& probe = result->probes[0];
  EXPECT_EQ(probe.provider, "prov");
  EXPECT_EQ(probe.name, "name");
  EXPECT_EQ(probe.args, "8@%rdi");
  EXPECT_EQ(probe.offset, 0x1010U);
  EXPECT_EQ(probe.semaphore_offset, 0x2020U);
  EXPECT_EQ(probe.code[0], 0x90);
  EXPECT_EQ(probe.code[2], 0x2e);
  EXPECT_EQ(probe.code_size, kSiteBytes);
  EXPECT_EQ(result->build_id, "deadbeef");
  EXPECT_EQ(result->machine, Machine::kX86_64);
  EXPECT_TRUE(result->has_notes);
  EXPECT_FALSE(result->stripped);
}

TEST(ElfNotes, prelinked_file_moves_site_and_semaphore) {
  const NoteSpec note{.address = 0x10 + 0x1000, .base = 0x300000, .semaphore = 0x2020 + 0x200000};
  // written for a base of 0x300000, the section now lies at 0x700000: everything moved by 0x400000
  const auto result = read(build_elf({.notes = stapsdt_note(note), .base_address = 0x700000}));
  ASSERT_TRUE(result);
  ASSERT_EQ(result->probes.size(), 1U);
  EXPECT_EQ(result->probes[0].address, 0x401010U);
  EXPECT_EQ(result->probes[0].offset, 0x1010U);
  EXPECT_EQ(result->probes[0].semaphore_offset, 0x2020U);
}

TEST(ElfNotes, file_without_notes_is_a_success) {
  const auto result = read(build_elf({.notes = "", .note_section_type = SHT_PROGBITS, .symbols = false}));
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->probes.empty());
  EXPECT_TRUE(result->stripped);
}

TEST(ElfNotes, foreign_notes_are_passed_over) {
  const auto result = read_notes(raw_note(4, 0, 1, std::string("abc\0", 4)) + stapsdt_note({}));
  EXPECT_EQ(result.probes.size(), 1U);
  EXPECT_EQ(result.skipped_count, 0U);
}

TEST(ElfNotes, same_note_twice_is_one_probe) {
  EXPECT_EQ(read_notes(stapsdt_note({}) + stapsdt_note({})).probes.size(), 1U);
}

struct BadNote {
  const char* name;
  std::string notes;
  const char* reason;
};

class BadNotes : public ::testing::TestWithParam<BadNote> {};

TEST_P(BadNotes, skipped_with_reason) {
  const auto result = read_notes(GetParam().notes);
  EXPECT_TRUE(result.probes.empty());
  ASSERT_EQ(result.skipped_count, 1U);
  EXPECT_THAT(result.skipped[0].reason, HasSubstr(GetParam().reason));
}

INSTANTIATE_TEST_SUITE_P(
    ElfNotes, BadNotes,
    ::testing::Values(
        BadNote{"huge_name_size", raw_note(0xffffffff, 8, 3, "stapsdt"), "past the end"},
        BadNote{"huge_desc_size", raw_note(8, 0xfffffffd, 3, std::string("stapsdt\0", 8)), "past the end"},
        BadNote{"both_huge", raw_note(0xffffffff, 0xffffffff, 3, "stapsdt"), "past the end"},
        BadNote{"cut_header", std::string("\1\0\0\0", 4), "past the end"},
        BadNote{"short_desc", raw_note(8, 16, 3, std::string("stapsdt\0", 8) + std::string(16, '\0')), "too short"},
        BadNote{"unterminated_provider", stapsdt_note({.strings = "prov"}), "no end"},
        BadNote{"unterminated_name", stapsdt_note({.strings = std::string("prov\0na", 7)}), "no end"},
        BadNote{"unterminated_args", stapsdt_note({.strings = std::string("p\0n\0008@%rdi", 10)}), "argument string"},
        BadNote{"empty_name", stapsdt_note({.strings = std::string("prov\0\0\0", 7)}), "empty"},
        BadNote{"escape_in_name", stapsdt_note({.strings = std::string("p\0\033[2J\0\0", 8)}), "unprintable"},
        BadNote{"site_in_data", stapsdt_note({.address = kDataAddress}), "executable"},
        BadNote{"site_nowhere", stapsdt_note({.address = ~0ULL}), "executable"},
        BadNote{"site_behind_text", stapsdt_note({.address = kTextAddress + kPartSize}), "executable"},
        BadNote{"semaphore_in_text", stapsdt_note({.semaphore = kTextAddress}), "writable"},
        BadNote{"semaphore_not_in_file", stapsdt_note({.semaphore = kDataAddress + kPartSize}), "writable"},
        BadNote{"semaphore_half_in_file", stapsdt_note({.semaphore = kDataAddress + kPartSize - 1}), "writable"},
        BadNote{"semaphore_odd", stapsdt_note({.semaphore = kDataAddress + 1}), "odd"}),
    [](const auto& param) { return param.param.name; });

TEST(ElfNotes, semaphore_in_read_only_segment_is_refused) {
  const auto result = read(build_elf({.notes = stapsdt_note({.semaphore = kDataAddress}), .data_flags = PF_R}));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->skipped_count, 1U);
}

TEST(ElfNotes, good_note_before_a_bad_one_survives) {
  const auto result = read_notes(stapsdt_note({}) + raw_note(8, 0x7fffffff, 3, ""));
  EXPECT_EQ(result.probes.size(), 1U);
  EXPECT_EQ(result.skipped_count, 1U);
}

TEST(ElfNotes, notes_are_bounded) {
  std::string notes;
  for (int i = 0; i < 200000; ++i) notes += stapsdt_note({.address = kTextAddress + static_cast<unsigned>(i % 256)});
  const auto result = read_notes(notes);
  EXPECT_EQ(result.probes.size(), 256U);
  ASSERT_EQ(result.skipped_count, 1U);
  EXPECT_THAT(result.skipped[0].reason, HasSubstr("first 65536"));
}

TEST(ElfNotes, a_million_notes_are_refused_as_a_whole) {
  const std::string note = stapsdt_note({});
  std::string notes;
  notes.reserve(note.size() * 1000000);
  for (int i = 0; i < 1000000; ++i) notes += note;
  const auto result = read_notes(notes);
  EXPECT_TRUE(result.probes.empty());
  EXPECT_EQ(result.skipped_count, 1U);
}

TEST(ElfNotes, skipped_list_is_bounded_but_counted) {
  std::string notes;
  for (int i = 0; i < 1000; ++i) notes += stapsdt_note({.address = 0});
  const auto result = read_notes(notes);
  EXPECT_EQ(result.skipped_count, 1000U);
  EXPECT_EQ(result.skipped.size(), kMaxSkippedListed);
}

TEST(ElfNotes, what_is_no_64_bit_elf_file_is_an_error) {
  EXPECT_THAT(message(read("")), HasSubstr("not an ELF file"));
  EXPECT_THAT(message(read("#!/bin/sh\n")), HasSubstr("not an ELF file"));
  std::string file = build_elf({});
  EXPECT_THAT(message(read(file.substr(0, 40))), HasSubstr("damaged"));
  file[EI_CLASS] = ELFCLASS32;
  EXPECT_THAT(message(read(file)), HasSubstr("32-bit"));
  EXPECT_THAT(message(read(build_elf({.machine = EM_RISCV}))), HasSubstr("another machine"));
  EXPECT_THAT(message(read(build_elf({.type = ET_REL}))), HasSubstr("neither an executable"));
}

TEST(ElfNotes, truncated_file_is_an_error) {
  const std::string file = build_elf({.notes = stapsdt_note({})});
  EXPECT_THAT(message(read(file.substr(0, file.size() - 1))), HasSubstr("cut off"));
}

TEST(ElfNotes, directory_is_an_error) {
  const Fd fd(open("/", O_RDONLY | O_CLOEXEC));
  EXPECT_THAT(message(read_probes(fd.get(), "/")), HasSubstr("not a regular file"));
}

// What binutils makes of a real binary is the truth to compare with.
using Listed = std::multiset<std::tuple<std::string, std::string, std::uint64_t, std::uint64_t, std::string>>;

Listed list_with_readelf(const std::string& path) {
  Listed probes;
  FILE* pipe = popen(("readelf -nW " + path).c_str(), "r");
  std::array<char, 4096> line{};
  std::string provider, name;
  unsigned long site = 0, base = 0, semaphore = 0;
  while (fgets(line.data(), line.size(), pipe) != nullptr) {
    std::string text(line.data());
    text.erase(text.find_last_not_of("\n ") + 1);
    if (const auto at = text.find("Provider: "); at != std::string::npos) provider = text.substr(at + 10);
    if (const auto at = text.find("Name: "); at != std::string::npos) name = text.substr(at + 6);
    if (const auto at = text.find("Location: "); at != std::string::npos) {
      sscanf(text.c_str() + at, "Location: %lx, Base: %lx, Semaphore: %lx", &site, &base, &semaphore);
    }
    if (const auto at = text.find("Arguments:"); at != std::string::npos) {
      probes.emplace(provider, name, site, semaphore, text.size() > at + 11 ? text.substr(at + 11) : "");
    }
  }
  pclose(pipe);
  return probes;
}

TEST(ElfNotes, postgres_agrees_with_readelf) {
  const std::string postgres = postgres_binary();
  if (postgres.empty()) GTEST_SKIP() << "no PostgreSQL server is installed";
  const Fd fd(open(postgres.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(fd.valid());
  const auto result = read_probes(fd.get(), postgres);
  ASSERT_TRUE(result) << message(result);
  EXPECT_EQ(result->skipped_count, 0U);
  Listed ours;
  for (const ElfProbe& probe : result->probes) {
    ours.emplace(probe.provider, probe.name, probe.address, probe.semaphore_address, probe.args);
    EXPECT_EQ(probe.code[0], 0x90) << probe.name;
  }
  const Listed theirs = list_with_readelf(postgres);
  ASSERT_GE(theirs.size(), 60U);
  EXPECT_EQ(ours, theirs);
}

}  // namespace
}  // namespace outrider
