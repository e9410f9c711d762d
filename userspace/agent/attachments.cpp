#include "userspace/agent/attachments.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <filesystem>

namespace outrider {
namespace {

// Ends before starts, so that no start is seen whose end is not; detaching goes the other way round.
constexpr ProbeGroup kAttachOrder[] = {ProbeGroup::kQuery, ProbeGroup::kWait, ProbeGroup::kStart, ProbeGroup::kPhase,
                                       ProbeGroup::kCache};

unsigned number(ProbeGroup group) { return static_cast<unsigned>(group); }

// They refuse every lease in the way that others refuse one of a file that is open for writing.
bool on_network(const Fd& fd) {
  struct statfs system {};
  if (fstatfs(fd.get(), &system) != 0) return false;
  const auto type = static_cast<std::uint32_t>(system.f_type);
  return type == NFS_SUPER_MAGIC || type == CIFS_SUPER_MAGIC || type == SMB2_SUPER_MAGIC;
}

// Whoever opens the file to write waits until the lease is given back. Not every file system has them: false.
Result<bool> take_lease(const Fd& fd) {
  if (fcntl(fd.get(), F_SETLEASE, F_RDLCK) == 0) return true;
  if (errno == EAGAIN && !on_network(fd))
    return Error{"the file is open for writing; its probes can be attached once it is whole", EAGAIN};
  spdlog::debug("no lease on a file: {}; that it is rewritten will be found by its times", std::strerror(errno));
  return false;
}

std::vector<ProbeSite> sites_of(const ProbePlan& plan, std::uint64_t file) {
  std::vector<ProbeSite> sites;
  sites.reserve(plan.sites.size());
  for (const PlannedSite& planned : plan.sites) {
    sites.push_back({.role = planned.role,
                     .group = number(planned.group),
                     .at_return = planned.at_return,
                     .offset = planned.offset,
                     .ref_ctr_offset = planned.ref_ctr_offset,
                     .spec = planned.spec,
                     .name = fmt::format("{}:{} at {:#x}", planned.provider, planned.probe, planned.offset)});
    sites.back().spec.file = file;
  }
  return sites;
}

}  // namespace

std::uint64_t Attachments::bit(const FileKey& key) const {
  const auto found = files_.find(key);
  return found == files_.end() ? 0 : found->second.bit;
}

// Every file's sites know the bits of all that may be the same file.
Status Attachments::mark_twins() {
  for (auto& [key, file] : files_) {
    if (file.leased) file.content = file_version(file.fd);  // nobody wrote; its times may have been set
  }
  for (auto& [key, file] : files_) {
    std::uint64_t twins = 0;
    for (const auto& [other_key, other] : files_) {
      // Two mounts of one file agree; a copy that keeps its times does too, which costs a look-up a hit, no figure.
      if (file.content == other.content) twins |= other.bit;
    }
    if (Status status = session_->set_twins(file.probes, std::has_single_bit(twins) ? 0 : twins); !status) {
      return status;
    }
  }
  return Ok{};
}

Status Attachments::add(const FileKey& key, Fd fd, const FileVersion& version, const ProbePlan& plan) {
  if (const auto known = files_.find(key); known != files_.end()) {
    if (same_sites(known->second.plan, plan)) return Ok{};
    return Error{
        fmt::format("{} is probed already for another target, with profile {} and at other places or with other "
                    "meanings; all targets that run one file need the same profile and functions",
                    known->second.path, known->second.plan.profile),
        EEXIST};
  }
  std::uint64_t taken = 0;
  for (const auto& [other_key, other] : files_) taken |= other.bit;
  if (~taken == 0)
    return Error{fmt::format("more than {} probed files; run a second agent, with a history and a port of its own",
                             OUTRIDER_MAX_FILES),
                 ENOSPC};
  File file;
  file.bit = std::uint64_t{1} << std::countr_one(taken);
  signal(SIGIO, SIG_IGN);  // sent when a lease is about to be broken; sweep() asks instead
  Result<bool> leased = take_lease(fd);
  if (!leased) return leased.error();
  file.leased = *leased;
  file.content = file_version(fd);
  if (file.content != version) {
    return Error{"the file was written while it was looked at; its probes can be attached once it is whole", EAGAIN};
  }
  const std::vector<ProbeSite> sites = sites_of(plan, file.bit);
  const std::string path = fmt::format("/proc/self/fd/{}", fd.get());
  Result<ProbeSet> probes = session_->make_probes(path, sites);
  if (!probes) return probes.error();
  std::error_code unnamed;
  file.path = std::filesystem::read_symlink(path, unnamed).string();
  file.fd = std::move(fd);
  file.probes = std::move(*probes);
  file.plan = plan;
  files_.insert_or_assign(key, std::move(file));
  return mark_twins();
}

void Attachments::note_use(std::uint64_t files) {
  for (auto& [key, file] : files_) {
    if ((files & file.bit) != 0) file.used = std::chrono::steady_clock::now();
  }
}

bool Attachments::forbid(const FileVersion& version, const std::string& why) {
  bool any = false;
  for (auto& [key, file] : files_) {
    const auto& sites = file.plan.sites;
    const bool returns =
        std::any_of(sites.begin(), sites.end(), [](const PlannedSite& site) { return site.at_return; });
    if (!returns || file.content != version) continue;
    any = true;
    file.forbidden = why;
    file.wanted.clear();
    (void)apply(file);  // only detaches
  }
  return any;
}

// Not run any more, while all who want it run something else.
bool Attachments::is_left(const File& file, std::uint64_t in_use, std::chrono::steady_clock::time_point now) const {
  // What is run now and then, as a worker is, keeps its probes.
  constexpr std::chrono::seconds kPatience{30};
  if ((in_use & file.bit) != 0 || file.wanted.empty() || !file.used || now - *file.used < kPatience) {
    return false;
  }
  const auto runs_another = [&](std::uint32_t target) {
    return std::any_of(files_.begin(), files_.end(), [&](const auto& other) {
      return (in_use & other.second.bit) != 0 && other.second.wanted.contains(target);
    });
  };
  return std::all_of(file.wanted.begin(), file.wanted.end(),
                     [&](const auto& wanted) { return runs_another(wanted.first); });
}

std::vector<Attachments::Gone> Attachments::sweep(std::uint64_t in_use) {
  note_use(in_use);
  const auto looked_at = std::chrono::steady_clock::now();
  std::vector<Gone> gone;
  for (auto at = files_.begin(); at != files_.end();) {
    File& file = at->second;
    struct stat now {};
    const bool seen = fstat(file.fd.get(), &now) == 0;
    const bool rewritten =
        file.leased ? fcntl(file.fd.get(), F_GETLEASE) != F_RDLCK : seen && file_version(now) != file.content;
    const bool replaced = seen && now.st_nlink == 0 && (in_use & file.bit) == 0;
    if (!rewritten && !replaced && file.forbidden.empty() && !is_left(file, in_use, looked_at)) {
      ++at;
      continue;
    }
    file.wanted.clear();
    (void)apply(file);  // only detaches, in the right order: that of the destructor is another
    gone.push_back({at->first, file.bit, file.path, rewritten, file.forbidden});
    at = files_.erase(at);
  }
  return gone;
}

Status Attachments::apply(File& file) {
  std::set<ProbeGroup> wanted;
  for (const auto& [target, groups] : file.wanted) wanted.insert(groups.begin(), groups.end());
  for (auto group = std::rbegin(kAttachOrder); group != std::rend(kAttachOrder); ++group) {
    if (!wanted.contains(*group)) file.probes.detach(number(*group));
  }
  for (const ProbeGroup group : kAttachOrder) {
    if (!wanted.contains(group)) continue;
    const bool needed = group == ProbeGroup::kQuery || group == ProbeGroup::kStart;
    // What the others would tell is missing then, and skipped() says why.
    if (Status status = file.probes.attach(number(group)); !status && needed) return status;
  }
  return Ok{};
}

Status Attachments::want(const FileKey& key, std::uint32_t target, const std::set<ProbeGroup>& groups) {
  const auto found = files_.find(key);
  if (found == files_.end()) return Error{"a file that was never prepared"};
  if (!found->second.forbidden.empty()) return Error{found->second.forbidden};
  found->second.wanted[target] = groups;
  return apply(found->second);
}

void Attachments::release(std::uint32_t target) {
  for (auto file = files_.begin(); file != files_.end();) {
    file->second.wanted.erase(target);
    (void)apply(file->second);  // as above
    file = file->second.wanted.empty() ? files_.erase(file) : std::next(file);
  }
}

std::vector<std::string> Attachments::skipped(const FileKey& key) const {
  const auto found = files_.find(key);
  return found == files_.end() ? std::vector<std::string>{} : found->second.probes.skipped();
}

}  // namespace outrider
