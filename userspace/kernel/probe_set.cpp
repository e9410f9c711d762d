#include "userspace/kernel/probe_set.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>
#include <thread>

namespace outrider {
namespace {

// Closing a perf-event uprobe waits for a grace period (0.1 s each); closing them side by side shares it.
constexpr std::size_t kParallelCloses = 32;

void close_links(std::vector<Link> links) {
  if (links.size() < 2) return;
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < links.size(); i = next++) links[i].reset();
  };
  const std::size_t helpers = std::min(links.size(), kParallelCloses) - 1;
  std::vector<std::thread> threads;
  threads.reserve(helpers);
  try {
    while (threads.size() < helpers) threads.emplace_back(work);
  } catch (const std::system_error&) {
    // No more threads to be had: it takes longer.
  }
  work();
  for (std::thread& thread : threads) thread.join();
}

std::string refusal(const std::string& name, int error, bool multi) {
  if (error == EINVAL) {
    return fmt::format("{}: the kernel refused it (EINVAL); another tool may have attached there without the semaphore",
                       name);
  }
  if ((error == EACCES || error == EPERM) && !multi) {
    return fmt::format("{}: {}; without uprobe_multi, attaching takes CAP_SYS_ADMIN", name, std::strerror(error));
  }
  return fmt::format("{}: {}", name, std::strerror(error));
}

}  // namespace

void LinkDeleter::operator()(bpf_link* link) const { bpf_link__destroy(link); }

ProbeSet& ProbeSet::operator=(ProbeSet&& other) noexcept {
  if (this != &other) {
    this->~ProbeSet();
    new (this) ProbeSet(std::move(other));
  }
  return *this;
}

ProbeSet::~ProbeSet() {
  for (auto& [group, links] : links_) close_links(std::move(links));
  links_.clear();
  if (release_) release_();
}

Link ProbeSet::attach_multi(const std::vector<const Numbered*>& sites) const {
  std::vector<unsigned long> offsets;
  std::vector<unsigned long> semaphores;
  std::vector<__u64> cookies;
  for (const Numbered* site : sites) {
    offsets.push_back(site->site.offset);
    semaphores.push_back(site->site.ref_ctr_offset);
    cookies.push_back(site->cookie);
  }
  LIBBPF_OPTS(bpf_uprobe_multi_opts, options);
  options.offsets = offsets.data();
  options.ref_ctr_offsets = semaphores.data();
  options.cookies = cookies.data();
  options.cnt = sites.size();
  options.retprobe = sites.front()->site.at_return;
  return Link(bpf_program__attach_uprobe_multi(sites.front()->program, -1, path_.c_str(), nullptr, &options));
}

Link ProbeSet::attach_single(const Numbered& site) const {
  if (multi_) return attach_multi({&site});
  LIBBPF_OPTS(bpf_uprobe_opts, options);
  options.ref_ctr_offset = site.site.ref_ctr_offset;
  options.bpf_cookie = site.cookie;
  options.retprobe = site.site.at_return;
  return Link(bpf_program__attach_uprobe_opts(site.program, -1, path_.c_str(), site.site.offset, &options));
}

// All sites of one program, at a return or not. With one link if the kernel takes them all, else one by one, to find
// out which it refuses.
Status ProbeSet::attach_together(const std::vector<const Numbered*>& sites, std::vector<Link>& links,
                                 std::vector<std::string>& skipped) const {
  if (multi_) {
    if (Link link = attach_multi(sites)) {
      links.push_back(std::move(link));
      return Ok{};
    }
  }
  int error = errno;
  bool any = false;
  for (const Numbered* site : sites) {
    Link link = attach_single(*site);
    if (link) {
      any = true;
      links.push_back(std::move(link));
      continue;
    }
    error = errno;
    skipped.push_back(refusal(site->site.name, error, multi_));
  }
  if (any) return Ok{};
  return Error{"attach " + refusal(sites.front()->site.name, error, multi_), error};
}

Status ProbeSet::attach(unsigned group) {
  if (attached(group)) return Ok{};
  std::map<std::pair<const bpf_program*, bool>, std::vector<const Numbered*>> by_program;
  for (const Numbered& site : sites_) {
    if (site.site.group == group) by_program[{site.program, site.site.at_return}].push_back(&site);
  }
  std::vector<Link> links;
  std::vector<std::string>& skipped = skipped_[group];
  skipped.clear();
  for (const auto& [program, sites] : by_program) {
    Status status = attach_together(sites, links, skipped);
    if (!status) {
      close_links(std::move(links));
      return status;
    }
  }
  links_.emplace(group, std::move(links));
  return Ok{};
}

std::vector<std::string> ProbeSet::skipped() const {
  std::vector<std::string> all;
  for (const auto& [group, skipped] : skipped_) all.insert(all.end(), skipped.begin(), skipped.end());
  return all;
}

void ProbeSet::detach(unsigned group) {
  const auto found = links_.find(group);
  if (found == links_.end()) return;
  close_links(std::move(found->second));
  links_.erase(found);
}

}  // namespace outrider
