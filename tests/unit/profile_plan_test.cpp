#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "tests/unit/postgres_binary.h"
#include "userspace/base/fd.h"
#include "userspace/target/probe_plan.h"

namespace outrider {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::string_view kNop10Site = "\x90\x66\x2e\x0f\x1f\x84\0\0\0\0\0";

ElfProbe probe(const std::string& provider, const std::string& name, const std::string& args,
               std::string_view code = std::string_view(kNop10Site.data(), 11)) {
  ElfProbe made;
  made.provider = provider;
  made.name = name;
  made.args = args;
  made.offset = 0x1000;
  made.semaphore_offset = 0x2000;
  std::copy(code.begin(), code.end(), made.code.begin());
  made.code_size = code.size();
  return made;
}

std::vector<Profile> shipped() {
  auto profiles = builtin_profiles();
  EXPECT_TRUE(profiles);
  return *profiles;
}

Profile shipped(const std::string& name) {
  for (Profile& profile : shipped()) {
    if (profile.name == name) return profile;
  }
  ADD_FAILURE() << name;
  return {};
}

ElfProbes engine() {
  ElfProbes elf;
  elf.probes = {probe("kg", "query__start", "8@%rdi 8@%rsi 8@%rdx"),
                probe("kg", "query__end", "8@%rdi 8@%rsi -8@%rdx 8@%rcx 8@%r8 8@%r9 8@16(%rbp)"),
                probe("kg", "cache__hit", "8@%rdi"), probe("kg", "cache__miss", "8@%rdi")};
  return elf;
}

TEST(ProfilePlan, bits_of_an_argument_are_those_of_a_register) {
  const Profile profile = *parse_profile(R"(name = "m"
[[probe]]
provider = "kg"
name = "query__end"
role = "query_end"
[[probe]]
provider = "kg"
name = "lookup"
role = "cache"
args = { hit = { const = 1 }, skip = { argument = 2, mask = 14 } }
required = true
)",
                                         "x.toml");
  ElfProbes elf;
  elf.probes = {probe("kg", "query__end", ""), probe("kg", "lookup", "8@%rdi 4@%edx")};
  const auto plan = plan_probes(elf, profile, {});
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->sites.at(1).spec.args[1].kind, OUTRIDER_ARG_REG);
  EXPECT_EQ(plan->sites.at(1).spec.args[1].value, 14);
  elf.probes[1] = probe("kg", "lookup", "8@%rdi 4@-8(%rbp)");
  const auto refused = plan_probes(elf, profile, {});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("argument 2 (skip) is in memory"));
}

TEST(ProfilePlan, of_tentative_probes_all_or_none) {
  const Profile profile = *parse_profile(R"(name = "m"
[[probe]]
provider = "kg"
name = "query__end"
role = "query_end"
[[probe]]
provider = "kg"
name = "lookup"
role = "cache"
args = { hit = { const = 1 } }
tentative = true
[[probe]]
provider = "kg"
name = "miss"
role = "cache"
args = { hit = { const = 0 } }
tentative = true
)",
                                         "x.toml");
  ElfProbes elf;
  elf.probes = {probe("kg", "query__end", ""), probe("kg", "lookup", ""), probe("kg", "miss", "")};
  EXPECT_EQ(plan_probes(elf, profile, {})->sites.size(), 3U);
  elf.probes.pop_back();
  const auto plan = plan_probes(elf, profile, {});
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->sites.size(), 1U);
  EXPECT_EQ(plan->absent, std::vector<std::string>{"kg:miss"});
}

TEST(ProfilePlan, own_macros_under_any_provider) {
  const ElfProbes elf = engine();
  const auto profiles = shipped();
  const auto picked = pick_profile(elf, profiles);
  ASSERT_TRUE(picked) << picked.error().message;
  EXPECT_EQ(profiles[*picked].name, "outrider");
  const auto plan = plan_probes(elf, profiles[*picked], {});
  ASSERT_TRUE(plan) << plan.error().message;
  ASSERT_EQ(plan->sites.size(), 4U);
  EXPECT_TRUE(plan->light_possible);
  EXPECT_EQ(plan->absent.size(), 3U);  // switch, phase start and end
  const PlannedSite& end = plan->sites[1];
  EXPECT_EQ(end.role, OUTRIDER_ROLE_QUERY_END);
  EXPECT_EQ(end.offset, 0x1000U);
  EXPECT_EQ(end.ref_ctr_offset, 0x2000U);
  EXPECT_EQ(end.spec.nargs, 7U);
  EXPECT_EQ(end.spec.args[2].size, -8);
  EXPECT_EQ(end.spec.args[6].kind, OUTRIDER_ARG_DEREF);
  EXPECT_EQ(end.spec.args[6].reg, OUTRIDER_REG_BP);
  EXPECT_EQ(end.spec.args[6].value, 16);
  EXPECT_EQ(plan->sites[2].spec.args[0].value, 1);  // a hit
  EXPECT_EQ(plan->sites[3].spec.args[0].value, 0);
  EXPECT_EQ(plan->sites[3].group, ProbeGroup::kCache);
}

TEST(ProfilePlan, shift_on_safe_kernels_only) {
  const Profile profile = shipped("outrider");
  const auto safe = plan_probes(engine(), profile, {.generation = UprobeGeneration::kSafeNop10});
  ASSERT_TRUE(safe);
  EXPECT_EQ(safe->sites[0].offset, 0x1001U);
  EXPECT_EQ(safe->sites[0].ref_ctr_offset, 0x2000U);
  const auto unsafe = plan_probes(engine(), profile, {.generation = UprobeGeneration::kUnsafeNop5});
  ASSERT_TRUE(unsafe);
  EXPECT_EQ(unsafe->sites[0].offset, 0x1000U);
}

TEST(ProfilePlan, anothers_probe_of_the_same_name_is_not_ours) {
  ElfProbes elf = engine();
  elf.probes.push_back(probe("sql", "query__start", "8@%rbx"));
  const auto plan = plan_probes(elf, shipped("outrider"), {});
  ASSERT_TRUE(plan);
  for (const PlannedSite& site : plan->sites) EXPECT_EQ(site.provider, "kg");
  EXPECT_TRUE(plan->unusable.empty());
}

TEST(ProfilePlan, unreadable_site_is_listed_and_the_others_are_used) {
  ElfProbes elf = engine();
  elf.probes.push_back(probe("kg", "query__start", "8@%rdi 8@8(%rax,%rbx,4) 8@%rdx"));
  const auto plan = plan_probes(elf, shipped("outrider"), {});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->sites.size(), 4U);
  ASSERT_EQ(plan->unusable.size(), 1U);
  EXPECT_THAT(plan->unusable[0].reason, HasSubstr("index register"));
}

TEST(ProfilePlan, required_probe_that_cannot_be_used_is_an_error) {
  ElfProbes elf = engine();
  elf.probes[1] = probe("kg", "query__end", elf.probes[1].args, "\x0f\x1f\x44\x00\x00");
  elf.probes[1].code_size = 5;
  const auto plan = plan_probes(elf, shipped("outrider"), {});
  ASSERT_FALSE(plan);
  EXPECT_THAT(plan.error().message,
              AllOf(HasSubstr("*:query__end"), HasSubstr("5-byte nop"), HasSubstr("outrider probes")));
  EXPECT_TRUE(plan_probes(elf, shipped("outrider"), {.allow_nop5 = true}));
  EXPECT_TRUE(plan_probes(elf, shipped("outrider"), {.generation = UprobeGeneration::kNone}));
}

TEST(ProfilePlan, missing_required_probe_is_an_error) {
  ElfProbes elf = engine();
  elf.probes.erase(elf.probes.begin() + 1);
  const auto plan = plan_probes(elf, shipped("outrider"), {});
  ASSERT_FALSE(plan);
  EXPECT_THAT(plan.error().message, HasSubstr("no provider in the binary has query__end"));
  elf.skipped = {{"postgresql:query__done", "its semaphore is odd"}};
  EXPECT_THAT(plan_probes(elf, shipped("postgresql"), {}).error().message,
              HasSubstr("the note of postgresql:query__done is unusable: its semaphore is odd"));
}

TEST(ProfilePlan, nothing_fits) {
  const auto profiles = shipped();
  ElfProbes elf;
  EXPECT_THAT(pick_profile(elf, profiles).error().message, HasSubstr("no USDT probes"));
  elf.skipped = {{"a:b", "it is broken"}};
  elf.skipped_count = 9;
  EXPECT_THAT(pick_profile(elf, profiles).error().message, AllOf(HasSubstr("all 9"), HasSubstr("it is broken")));
  elf.probes = {probe("libc", "setjmp", "8@%rdi")};
  EXPECT_THAT(pick_profile(elf, profiles).error().message, AllOf(HasSubstr("libc"), HasSubstr("--profile")));
}

TEST(ProfilePlan, named_provider_wins_over_any) {
  ElfProbes elf = engine();
  for (const char* name : {"query__start", "query__execute__start", "statement__status"}) {
    elf.probes.push_back(probe("postgresql", name, "8@%rdi"));
  }
  const auto profiles = shipped();
  const auto picked = pick_profile(elf, profiles);
  ASSERT_TRUE(picked);
  EXPECT_EQ(profiles[*picked].name, "postgresql");
}

TEST(ProfilePlan, hit_flag_is_the_last_argument) {
  ElfProbes elf;
  elf.probes = {probe("postgresql", "query__start", "8@%rbx"),
                probe("postgresql", "query__done", "8@%rbx"),
                probe("postgresql", "query__execute__start", ""),
                probe("postgresql", "query__execute__done", ""),
                probe("postgresql", "statement__status", "8@%rsi"),
                probe("postgresql", "buffer__read__done", "-4@%edi 4@%esi 4@%edx 4@%ecx 4@%r8d -4@%r9d 1@$0 1@%al"),
                probe("postgresql", "buffer__read__done", "-4@%edi 4@%esi 4@%edx 4@%ecx 4@%r8d -4@%r9d 1@%bl")};
  const auto plan = plan_probes(elf, shipped("postgresql"), {});
  ASSERT_TRUE(plan) << plan.error().message;
  std::vector<int> registers;
  for (const PlannedSite& site : plan->sites) {
    if (site.role == OUTRIDER_ROLE_CACHE) registers.push_back(site.spec.args[0].reg);
  }
  EXPECT_THAT(registers, ::testing::ElementsAre(OUTRIDER_REG_AX, OUTRIDER_REG_BX));
  EXPECT_FALSE(plan->light_possible);
}

TEST(ProfilePlan, real_postgres) {
  const std::string postgres = postgres_binary();
  if (postgres.empty()) GTEST_SKIP() << "no PostgreSQL server is installed";
  const Fd fd(open(postgres.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(fd.valid());
  const auto elf = read_probes(fd.get(), postgres);
  ASSERT_TRUE(elf);
  const auto profiles = shipped();
  const auto picked = pick_profile(*elf, profiles);
  ASSERT_TRUE(picked);
  EXPECT_EQ(profiles[*picked].name, "postgresql");
  const auto plan = plan_probes(*elf, profiles[*picked], {});
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_TRUE(plan->unusable.empty()) << plan->unusable[0].reason;
  EXPECT_TRUE(plan->absent.empty());
  std::map<outrider_role, int> roles;
  for (const PlannedSite& site : plan->sites) {
    ++roles[site.role];
    EXPECT_NE(site.ref_ctr_offset, 0U) << site.probe;
    EXPECT_EQ(site.code, SiteCode::kNop) << site.probe;
  }
  EXPECT_EQ(roles[OUTRIDER_ROLE_QUERY_START], 3);  // readelf lists two sites of query__execute__start
  const auto reads = std::count_if(elf->probes.begin(), elf->probes.end(),
                                   [](const ElfProbe& probe) { return probe.name == "buffer__read__done"; });
  EXPECT_EQ(roles[OUTRIDER_ROLE_CACHE], reads);  // two in PostgreSQL 15, seven in 17
  EXPECT_EQ(roles[OUTRIDER_ROLE_STATEMENT], 1);
}

}  // namespace
}  // namespace outrider
