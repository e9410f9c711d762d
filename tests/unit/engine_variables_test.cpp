// The engine's own variables: finding them in symbol tables, naming them in a profile, planning with them.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/elf_builder.h"
#include "tests/unit/load_bias.h"
#include "tests/unit/postgres_binary.h"
#include "userspace/base/fd.h"
#include "userspace/target/elf_symbols.h"
#include "userspace/target/probe_plan.h"

extern "C" {
// Found by name below, so it must survive the optimiser.
__attribute__((used, visibility("default"))) unsigned outrider_test_variable = 0x09000002;
}

namespace outrider {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Fd self() { return Fd(open("/proc/self/exe", O_RDONLY | O_CLOEXEC)); }

TEST(ElfSymbols, finds_a_variable_where_it_was_linked) {
  const auto address = find_data_symbol(self().get(), "self", "outrider_test_variable");
  ASSERT_TRUE(address) << address.error().message;
  EXPECT_EQ(*address + load_bias(), reinterpret_cast<std::uint64_t>(&outrider_test_variable));
}

TEST(ElfSymbols, says_what_is_not_there) {
  EXPECT_THAT(find_data_symbol(self().get(), "self", "outrider_test_variabl").error().message,
              AllOf(HasSubstr("self"), HasSubstr("outrider_test_variabl")));
  EXPECT_FALSE(find_data_symbol(self().get(), "self", "main"));  // a function
  EXPECT_THAT(find_data_symbol(memory_file("#!/bin/sh\n").get(), "script", "x").error().message, HasSubstr("script"));
  EXPECT_FALSE(find_data_symbol(memory_file(build_elf({})).get(), "bare", "x"));
}

TEST(ElfSymbols, damaged_tables_never_crash) {
  std::string file(1u << 26, '\0');
  const Fd program = self();
  const ssize_t size = pread(program.get(), file.data(), file.size(), 0);
  ASSERT_GT(size, 0);
  file.resize(static_cast<std::size_t>(size));
  Elf64_Ehdr header;
  std::memcpy(&header, file.data(), sizeof(header));
  const Fd copy = memory_file(file);
  std::mt19937 random(7);
  for (int i = 0; i < 400; ++i) {  // of a large program; the fuzzer of elf_symbols has the time for more
    const std::size_t at = header.e_shoff + random() % (header.e_shnum * sizeof(Elf64_Shdr));
    const auto byte = static_cast<char>(random());
    ASSERT_EQ(pwrite(copy.get(), &byte, 1, static_cast<off_t>(at)), 1);
    (void)find_data_symbol(copy.get(), "mutant", "outrider_test_variable");
    if (i % 4 == 3) {
      ASSERT_EQ(pwrite(copy.get(), file.data() + header.e_shoff, header.e_shnum * sizeof(Elf64_Shdr),
                       static_cast<off_t>(header.e_shoff)),
                static_cast<ssize_t>(header.e_shnum * sizeof(Elf64_Shdr)));
    }
  }
}

const std::string kProfile = R"(
name = "m"
[[probe]]
provider = "p"
name = "start"
role = "query_start"
args = { type = 1 }
[[probe]]
provider = "p"
name = "done"
role = "query_end"
[[probe]]
provider = "p"
name = "text"
role = "statement"
args = { text = 1 }
unless = "replicating"
[[probe]]
provider = "p"
name = "lock"
role = "wait_start"
wait = { class = "lock" }
)";
const std::string kWaitWord = R"(
[wait_word]
symbol = "note"
indirect = true
mask = 0x0f000000
classes = { 3 = "lock", 9 = "sleep" }
)";

ElfProbes binary() {
  ElfProbes elf;
  std::uint64_t address = 0x401000;
  for (const char* name : {"start", "done", "text", "lock"}) {
    ElfProbe probe;
    probe.provider = "p";
    probe.name = name;
    probe.args = "8@%rdi";
    probe.address = address;
    probe.offset = address - 0x400000;
    probe.code = {0x90};
    probe.code_size = kSiteBytes;
    elf.probes.push_back(probe);
    address += 0x10;
  }
  return elf;
}

Profile profile() {
  auto parsed = parse_profile(kProfile + kWaitWord, "x.toml");
  EXPECT_TRUE(parsed) << parsed.error().message;
  return parsed ? *parsed : Profile{};
}

TEST(WaitWord, is_parsed) {
  const Profile parsed = profile();
  ASSERT_TRUE(parsed.wait_word);
  EXPECT_EQ(parsed.wait_word->symbol, "note");
  EXPECT_TRUE(parsed.wait_word->indirect);
  EXPECT_EQ(parsed.wait_word->shift, 24U);
  EXPECT_EQ(parsed.wait_word->mask, 0xfU);
  EXPECT_EQ(parsed.wait_word->classes[3], 1 + OUTRIDER_WAIT_LOCK);
  EXPECT_EQ(parsed.wait_word->classes[9], 1 + OUTRIDER_WAIT_SLEEP);
  EXPECT_EQ(parsed.wait_word->classes[0], 0);
  EXPECT_EQ(parsed.probes[2].unless, "replicating");
}

std::string faults(const std::string& text) {
  const auto parsed = parse_profile(text, "x.toml");
  return parsed ? "no fault" : parsed.error().message;
}

TEST(WaitWord, faults_are_named_with_their_line) {
  EXPECT_THAT(faults(kProfile + "[wait_word]\nsymbl = \"x\"\n"),
              AllOf(HasSubstr("did you mean 'symbol'?"), HasSubstr("wait_word.mask: missing"),
                    HasSubstr("wait_word.classes: expected a table")));
  EXPECT_THAT(faults(kProfile + "[wait_word]\nsymbol = \"x\"\nmask = 0\nclasses = { 16 = \"lock\", x = \"lock\" }\n"),
              AllOf(HasSubstr("whole number from 1"), HasSubstr("wait_word.classes.16: expected a number from 0 to 15"),
                    HasSubstr("wait_word.classes.x")));
  EXPECT_THAT(faults(kProfile + "[wait_word]\nsymbol = \"x\"\nmask = 255\nclasses = { 1 = \"lokc\" }\n"),
              AllOf(HasSubstr("x.toml:"), HasSubstr("did you mean 'lock'?")));
  EXPECT_THAT(faults("name = \"m\"\n[[probe]]\nprovider = \"p\"\nname = \"d\"\nrole = \"query_end\"\nunless = \"x\"\n"),
              HasSubstr("x.toml:6: unless: only for the role statement"));
}

TEST(WaitWord, is_a_distance_from_each_start_and_replaces_the_wait_probes) {
  const auto plan = plan_probes(binary(), profile(), {.variables = {{"note", 0x601004}}});
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_TRUE(plan->waits_noted);
  ASSERT_EQ(plan->sites.size(), 3U);
  EXPECT_EQ(plan->sites[0].spec.wait_word, 0x601004 - 0x401000);
  EXPECT_EQ(plan->sites[0].spec.wait_shift, 24U);
  EXPECT_EQ(plan->sites[0].spec.wait_mask, 0xfU);
  EXPECT_EQ(plan->sites[0].spec.wait_classes[9], 1 + OUTRIDER_WAIT_SLEEP);
  EXPECT_NE(plan->sites[0].spec.flags & OUTRIDER_SITE_WAIT_WORD_POINTER, 0U);
  EXPECT_EQ(plan->sites[1].spec.wait_word, 0);  // an end
  EXPECT_EQ(plan->sites[2].spec.unless, 0);     // its variable is not there
}

TEST(WaitWord, without_the_variable_the_wait_probes_stay) {
  const auto plan = plan_probes(binary(), profile(), {.variables = {{"replicating", 0x400020}}});
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_FALSE(plan->waits_noted);
  ASSERT_EQ(plan->sites.size(), 4U);
  EXPECT_EQ(plan->sites[0].spec.wait_word, 0);
  EXPECT_EQ(plan->sites[2].spec.unless, 0x400020 - 0x401020);
  EXPECT_EQ(plan->sites[3].role, OUTRIDER_ROLE_WAIT_START);
}

TEST(WaitWord, real_postgres) {
  const std::string postgres = postgres_binary();
  if (postgres.empty()) GTEST_SKIP() << "no PostgreSQL server is installed";
  const Fd fd(open(postgres.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(fd.valid());
  const auto elf = read_probes(fd.get(), postgres);
  ASSERT_TRUE(elf);
  const auto profiles = builtin_profiles();
  ASSERT_TRUE(profiles);
  const auto picked = pick_profile(*elf, *profiles);
  ASSERT_TRUE(picked);
  const auto plan = plan_file(fd.get(), postgres, *elf, (*profiles)[*picked], {});
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_TRUE(plan->waits_noted);
  for (const PlannedSite& site : plan->sites) {
    EXPECT_EQ(site.spec.wait_word != 0, site.role == OUTRIDER_ROLE_QUERY_START) << site.probe;
    EXPECT_EQ(site.spec.unless != 0, site.role == OUTRIDER_ROLE_STATEMENT) << site.probe;
    EXPECT_NE(site.group, ProbeGroup::kWait) << site.probe;
  }
}

}  // namespace
}  // namespace outrider
