#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "userspace/target/profile.h"

namespace outrider {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string kEnd = "[[probe]]\nprovider = \"p\"\nname = \"done\"\nrole = \"query_end\"\n";

std::string faults(const std::string& text) {
  const auto profile = parse_profile(text, "x.toml");
  return profile ? "no fault" : profile.error().message;
}

TEST(ProfileParse, every_field) {
  const auto profile = parse_profile(R"(
name = "mine"
description = "d"
engine = "e"
forks = true
threads = "id"
c_return_probes_ok = true
sql_dialect = "mysql"
detect = ["p:start", "*:other"]
[[probe]]
provider = "p"
name = "start"
role = "query_start"
args = { id = { const = 7 }, type = 2, depth = -1 }
type_is_sql = true
outermost = true
tag = 3
required = true
group = "query"
[[probe]]
provider = "p"
name = "lock"
role = "wait_start"
wait = { class = "lock" }
[[probe]]
provider = "p"
name = "parse"
role = "phase_start"
phase = "parse"
[[probe]]
provider = "p"
name = "done"
role = "query_end"
args = { id = 1, duration_ns = 4 }
)",
                                     "x.toml");
  ASSERT_TRUE(profile) << profile.error().message;
  EXPECT_EQ(profile->name, "mine");
  EXPECT_TRUE(profile->forks);
  EXPECT_TRUE(profile->c_return_probes_ok);
  EXPECT_EQ(profile->sql_dialect, OUTRIDER_SQL_MYSQL);
  EXPECT_EQ(profile->threads, QueryKey::kId);
  ASSERT_EQ(profile->detect.size(), 2U);
  EXPECT_EQ(profile->detect[1].provider, "*");
  EXPECT_EQ(profile->detect[1].name, "other");
  ASSERT_EQ(profile->probes.size(), 4U);
  const ProfileProbe& start = profile->probes[0];
  EXPECT_EQ(start.role, OUTRIDER_ROLE_QUERY_START);
  EXPECT_EQ(start.group, ProbeGroup::kQuery);
  EXPECT_EQ(start.flags, OUTRIDER_SITE_TYPE_IS_SQL | OUTRIDER_SITE_OUTERMOST);
  EXPECT_EQ(start.tag, 3U);
  EXPECT_TRUE(start.required);
  EXPECT_EQ(start.args[0].kind, ArgSource::Kind::kConstant);
  EXPECT_EQ(start.args[0].value, 7);
  EXPECT_EQ(start.args[1].number, 2);
  EXPECT_EQ(start.args[2].number, -1);
  EXPECT_EQ(start.arguments_needed(), 2);
  EXPECT_EQ(profile->probes[1].args[0].kind, ArgSource::Kind::kConstant);
  EXPECT_EQ(profile->probes[1].args[0].value, OUTRIDER_WAIT_LOCK);
  EXPECT_EQ(profile->probes[1].group, ProbeGroup::kWait);
  EXPECT_EQ(profile->probes[2].label, "parse");
  EXPECT_EQ(profile->probes[3].args[3].number, 4);
}

TEST(ProfileParse, default_groups) {
  const auto profile = parse_profile("name = \"m\"\n" + kEnd + R"(
[[probe]]
provider = "p"
name = "start"
role = "query_start"
args = { type = 1 }
[[probe]]
provider = "p"
name = "hit"
role = "cache"
args = { hit = 1 }
)",
                                     "x.toml");
  ASSERT_TRUE(profile);
  EXPECT_EQ(profile->probes[0].group, ProbeGroup::kQuery);
  EXPECT_EQ(profile->probes[1].group, ProbeGroup::kStart);
  EXPECT_EQ(profile->probes[2].group, ProbeGroup::kCache);
}

TEST(ProfileParse, a_dialect_that_nobody_knows) {
  EXPECT_THAT(faults("name = \"m\"\nsql_dialect = \"tsql\"\n" + kEnd),
              AllOf(HasSubstr("x.toml:2: sql_dialect"), HasSubstr(R"("postgresql", "mysql" or "sqlite")")));
  EXPECT_THAT(faults("name = \"m\"\nprocess_title = \"mysql\"\n" + kEnd), HasSubstr("x.toml:2: process_title"));
}

TEST(ProfileParse, typo_says_file_line_key_and_what_was_meant) {
  EXPECT_THAT(faults("name = \"m\"\nfroks = true\n" + kEnd),
              AllOf(HasSubstr("x.toml:2: froks"), HasSubstr("did you mean 'forks'?")));
  EXPECT_THAT(faults("name = \"m\"\n" + kEnd + "requird = true\n"),
              AllOf(HasSubstr("x.toml:6: requird"), HasSubstr("'required'")));
}

TEST(ProfileParse, all_faults_at_once) {
  const std::string text = R"(description = 3
threads = "both"
detect = ["nocolon"]
[[probe]]
provider = "p"
role = "query_begin"
[[probe]]
provider = "p"
name = "s"
role = "query_start"
args = { type = "two", idd = 1, depth = 0 }
tag = -1
group = "caches"
[[probe]]
provider = "p"
name = "w"
role = "wait_start"
wait = { class = "locks" }
outermost = true
)";
  EXPECT_THAT(faults(text),
              AllOf(HasSubstr("name: missing"), HasSubstr("x.toml:1: description: expected a text"),
                    HasSubstr("x.toml:2: threads: expected \"task\" or \"id\""), HasSubstr("x.toml:3: detect"),
                    HasSubstr("x.toml:6: role: unknown role 'query_begin'"),
                    AllOf(HasSubstr("x.toml:11: args.type: expected the number"), HasSubstr("x.toml:11: args.idd"),
                          HasSubstr("did you mean 'id'?"), HasSubstr("x.toml:11: args.depth"),
                          HasSubstr("x.toml:12: tag"), HasSubstr("x.toml:13: group: unknown group 'caches'"),
                          HasSubstr("x.toml:18: wait.class: unknown wait class 'locks'; did you mean 'lock'?"),
                          HasSubstr("x.toml:19: outermost"))));
}

TEST(ProfileParse, missing_fields_of_a_role) {
  const auto probe = [](const std::string& role) {
    return faults("name = \"m\"\n" + kEnd + "[[probe]]\nprovider = \"p\"\nname = \"n\"\nrole = \"" + role + "\"\n");
  };
  EXPECT_THAT(probe("query_start"), HasSubstr("x.toml:6: args.type: missing"));
  EXPECT_THAT(probe("query_switch"), HasSubstr("args.id: missing"));
  EXPECT_THAT(probe("statement"), HasSubstr("args.text: missing"));
  EXPECT_THAT(probe("phase_start"), HasSubstr("phase: missing"));
  EXPECT_THAT(probe("cache"), HasSubstr("args.hit: missing"));
  EXPECT_THAT(probe("wait_start"), HasSubstr("wait: missing"));
  EXPECT_THAT(faults("name = \"m\"\nthreads = \"id\"\n" + kEnd), HasSubstr("args.id: missing"));
  EXPECT_EQ(probe("wait_end"), "no fault");
  EXPECT_EQ(probe("statement_ok"), "no fault");
}

TEST(ProfileParse, bits_of_an_argument) {
  const auto skip = [](const std::string& source) {
    return faults("name = \"m\"\n" + kEnd +
                  "[[probe]]\nprovider = \"p\"\nname = \"n\"\nrole = \"cache\"\ntentative = true\n"
                  "args = { hit = { const = 1 }, skip = " +
                  source + " }\n");
  };
  EXPECT_EQ(skip("{ argument = 3, mask = 14 }"), "no fault");
  EXPECT_THAT(skip("{ argument = 3, mask = 0 }"), HasSubstr("args.skip.mask"));
  EXPECT_THAT(skip("{ argument = 3, follow = [0], mask = 14 }"),
              HasSubstr("args.skip.mask: means nothing with follow"));
  EXPECT_THAT(skip("{ const = 3, mask = 14 }"), HasSubstr("args.skip"));
}

TEST(ProfileParse, broken_toml_and_empty_profiles) {
  EXPECT_THAT(faults("name = \"m\nx"), HasSubstr("x.toml:1: TOML:"));
  EXPECT_THAT(faults("name = \"m\"\n"), HasSubstr("expected [[probe]] entries"));
  EXPECT_THAT(faults("name = \"m\"\nprobe = []\n"), HasSubstr("query_end"));
  EXPECT_THAT(faults("name = \"m\"\nprobe = [3]\n"), HasSubstr("expected a table"));
  EXPECT_THAT(faults("name = \"m\"\n" + kEnd + "phase = \"x\"\n"), HasSubstr("only for the roles phase_start"));
}

TEST(ProfileParse, a_phase_name_must_fit) {
  const auto named = [](std::size_t length) {
    return faults("name = \"m\"\n" + kEnd +
                  "[[probe]]\nprovider = \"p\"\nname = \"n\"\nrole = \"phase_end\"\nphase = \"" +
                  std::string(length, 'x') + "\"\n");
  };
  EXPECT_EQ(named(27), "no fault");
  EXPECT_THAT(named(28), HasSubstr("at most 27 bytes"));
}

TEST(ProfileParse, shipped_profiles) {
  const auto builtin = builtin_profiles();
  ASSERT_TRUE(builtin) << builtin.error().message;
  const auto shipped = load_profiles(OUTRIDER_SOURCE_DIR "/usdt/profiles");
  ASSERT_TRUE(shipped) << shipped.error().message;
  ASSERT_EQ(builtin->size(), shipped->size());
  std::vector<std::string> names;
  for (const Profile& profile : *builtin) {
    names.push_back(profile.name);
    EXPECT_EQ(profile.forks, profile.name == "postgresql") << profile.name;
  }
  EXPECT_THAT(names, ::testing::ElementsAre("mariadb", "outrider", "postgresql", "redis", "sqlite"));
}

TEST(ProfileParse, directory_reports_the_faults_of_all_files) {
  std::string directory = (std::filesystem::temp_directory_path() / "profiles-XXXXXX").string();
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  std::ofstream(directory + "/a.toml") << "nme = 1\n";
  std::ofstream(directory + "/b.toml") << "= broken";
  std::ofstream(directory + "/c.txt") << "not a profile";
  const auto profiles = load_profiles(directory);
  ASSERT_FALSE(profiles);
  EXPECT_THAT(profiles.error().message, AllOf(HasSubstr("a.toml:1"), HasSubstr("b.toml:1")));
  EXPECT_THAT(profiles.error().message, ::testing::Not(HasSubstr("c.txt")));
  std::filesystem::remove_all(directory);
  EXPECT_THAT(load_profiles(directory).error().message, HasSubstr("No such file"));
  EXPECT_THAT(load_profile(directory + "/no.toml").error().message, HasSubstr("No such file"));
}

}  // namespace
}  // namespace outrider
