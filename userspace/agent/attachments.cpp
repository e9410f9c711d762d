#include "userspace/agent/attachments.h"

#include <fmt/format.h>

#include <algorithm>

namespace outrider {
namespace {

// Ends before starts, so that no start is seen whose end is not; detaching goes the other way round.
constexpr ProbeGroup kAttachOrder[] = {ProbeGroup::kQuery, ProbeGroup::kWait, ProbeGroup::kStart, ProbeGroup::kPhase,
                                       ProbeGroup::kCache};

unsigned number(ProbeGroup group) { return static_cast<unsigned>(group); }

}  // namespace

Status Attachments::add(const FileKey& key, Fd fd, const ProbePlan& plan) {
  std::vector<ProbeSite> sites;
  sites.reserve(plan.sites.size());
  for (const PlannedSite& planned : plan.sites) {
    sites.push_back({.role = planned.role,
                     .group = number(planned.group),
                     .offset = planned.offset,
                     .ref_ctr_offset = planned.ref_ctr_offset,
                     .spec = planned.spec,
                     .name = fmt::format("{}:{} at {:#x}", planned.provider, planned.probe, planned.offset)});
  }
  Result<ProbeSet> probes = session_->make_probes(fmt::format("/proc/self/fd/{}", fd.get()), sites);
  if (!probes) return probes.error();
  files_.insert_or_assign(key, File{std::move(fd), std::move(*probes), {}});
  return Ok{};
}

Status Attachments::apply(File& file) {
  std::set<ProbeGroup> wanted;
  for (const auto& [target, groups] : file.wanted) wanted.insert(groups.begin(), groups.end());
  for (auto group = std::rbegin(kAttachOrder); group != std::rend(kAttachOrder); ++group) {
    if (!wanted.contains(*group)) file.probes.detach(number(*group));
  }
  for (const ProbeGroup group : kAttachOrder) {
    if (!wanted.contains(group)) continue;
    if (Status status = file.probes.attach(number(group)); !status) return status;
  }
  return Ok{};
}

Status Attachments::want(const FileKey& key, std::uint32_t target, const std::set<ProbeGroup>& groups) {
  const auto found = files_.find(key);
  if (found == files_.end()) return Error{"a file that was never prepared"};
  found->second.wanted[target] = groups;
  return apply(found->second);
}

void Attachments::release(std::uint32_t target) {
  for (auto file = files_.begin(); file != files_.end();) {
    file->second.wanted.erase(target);
    (void)apply(file->second);  // only detaches, in the right order: that of the destructor is another
    file = file->second.wanted.empty() ? files_.erase(file) : std::next(file);
  }
}

std::vector<std::string> Attachments::skipped(const FileKey& key) const {
  const auto found = files_.find(key);
  return found == files_.end() ? std::vector<std::string>{} : found->second.probes.skipped();
}

}  // namespace outrider
