#include "userspace/target/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "userspace/target/embedded_profiles.h"
#include "userspace/target/role_info.h"

namespace outrider {
namespace {

void append(std::string& errors, const Error& error) {
  if (!errors.empty()) errors += '\n';
  errors += error.message;
}

}  // namespace

int ProfileProbe::arguments_needed() const {
  int highest = 0;
  for (const ArgSource& arg : args) {
    if (arg.kind == ArgSource::Kind::kArgument) highest = std::max(highest, std::abs(arg.number));
  }
  return highest;
}

Result<Profile> profile_of_function(const std::string& function, const std::string& end, const std::string& type) {
  Profile profile;
  profile.name = "function";
  profile.description = "functions named by hand";
  profile.source = "the command line";
  profile.c_return_probes_ok = true;  // where the binary throws exceptions the plan refuses them
  ProfileProbe begin;
  begin.probe = {std::string(kFunctionProvider), function};
  begin.role = OUTRIDER_ROLE_QUERY_START;
  begin.group = ProbeGroup::kStart;
  begin.required = true;
  begin.tag = 1;
  begin.type_is_function = type.empty();
  if (!type.empty()) {
    const bool number = type.ends_with(":int");
    constexpr std::size_t kWord = 3, kLength = 8;  // "arg", "argN:str"
    const bool known = type.size() == kLength && type.starts_with("arg") && (number || type.ends_with(":str"));
    if (!known || type[kWord] < '1' || type[kWord] > '6') {
      return Error{fmt::format("'{}' is no type; expected argN:str or argN:int, N from 1 to 6", type), EINVAL};
    }
    begin.args[1] = {.kind = ArgSource::Kind::kArgument, .number = type[kWord] - '0'};
    if (number) begin.flags = OUTRIDER_SITE_TYPE_IS_NUMBER;
  }
  ProfileProbe over;
  over.probe = {std::string(end.empty() ? kReturnProvider : kFunctionProvider), end.empty() ? function : end};
  over.role = OUTRIDER_ROLE_QUERY_END;
  over.required = true;
  over.tag = 1;
  profile.probes = {std::move(begin), std::move(over)};
  return profile;
}

FunctionNames functions_of(std::span<const Profile> profiles) {
  FunctionNames functions;
  const auto add = [&](const ProbeName& probe) {
    if (probe.provider == kFunctionProvider || probe.provider == kReturnProvider) functions.insert(probe.name);
  };
  for (const Profile& profile : profiles) {
    for (const ProbeName& probe : profile.detect) add(probe);
    for (const ProfileProbe& probe : profile.probes) add(probe.probe);
  }
  return functions;
}

std::string_view role_name(outrider_role role) { return role < OUTRIDER_ROLES ? kRoles[role].name : "unknown"; }

std::string_view group_name(ProbeGroup group) { return kGroupNames[static_cast<std::size_t>(group)]; }

Result<Profile> load_profile(const std::string& path) {
  constexpr std::uintmax_t kMaxProfileSize = 1u << 20;
  std::error_code code;
  const auto size = std::filesystem::file_size(path, code);
  if (code) return Error{fmt::format("read profile {}: {}", path, code.message()), code.value()};
  if (size > kMaxProfileSize) return Error{fmt::format("{}: is larger than 1 MiB; this is no profile", path)};
  std::ifstream file(path);
  if (!file) return Error::from_errno(errno, fmt::format("open profile {}", path));
  std::ostringstream text;
  text << file.rdbuf();
  return parse_profile(text.str(), path);
}

Result<std::vector<Profile>> load_profiles(const std::string& directory) {
  std::error_code code;
  std::vector<std::string> paths;
  for (std::filesystem::directory_iterator entry(directory, code), end; !code && entry != end; entry.increment(code)) {
    if (entry->path().extension() == ".toml") paths.push_back(entry->path().string());
  }
  if (code) return Error{fmt::format("read profile directory {}: {}", directory, code.message()), code.value()};
  std::sort(paths.begin(), paths.end());
  std::vector<Profile> profiles;
  std::string errors;
  for (const std::string& path : paths) {
    auto profile = load_profile(path);
    if (profile) {
      profiles.push_back(std::move(*profile));
    } else {
      append(errors, profile.error());
    }
  }
  if (!errors.empty()) return Error{errors};
  return profiles;
}

Result<std::vector<Profile>> builtin_profiles() {
  std::vector<Profile> profiles;
  std::string errors;
  for (const EmbeddedProfile& file : embedded_profiles()) {
    auto profile = parse_profile(file.text, std::string(file.file_name));
    if (profile) {
      profile->source = "built in";
      profiles.push_back(std::move(*profile));
    } else {
      append(errors, profile.error());
    }
  }
  if (!errors.empty()) return Error{errors};
  return profiles;
}

Result<std::vector<Profile>> choose_profiles(const std::string& wanted) {
  Result<std::vector<Profile>> builtin = builtin_profiles();
  if (!builtin || wanted.empty()) return builtin;
  std::string names;
  for (Profile& profile : *builtin) {
    if (profile.name == wanted) {
      std::vector<Profile> one;
      one.push_back(std::move(profile));
      return one;
    }
    names += (names.empty() ? "" : ", ") + profile.name;
  }
  if (wanted.find('/') == std::string::npos && !wanted.ends_with(".toml")) {
    return Error{fmt::format("there is no profile '{}': choose one of {}, or give a file (./my.toml)", wanted, names),
                 EINVAL};
  }
  Result<Profile> loaded = load_profile(wanted);
  if (!loaded) return loaded.error();
  std::vector<Profile> one;
  one.push_back(std::move(*loaded));
  return one;
}

}  // namespace outrider
