#include "userspace/target/probe_plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "userspace/target/elf_symbols.h"
#include "userspace/target/role_info.h"
#include "userspace/target/usdt_args.h"

namespace outrider {
namespace {

constexpr std::string_view kAnyProvider = "*";
/// Sites of one entry of a profile: an inlined probe may have hundreds, a pattern of functions should not.
constexpr std::size_t kMostOfOne = 500;

std::string full_name(const ProbeName& probe) { return probe.provider + ":" + probe.name; }

/// Of those the role's fields tell whether light mode is possible.
bool ends_queries(outrider_role role) { return role == OUTRIDER_ROLE_QUERY_END || role == OUTRIDER_ROLE_STEP_END; }

bool is_function(const ElfProbe& probe) {
  return probe.provider == kFunctionProvider || probe.provider == kReturnProvider;
}

bool has_probe(const ElfProbes& elf, std::string_view provider, std::string_view name, std::size_t arguments) {
  return std::any_of(elf.probes.begin(), elf.probes.end(), [&](const ElfProbe& probe) {
    return probe.provider == provider && probe.name == name && split_usdt_args(probe.args).size() >= arguments;
  });
}

/// Providers that "*" stands for: those with every required "*" probe, each with enough arguments. Another engine's
/// probe that merely has the same name is not taken for ours.
std::set<std::string, std::less<>> wildcard_providers(const ElfProbes& elf, const Profile& profile) {
  std::set<std::string, std::less<>> providers;
  for (const ElfProbe& probe : elf.probes) {
    if (!is_function(probe)) providers.insert(probe.provider);
  }
  std::erase_if(providers, [&](const std::string& provider) {
    const bool lacks_probe = std::any_of(profile.probes.begin(), profile.probes.end(), [&](const ProfileProbe& wanted) {
      return wanted.required && wanted.probe.provider == kAnyProvider &&
             !has_probe(elf, provider, wanted.probe.name, static_cast<std::size_t>(wanted.arguments_needed()));
    });
    return lacks_probe || std::any_of(profile.detect.begin(), profile.detect.end(), [&](const ProbeName& wanted) {
             return wanted.provider == kAnyProvider && !has_probe(elf, provider, wanted.name, 0);
           });
  });
  return providers;
}

/// The site's description for the BPF side; the error says which argument cannot be had.
Result<outrider_site> make_spec(const ElfProbe& site, const ProfileProbe& wanted, Machine machine) {
  outrider_site spec{};
  spec.flags = wanted.flags;
  spec.tag = wanted.tag;
  const std::string& label = wanted.type_is_function ? site.name : wanted.label;
  std::copy_n(label.begin(), std::min<std::size_t>(label.size(), sizeof(spec.name) - 1), spec.name);
  const auto operands = split_usdt_args(site.args);
  for (std::size_t i = 0; i < wanted.args.size(); ++i) {
    const ArgSource& source = wanted.args[i];
    if (source.kind == ArgSource::Kind::kNone) continue;
    spec.nargs = static_cast<__u32>(i + 1);
    if (source.kind == ArgSource::Kind::kConstant) {
      spec.args[i].kind = OUTRIDER_ARG_CONST;
      spec.args[i].size = -8;
      spec.args[i].value = source.value;
      continue;
    }
    const auto count = static_cast<int>(operands.size());
    const int index = source.number > 0 ? source.number - 1 : count + source.number;
    if (index < 0 || index >= count) {
      return Error{fmt::format("it has {} arguments and the profile reads argument {} ({})", count, source.number,
                               kRoles[wanted.role].fields[i])};
    }
    const auto arg = parse_usdt_arg(operands[static_cast<std::size_t>(index)], machine);
    if (!arg) return arg.error();
    spec.args[i] = *arg;
    if (source.mask != 0 && arg->kind != OUTRIDER_ARG_REG) {
      return Error{fmt::format("argument {} ({}) is in memory, and the profile has a mask for it", source.number,
                               kRoles[wanted.role].fields[i])};
    }
    if (source.mask != 0) spec.args[i].value = source.mask;
    spec.args[i].hops = static_cast<__u8>(source.follow.size());
    std::copy(source.follow.begin(), source.follow.end(), spec.args[i].hop);
  }
  return spec;
}

class Planner {
 public:
  Planner(const ElfProbes& elf, const Profile& profile, const PlanOptions& options)
      : elf_(elf), profile_(profile), options_(options), any_(wildcard_providers(elf, profile)) {
    plan_.profile = profile.name;
    plan_.waits_noted = profile.wait_word && options.variables.contains(profile.wait_word->symbol);
  }

  void add(const ProfileProbe& wanted) {
    if (plan_.waits_noted && wanted.group == ProbeGroup::kWait) return;  // they would say the same, for a trap each
    std::size_t found = 0;
    const std::size_t planned = plan_.sites.size();
    const std::size_t unusable = plan_.unusable.size();
    for (const ElfProbe& site : elf_.probes) {
      if (!matches(site, wanted.probe)) continue;
      ++found;
      add_site(site, wanted);
    }
    if (found > kMostOfOne) {
      too_many_ = true;
      faults_.push_back(fmt::format("{} are {} functions, of which each would be probed; name fewer, {} at most",
                                    full_name(wanted.probe), found, kMostOfOne));
    }
    const bool usable = plan_.sites.size() > planned;
    if (!usable && (wanted.flags & OUTRIDER_SITE_TENTATIVE) != 0) half_told_ = true;
    if (usable || (found != 0 && !wanted.required)) return;
    if (!wanted.required) {
      plan_.absent.push_back(full_name(wanted.probe));
    } else if (found != 0) {
      faults_.push_back(
          fmt::format("{} cannot be probed ({})", full_name(wanted.probe), plan_.unusable[unusable].reason));
    } else {
      faults_.push_back(absent_reason(wanted.probe));
    }
  }

  Result<ProbePlan> finish() && {
    if (!faults_.empty()) {
      return Error{
          fmt::format(
              "the profile '{}' does not fit: {}; see `outrider probes` for what the binary offers, or choose another "
              "profile with --profile",
              plan_.profile, fmt::join(faults_, "; ")),
          too_many_ ? E2BIG : 0};
    }
    // Without the one that tells of misses, all would be hits.
    if (half_told_) {
      std::erase_if(plan_.sites,
                    [](const PlannedSite& site) { return (site.spec.flags & OUTRIDER_SITE_TENTATIVE) != 0; });
    }
    bool ends = false;
    bool durations = true;
    for (const PlannedSite& site : plan_.sites) {
      if (!ends_queries(site.role)) continue;
      ends = true;
      durations =
          durations && site.role == OUTRIDER_ROLE_QUERY_END && site.spec.args[kDurationField].kind != OUTRIDER_ARG_NONE;
    }
    if (!ends) {
      return Error{fmt::format("the profile '{}' finds no usable end of a query in this binary; see `outrider probes`",
                               plan_.profile)};
    }
    plan_.light_possible = durations;
    mark_shared_traps();
    return std::move(plan_);
  }

 private:
  /// A site with a phase beside another role traps once for both; the phase is what can be had on top.
  void mark_shared_traps() {
    for (PlannedSite& phase : plan_.sites) {
      if (phase.group != ProbeGroup::kPhase) continue;
      const bool shared = std::any_of(plan_.sites.begin(), plan_.sites.end(), [&](const PlannedSite& other) {
        return other.offset == phase.offset && other.group != ProbeGroup::kPhase;
      });
      if (shared) phase.spec.flags |= OUTRIDER_SITE_SHARES_TRAP;
    }
  }

  [[nodiscard]] bool matches(const ElfProbe& site, const ProbeName& wanted) const {
    const bool function = is_function(site);
    if (function ? !fits(wanted.name, site.name) : site.name != wanted.name) return false;
    return wanted.provider == kAnyProvider ? any_.contains(site.provider) : site.provider == wanted.provider;
  }

  [[nodiscard]] std::string absent_reason(const ProbeName& wanted) const {
    if (wanted.provider == kAnyProvider && any_.empty()) {
      return fmt::format(
          "no provider in the binary has {} beside the profile's other required probes, each with all its arguments",
          wanted.name);
    }
    for (const SkippedNote& note : elf_.skipped) {
      if (note.probe == full_name(wanted))
        return fmt::format("the note of {} is unusable: {}", note.probe, note.reason);
    }
    if (wanted.provider == kFunctionProvider || wanted.provider == kReturnProvider) {
      return fmt::format(
          "the binary has no function {} in its symbol tables: another version, stripped, or inlined into its callers",
          wanted.name);
    }
    return fmt::format("the binary has no probe {}", full_name(wanted));
  }

  void add_site(const ElfProbe& site, const ProfileProbe& wanted) {
    const auto reject = [&](std::string reason) {
      plan_.unusable.push_back({site.provider, site.name, site.offset, std::move(reason)});
    };
    PlannedSite planned;
    planned.at_return = site.provider == kReturnProvider;
    if (planned.at_return && elf_.switches_stacks) {
      return reject(
          "code of the file switches stacks (swapcontext), and a function that is left on one stack while its return "
          "is "
          "probed ends the process; name a function that is called when a query is over instead (--end)");
    }
    if (planned.at_return && elf_.throws) {
      return reject(
          "code of the file may leave a function by an exception (C++, Rust) or is Go, and if its return is probed "
          "that ends "
          "the process; name a function that is called when a query is over instead (--end, or a query_end of the "
          "provider "
          "function)");
    }
    if (planned.at_return && !options_.no_returns.empty()) return reject(options_.no_returns);
    if (planned.at_return && returns_oddly(site.name)) return reject("it returns twice, or on another stack");
    planned.code = classify_site(std::span(site.code.data(), site.code_size), elf_.machine);
    planned.verdict = decide_site(planned.code, options_.generation, options_.allow_nop5);
    if (!planned.verdict.usable) return reject(planned.verdict.consequence);
    auto spec = make_spec(site, wanted, elf_.machine);
    if (!spec) return reject(spec.error().message);
    planned.provider = site.provider;
    planned.probe = site.name;
    planned.role = wanted.role;
    planned.group = wanted.group;
    planned.offset = site.offset + planned.verdict.shift;
    planned.ref_ctr_offset = site.semaphore_offset;
    planned.spec = *spec;
    read_variables(planned.spec, wanted, site.address + planned.verdict.shift);
    plan_.sites.push_back(std::move(planned));
  }

  /// Distances from the site, which hold wherever the file is loaded.
  void read_variables(outrider_site& spec, const ProfileProbe& wanted, std::uint64_t site_address) const {
    if (const auto found = options_.variables.find(wanted.unless); found != options_.variables.end()) {
      spec.unless = static_cast<std::int64_t>(found->second - site_address);
    }
    if (!plan_.waits_noted || wanted.role != OUTRIDER_ROLE_QUERY_START) return;
    const WaitWord& word = *profile_.wait_word;
    spec.wait_word = static_cast<std::int64_t>(options_.variables.at(word.symbol) - site_address);
    spec.wait_shift = word.shift;
    spec.wait_mask = word.mask;
    if (word.indirect) spec.flags |= OUTRIDER_SITE_WAIT_WORD_POINTER;
    std::copy(word.classes.begin(), word.classes.end(), spec.wait_classes);
  }

  const ElfProbes& elf_;
  const Profile& profile_;
  const PlanOptions& options_;
  std::set<std::string, std::less<>> any_;
  ProbePlan plan_;
  std::vector<std::string> faults_;
  bool too_many_ = false;
  bool half_told_ = false;  // a tentative probe is missing
};

bool detected(const ElfProbes& elf, const Profile& profile) {
  if (profile.detect.empty()) return false;
  const auto any = wildcard_providers(elf, profile);
  return std::all_of(profile.detect.begin(), profile.detect.end(), [&](const ProbeName& wanted) {
    return wanted.provider == kAnyProvider ? !any.empty() : has_probe(elf, wanted.provider, wanted.name, 0);
  });
}

/// Why no profile fits, from what the binary has.
Error no_profile(const ElfProbes& elf) {
  if (elf.probes.empty() && elf.skipped_count > 0) {
    return Error{
        fmt::format("all {} USDT notes of the binary are unusable, the first because: {}; it may be damaged, "
                    "reinstall it",
                    elf.skipped_count, elf.skipped.front().reason)};
  }
  if (elf.probes.empty()) {
    return Error{
        "the binary has no USDT probes; build the engine with its probes on (PostgreSQL: --enable-dtrace) or with "
        "outrider's probe header, or watch the shared library that has them"};
  }
  std::set<std::string> providers;
  for (const ElfProbe& probe : elf.probes) providers.insert(probe.provider);
  return Error{
      fmt::format("no profile fits the binary's {} probes (providers: {}); see `outrider probes`, write a profile "
                  "for them and name it with --profile",
                  elf.probes.size(), fmt::join(providers, ", "))};
}

}  // namespace

Result<ProbePlan> plan_probes(const ElfProbes& elf, const Profile& profile, const PlanOptions& options) {
  Planner planner(elf, profile, options);
  for (const ProfileProbe& probe : profile.probes) planner.add(probe);
  return std::move(planner).finish();
}

Result<ProbePlan> plan_file(int fd, const std::string& name, const ElfProbes& elf, const Profile& profile,
                            PlanOptions options) {
  std::set<std::string> names;
  if (profile.wait_word) names.insert(profile.wait_word->symbol);
  for (const ProfileProbe& probe : profile.probes) {
    if (!probe.unless.empty()) names.insert(probe.unless);
  }
  for (const std::string& variable : names) {
    // Not finding one is no fault: the profile does without, its wait probes stand in for the wait word.
    if (const auto address = find_data_symbol(fd, name, variable)) options.variables[variable] = *address;
  }
  return plan_probes(elf, profile, options);
}

bool same_sites(const ProbePlan& a, const ProbePlan& b) {
  static_assert(std::has_unique_object_representations_v<outrider_site>, "compared byte by byte");
  return std::equal(a.sites.begin(), a.sites.end(), b.sites.begin(), b.sites.end(),
                    [](const PlannedSite& one, const PlannedSite& other) {
                      return one.role == other.role && one.at_return == other.at_return && one.offset == other.offset &&
                             one.ref_ctr_offset == other.ref_ctr_offset &&
                             std::memcmp(&one.spec, &other.spec, sizeof(one.spec)) == 0;
                    });
}

Result<std::size_t> pick_profile(const ElfProbes& elf, const std::vector<Profile>& profiles) {
  std::optional<std::size_t> best;
  const auto rank = [&](std::size_t index) {
    const auto& detect = profiles[index].detect;
    const bool named = std::all_of(detect.begin(), detect.end(),
                                   [](const ProbeName& probe) { return probe.provider != kAnyProvider; });
    return std::pair(named, detect.size());
  };
  for (std::size_t i = 0; i < profiles.size(); ++i) {
    if (detected(elf, profiles[i]) && (!best || rank(i) > rank(*best))) best = i;
  }
  if (!best) return no_profile(elf);
  return *best;
}

}  // namespace outrider
