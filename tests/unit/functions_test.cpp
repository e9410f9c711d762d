// Functions as places to probe: finding them, what is refused of them, and what a profile says of them.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

#include "tests/unit/load_bias.h"
#include "userspace/base/fd.h"
#include "userspace/target/probe_plan.h"

extern "C" {
// Found by name below, so it must survive the optimiser.
__attribute__((used, noinline, visibility("default"))) int outrider_test_function(int number) { return number + 1; }
}

namespace outrider {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ElfProbes own_functions(const FunctionNames& wanted) {
  const Fd self(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  auto probes = read_probes(self.get(), "self", wanted);
  EXPECT_TRUE(probes) << probes.error().message;
  std::erase_if(probes->probes, [](const ElfProbe& probe) {
    return probe.provider != kFunctionProvider && probe.provider != kReturnProvider;
  });
  return *probes;
}

ElfProbe function(std::string_view provider, const std::string& name) {
  ElfProbe made;
  made.provider = provider;
  made.name = name;
  made.args = provider == kReturnProvider ? "8@%rax" : "8@%rdi 8@%rsi 8@%rdx 8@%rcx 8@%r8 8@%r9";
  made.offset = 0x1000;
  made.code = {0x55};  // push %rbp
  made.code_size = 1;
  return made;
}

ElfProbes with_functions(const std::vector<std::string>& names) {
  ElfProbes elf;
  for (const std::string& name : names) {
    elf.probes.push_back(function(kFunctionProvider, name));
    elf.probes.push_back(function(kReturnProvider, name));
  }
  return elf;
}

Profile profile_for(const std::string& name, const std::string& end = "", const std::string& type = "") {
  const auto profile = profile_of_function(name, end, type);
  EXPECT_TRUE(profile) << profile.error().message;
  return *profile;
}

std::string faults(const std::string& text) {
  const auto profile = parse_profile("name = 'x'\n" + text, "x.toml");
  return profile ? "no fault" : profile.error().message;
}

TEST(Functions, are_found_where_they_were_linked) {
  const ElfProbes elf = own_functions({"outrider_test_function", "no_such_function"});
  ASSERT_EQ(elf.probes.size(), 2U);
  EXPECT_EQ(elf.probes[0].provider, kFunctionProvider);
  EXPECT_EQ(elf.probes[1].provider, kReturnProvider);
  for (const ElfProbe& probe : elf.probes) {
    EXPECT_EQ(probe.address + load_bias(), reinterpret_cast<std::uint64_t>(&outrider_test_function));
    EXPECT_EQ(std::memcmp(probe.code.data(), reinterpret_cast<const void*>(&outrider_test_function), probe.code_size),
              0);
  }
}

TEST(Functions, are_found_by_a_pattern) {
  EXPECT_EQ(own_functions({"outrider_test_f*n"}).probes.size(), 2U);
  EXPECT_THAT(own_functions({"outrider_test_f?"}).probes, IsEmpty());
  EXPECT_THAT(own_functions({}).probes, IsEmpty());
}

TEST(Functions, a_file_that_throws_is_told) { EXPECT_TRUE(own_functions({}).throws); }

ElfProbes of_library(const std::string& name) {
  for (const char* directory : {"/lib/x86_64-linux-gnu/", "/lib/aarch64-linux-gnu/"}) {
    const Fd fd(open((directory + name).c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) continue;
    auto probes = read_probes(fd.get(), name);
    if (probes) return *std::move(probes);
  }
  ADD_FAILURE() << name << " is not here";
  return {};
}

// It has no throw of its own: what it calls in libstdc++ throws.
TEST(Functions, a_file_that_lets_exceptions_through_is_told) {
  EXPECT_TRUE(of_library("libstdc++.so.6").throws);
  EXPECT_TRUE(of_library("libjemalloc.so.2").throws);
  EXPECT_FALSE(of_library("libc.so.6").throws);  // its tables are those of C: cleanups of threads that are cancelled
  EXPECT_FALSE(of_library("libm.so.6").throws);
}

TEST(Functions, no_return_is_probed_where_stacks_are_switched) {
  EXPECT_TRUE(of_library("libcrypto.so.3").switches_stacks);
  EXPECT_FALSE(of_library("libm.so.6").switches_stacks);
  ElfProbes elf = with_functions({"run"});
  elf.switches_stacks = true;
  EXPECT_THAT(plan_probes(elf, profile_for("run"), {}).error().message, HasSubstr("switches stacks"));
  EXPECT_TRUE(plan_probes(elf, profile_for("run", "run"), {}));
}

TEST(Functions, one_is_a_query_from_its_beginning_to_its_return) {
  const auto plan = plan_probes(with_functions({"run"}), profile_for("run"), {});
  ASSERT_TRUE(plan) << plan.error().message;
  ASSERT_EQ(plan->sites.size(), 2U);
  EXPECT_EQ(plan->sites[0].role, OUTRIDER_ROLE_QUERY_START);
  EXPECT_FALSE(plan->sites[0].at_return);
  EXPECT_STREQ(plan->sites[0].spec.name, "run");
  EXPECT_EQ(plan->sites[1].role, OUTRIDER_ROLE_QUERY_END);
  EXPECT_TRUE(plan->sites[1].at_return);
  EXPECT_EQ(plan->sites[0].spec.tag, plan->sites[1].spec.tag);
}

TEST(Functions, an_argument_may_be_the_type) {
  const auto plan = plan_probes(with_functions({"run", "over"}), profile_for("run", "over", "arg3:int"), {});
  ASSERT_TRUE(plan) << plan.error().message;
  const outrider_site& start = plan->sites[0].spec;
  EXPECT_EQ(start.flags, OUTRIDER_SITE_TYPE_IS_NUMBER);
  EXPECT_EQ(start.args[1].reg, OUTRIDER_REG_DX);
  EXPECT_STREQ(start.name, "");
  EXPECT_FALSE(plan->sites[1].at_return);
  for (const char* wrong : {"arg0:str", "arg7:str", "arg1", "1:str", "arg1:text", "arg12:int"}) {
    EXPECT_FALSE(profile_of_function("run", "", wrong)) << wrong;
  }
}

TEST(Functions, no_return_is_probed_where_it_is_not_safe) {
  ElfProbes elf = with_functions({"run"});
  EXPECT_THAT(plan_probes(elf, profile_for("run"), {.no_returns = "not here"}).error().message, HasSubstr("not here"));
  elf.throws = true;
  EXPECT_THAT(plan_probes(elf, profile_for("run"), {}).error().message, HasSubstr("by an exception"));
  EXPECT_TRUE(plan_probes(elf, profile_for("run", "run"), {}));
  EXPECT_THAT(plan_probes(with_functions({"vfork"}), profile_for("vfork"), {}).error().message,
              HasSubstr("returns twice"));
}

TEST(Functions, a_pattern_for_hundreds_is_refused) {
  std::vector<std::string> names;
  names.reserve(501);
  for (int i = 0; i < 501; ++i) names.push_back(fmt::format("f{}", i));
  const auto plan = plan_probes(with_functions(names), profile_for("f*"), {});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, E2BIG);
  names.pop_back();
  EXPECT_TRUE(plan_probes(with_functions(names), profile_for("f*"), {}));
}

TEST(Functions, pointers_are_followed) {
  const auto profile = parse_profile(R"(
name = "x"
[[probe]]
provider = "function"
name = "run"
role = "query_start"
args = { type = { argument = 2, follow = [-16, 8] } }
[[probe]]
provider = "function"
name = "over"
role = "query_end"
)",
                                     "x.toml");
  ASSERT_TRUE(profile) << profile.error().message;
  EXPECT_THAT(functions_of({&*profile, 1}), ElementsAre("over", "run"));
  const auto plan = plan_probes(with_functions({"run", "over"}), *profile, {});
  ASSERT_TRUE(plan) << plan.error().message;
  const outrider_arg& type = plan->sites[0].spec.args[1];
  EXPECT_EQ(type.hops, 2);
  EXPECT_EQ(type.hop[0], -16);
  EXPECT_EQ(type.hop[1], 8);
}

TEST(Functions, faults_of_a_profile) {
  const std::string end = "[[probe]]\nprovider = 'return'\nname = 'f'\nrole = 'query_end'\n";
  EXPECT_THAT(faults(end), HasSubstr("c_return_probes_ok"));
  EXPECT_EQ(faults("c_return_probes_ok = true\n" + end), "no fault");
  const std::string start = "[[probe]]\nprovider = 'function'\nname = 'f'\nrole = 'query_start'\n";
  EXPECT_THAT(faults(start + "args = { type = { argument = 1, follow = [1, 2, 3] } }"), HasSubstr("follow"));
  EXPECT_THAT(faults(start + "args = { type = { follow = [1] } }"), HasSubstr("argument"));
  EXPECT_THAT(faults("[[probe]]\nprovider = 'p'\nname = 'f'\nrole = 'query_start'\ntype_is_function = true\n"),
              HasSubstr("type_is_function"));
  EXPECT_THAT(faults("[[probe]]\nprovider = 'p'\nname = 'f'\nrole = 'prepare'\nargs = { text = 1 }\n"),
              HasSubstr("key_at"));
  EXPECT_THAT(faults("[[probe]]\nprovider = 'p'\nname = 'f'\nrole = 'step_end'\nargs = { result = 1 }\n"),
              HasSubstr("more"));
}

}  // namespace
}  // namespace outrider
