// A profile says how to read one engine: which probes mean what, and which argument is which field. TOML files;
// docs in usdt/profiles/. Plain values, parsing has no shared state: thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/abi/abi.h"
#include "userspace/base/result.h"
#include "userspace/target/elf_notes.h"

namespace outrider {

/// What may be given up together when the probes cost too much, cheapest loss first: cache and phase, then start.
enum class ProbeGroup { kQuery, kStart, kPhase, kCache, kWait };

/// How the engine's queries are followed: by the thread they run on, or by their id across threads. Ids that may change
/// threads have OUTRIDER_DETACHED_BIT set by the engine; kId says that it does so for all and makes the id a must.
enum class QueryKey { kTask, kId };

/// Where one field of a role comes from.
struct ArgSource {
  enum class Kind { kNone, kArgument, kConstant };
  Kind kind = Kind::kNone;
  int number = 0;                      ///< kArgument: 1 is the probe's first, -1 its last
  std::vector<std::int16_t> follow{};  ///< kArgument: it is an address; what stands so far from there is taken instead
  std::int64_t mask = 0;               ///< kArgument in a register: the bits of it that are meant; 0: all
  std::int64_t value = 0;              ///< kConstant
};

struct ProbeName {
  /// "*": any that has all the required probes of the profile; or kFunctionProvider, kReturnProvider, with which the
  /// name may be a pattern.
  std::string provider;
  std::string name;
};

/// One [[probe]] entry: a probe in one role. A probe with several roles has several entries.
struct ProfileProbe {
  ProbeName probe;
  outrider_role role = OUTRIDER_ROLE_QUERY_START;
  ProbeGroup group = ProbeGroup::kQuery;
  bool required = false;
  std::uint32_t flags = 0;  ///< OUTRIDER_SITE_*
  std::uint32_t tag = 0;
  std::string unless;                               ///< a variable; the probe means nothing while it is not zero
  std::string label;                                ///< constant name of a phase, may be empty
  bool type_is_function = false;                    ///< the type is the name of the function that is probed
  std::array<ArgSource, OUTRIDER_MAX_ARGS> args{};  ///< in the role's order of abi.h

  /// How many arguments a site must have; 0: none.
  [[nodiscard]] int arguments_needed() const;
};

/// Where the engine notes what it waits for: a 32-bit variable of its own, read when a thread blocks. It costs no trap,
/// and so takes the place of the profile's wait probes in binaries that have it.
struct WaitWord {
  std::string symbol;       ///< the variable, or a pointer to it
  bool indirect = false;    ///< it is a pointer
  std::uint32_t shift = 0;  ///< the class is told by (word >> shift) & mask
  std::uint32_t mask = 0;
  std::array<std::uint8_t, OUTRIDER_WAIT_WORD_CLASSES> classes{};  ///< by that value: 1 + wait class; 0: not a wait
};

struct Profile {
  std::string name;
  std::string description;
  std::string engine;
  std::string source;  ///< file it came from, or "built in"
  bool forks = false;
  QueryKey threads = QueryKey::kTask;
  bool c_return_probes_ok = false;
  outrider_sql_dialect sql_dialect = OUTRIDER_SQL_NONE;  ///< of its texts: literals can be told from the rest
  bool postgresql_titles = false;  ///< its processes say in their titles whose work they do, as PostgreSQL's do
  std::vector<ProbeName> detect;   ///< all must exist for the profile to be picked
  std::vector<ProfileProbe> probes;
  std::optional<WaitWord> wait_word;
};

/// Parses one file's text. The error lists every fault as "file:line: key: what was expected", one a line.
Result<Profile> parse_profile(std::string_view text, const std::string& source);

Result<Profile> load_profile(const std::string& path);

/// All *.toml of a directory, sorted by file name; the error lists the faults of all files.
Result<std::vector<Profile>> load_profiles(const std::string& directory);

/// The shipped ones. An error is a bug of the build.
Result<std::vector<Profile>> builtin_profiles();

/// The profiles to choose from when the user asked for `wanted`: a shipped one's name, or a file (with a slash, or
/// ending in .toml); empty: all shipped ones. Errors: no such name, or what load_profile() says.
Result<std::vector<Profile>> choose_profiles(const std::string& wanted);

/// A profile made for some functions that nobody wrote one for: a query is the time from where one of them begins until
/// it returns, or until a function of the name `end` begins. `type` is how its type is told: empty: by the function's
/// name; "argN:str", "argN:int": by that argument. Errors: `type` is neither.
Result<Profile> profile_of_function(const std::string& function, const std::string& end, const std::string& type);

/// The functions whose beginnings or returns the profiles look at.
FunctionNames functions_of(std::span<const Profile> profiles);

std::string_view role_name(outrider_role role);
std::string_view group_name(ProbeGroup group);

}  // namespace outrider
