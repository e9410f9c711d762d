// Brings a profile and the probes of a binary together: which sites to attach, where, and what each means; and which
// profile fits a binary. Pure functions: thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "bpf/abi/abi.h"
#include "userspace/base/result.h"
#include "userspace/target/elf_notes.h"
#include "userspace/target/profile.h"
#include "userspace/target/site_code.h"

namespace outrider {

/// One site in one role, ready to attach. A site with two roles appears twice.
struct PlannedSite {
  std::string provider;
  std::string probe;
  outrider_role role = OUTRIDER_ROLE_QUERY_START;
  ProbeGroup group = ProbeGroup::kQuery;
  bool at_return = false;            ///< of the function that begins at `offset`
  std::uint64_t offset = 0;          ///< file offset to attach at, shift included
  std::uint64_t ref_ctr_offset = 0;  ///< file offset of the semaphore; 0: none
  outrider_site spec{};              ///< for the BPF side's table of sites
  SiteCode code = SiteCode::kOther;
  SiteVerdict verdict;
};

struct UnusableSite {
  std::string provider;
  std::string probe;
  std::uint64_t offset = 0;
  std::string reason;
};

struct ProbePlan {
  std::string profile;
  std::vector<PlannedSite> sites;
  std::vector<UnusableSite> unusable;
  std::vector<std::string> absent;  ///< optional probes the binary does not have, "provider:name"
  bool waits_noted = false;         ///< the engine's own note of its waits is read; no wait probes
  bool light_possible = false;      ///< every query end carries the duration: starts can be given up
};

/// Whether both attach to the same places of a file, with the same meaning.
bool same_sites(const ProbePlan& a, const ProbePlan& b);

struct PlanOptions {
  UprobeGeneration generation = UprobeGeneration::kUnsafeNop5;
  bool allow_nop5 = false;                           ///< the user insists
  std::string no_returns{};                          ///< why no return may be probed; empty: nothing is against it
  std::map<std::string, std::uint64_t> variables{};  ///< addresses, as linked, of those that the profile reads
};

/// Errors: a required probe is not in the binary or at none of its sites usable; says which and what to do. E2BIG: a
/// pattern stands for so many functions that nobody can mean it, in other files neither.
Result<ProbePlan> plan_probes(const ElfProbes& elf, const Profile& profile, const PlanOptions& options);

/// As plan_probes(), for the probes of an open file; finds the variables that the profile reads in its symbols.
/// `name` is how messages call the file.
Result<ProbePlan> plan_file(int fd, const std::string& name, const ElfProbes& elf, const Profile& profile,
                            PlanOptions options);

/// Index into `profiles` of the one whose `detect` probes `elf` all has; the more specific one of several (more
/// detect probes, named provider before "*"). The error says what the binary does have and what to do.
Result<std::size_t> pick_profile(const ElfProbes& elf, const std::vector<Profile>& profiles);

}  // namespace outrider
