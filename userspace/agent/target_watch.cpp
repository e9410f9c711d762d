#include "userspace/agent/target_watch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <set>

#include "userspace/target/proc_reader.h"

namespace outrider {
namespace {

Result<pid_t> parse_pid(const std::string& text) {
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc{} || end != text.data() + text.size() || pid <= 0) {
    return Error{fmt::format("'{}' is not a process id: give a positive number", text), EINVAL};
  }
  return pid;
}

std::set<ProbeGroup> groups_for(const ProbePlanForInterval& plan) {
  std::set<ProbeGroup> groups;
  if (plan.mode != ProbeMode::kPaused) groups.insert(ProbeGroup::kQuery);
  if (plan.mode == ProbeMode::kFull) groups.insert({ProbeGroup::kStart, ProbeGroup::kWait});
  if (plan.cache) groups.insert({ProbeGroup::kCache, ProbeGroup::kPhase});
  return groups;
}

// Parent of every process, from one look at /proc.
std::multimap<pid_t, pid_t> children_by_parent() {
  std::multimap<pid_t, pid_t> children;
  const ProcReader proc;
  std::error_code ignored;  // processes vanish while we look
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename();
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc{}) continue;
    if (const auto stat = proc.stat(pid)) children.emplace(static_cast<pid_t>(stat->parent), pid);
  }
  return children;
}

Result<std::vector<Process>> find_processes(const TargetSpec& spec) {
  switch (spec.kind) {
    case TargetSpec::Kind::kExe:
      return find_by_exe(spec.value);
    case TargetSpec::Kind::kName:
      return find_by_name(spec.value);
    case TargetSpec::Kind::kPid:
      break;
  }
  Result<pid_t> pid = parse_pid(spec.value);
  if (!pid) return pid.error();
  Result<Process> process = open_process(*pid);
  if (!process) return process.error();
  std::vector<Process> found;
  found.push_back(std::move(*process));
  return found;
}

}  // namespace

Status check_target(const TargetSpec& spec) {
  Result<std::vector<Process>> found = find_processes(spec);
  if (!found) return found.error();
  return Ok{};
}

void TargetWatch::describe_plan(const ProbePlan& plan) const {
  spdlog::info("{}: profile {}, {} probe sites{}", label_, plan.profile, plan.sites.size(),
               plan.waits_noted ? ", waits as the engine notes them" : "");
  for (const UnusableSite& site : plan.unusable) {
    spdlog::warn("{}: {}:{} at {:#x} is left out: {}", label_, site.provider, site.probe, site.offset, site.reason);
  }
  const auto stepped = std::count_if(plan.sites.begin(), plan.sites.end(),
                                     [](const PlannedSite& site) { return site.verdict.single_stepped; });
  if (stepped > 0) spdlog::warn("{}: {} sites must be single-stepped, which costs microseconds a hit", label_, stepped);
}

// The first file whose probes a profile fits: the executable, else one of its libraries.
Status TargetWatch::prepare_file(const FileKey& key, std::vector<ProbeFile> files) {
  std::optional<Error> first;
  for (ProbeFile& file : files) {
    const bool named = options_.profiles.size() == 1;
    Result<std::size_t> picked = named ? Result<std::size_t>(0) : pick_profile(file.probes, options_.profiles);
    Result<ProbePlan> plan = picked ? plan_file(file.fd.get(), file.path, file.probes, options_.profiles[*picked],
                                                {.generation = options_.generation, .allow_nop5 = options_.allow_nop5})
                                    : Result<ProbePlan>(picked.error());
    if (!plan) {
      if (!first) first = plan.error();
      continue;
    }
    describe_plan(*plan);
    profile_ = plan->profile;
    light_possible_ = plan->light_possible;
    if (!attachments_->has(file.key)) {
      if (Status status = attachments_->add(file.key, std::move(file.fd), *plan); !status) return status;
    }
    files_.push_back(file.key);
    executables_.push_back(key);
    return any_applied_ ? attachments_->want(file.key, index_, groups_for(applied_)) : Status(Ok{});
  }
  return first ? *first : Error{"no file to probe"};
}

Status TargetWatch::adopt(Process process) {
  const bool known = std::find(executables_.begin(), executables_.end(), process.exe_key) != executables_.end();
  if (!known) {
    Result<ProbeFiles> files = probe_files(process);
    if (!files) return files.error();
    for (const std::string& unreadable : files->unreadable) spdlog::debug("{}: {}", label_, unreadable);
    if (Status status = prepare_file(process.exe_key, std::move(files->files)); !status) {
      return Error{fmt::format("process {} ({}): {}", process.pid, process.exe_path, status.error().message),
                   status.error().code};
    }
  }
  session_->set_executable(index_, process.exe_key.device, process.exe_key.inode);
  if (spec_.kind != TargetSpec::Kind::kPid) {
    if (Status status = session_->watch_executable(process.exe_key.device, process.exe_key.inode, index_); !status) {
      return status;
    }
  }
  if (Status status = enter_process(process.pid); !status) return status;
  const pid_t pid = process.pid;
  if (spec_.kind == TargetSpec::Kind::kPid) {
    pidfd_ = std::move(process.pidfd);
    return adopt_children(pid);
  }
  return Ok{};
}

// The kernel's exit hook takes a process off the list. If it ran before the process was entered, it is for us to do.
Status TargetWatch::enter_process(pid_t pid) {
  if (Status status = session_->watch_process(pid, index_); !status) return status;
  const auto stat = ProcReader().stat(pid);
  if (!stat || (stat->exiting && stat->threads <= 1)) session_->forget_process(pid);
  return Ok{};
}

// Forks of the process before we came; those after are followed in the kernel. Only those that run the same file.
Status TargetWatch::adopt_children(pid_t parent) {
  const auto children = children_by_parent();
  const auto [begin, end] = children.equal_range(parent);
  for (auto child = begin; child != end; ++child) {
    Result<Process> process = open_process(child->second);
    if (!process) continue;  // gone again
    if (std::find(executables_.begin(), executables_.end(), process->exe_key) == executables_.end()) continue;
    if (Status status = enter_process(process->pid); !status) return status;
    if (Status status = adopt_children(process->pid); !status) return status;
  }
  return Ok{};
}

// A path that nothing runs yet: its probes are attached now, so that not a query of its first process is lost.
Status TargetWatch::prepare_path() {
  Fd fd(open(spec_.value.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return Error::from_errno(errno, "open " + spec_.value);
  Result<FileKey> key = file_key(fd);
  if (!key) return key.error();
  Result<ElfProbes> probes = read_probes(fd.get(), spec_.value);
  if (!probes) return probes.error();
  std::vector<ProbeFile> files;
  files.push_back({.fd = std::move(fd), .path = spec_.value, .key = *key, .probes = std::move(*probes)});
  if (Status status = prepare_file(*key, std::move(files)); !status) return status;
  session_->set_executable(index_, key->device, key->inode);
  return session_->watch_executable(key->device, key->inode, index_);
}

Result<TargetWatch> TargetWatch::make(BpfSession& session, Attachments& attachments, const TargetSpec& spec,
                                      const AttachOptions& options) {
  TargetWatch watch(session, attachments, spec, options);
  Result<std::vector<Process>> found = find_processes(spec);
  if (!found) return found.error();
  switch (spec.kind) {
    case TargetSpec::Kind::kPid:
      watch.label_ = fmt::format("{}:{}", found->front().comm, found->front().pid);
      break;
    case TargetSpec::Kind::kExe:
      watch.label_ = std::filesystem::path(spec.value).filename();
      break;
    case TargetSpec::Kind::kName:
      watch.label_ = spec.value;
      break;
  }
  Result<std::uint32_t> index = session.add_target();
  if (!index) return index.error();
  watch.index_ = *index;
  if (found->empty() && spec.kind == TargetSpec::Kind::kExe) {
    if (Status status = watch.prepare_path(); !status) return status.error();
  }
  if (found->empty()) spdlog::info("{}: nothing runs yet, waiting for it to start", watch.label_);
  for (Process& process : *found) {
    if (Status status = watch.adopt(std::move(process)); !status) return status.error();
  }
  return watch;
}

Status TargetWatch::apply(const ProbePlanForInterval& plan) {
  const bool same = any_applied_ && plan.mode == applied_.mode && plan.cache == applied_.cache;
  const bool mode_changed = any_applied_ && plan.mode != applied_.mode;
  applied_ = plan;
  any_applied_ = true;
  if (same) return Ok{};
  session_->set_complete(index_, false);
  // A query that began before the change may end unseen, or end without its start.
  if (mode_changed || plan.mode == ProbeMode::kLight) {
    session_->set_mode(index_, plan.mode == ProbeMode::kLight ? OUTRIDER_MODE_LIGHT : OUTRIDER_MODE_FULL);
  }
  for (const FileKey& file : files_) {
    if (Status status = attachments_->want(file, index_, groups_for(plan)); !status) return status;
    for (const std::string& skipped : attachments_->skipped(file)) spdlog::warn("{}: left out: {}", label_, skipped);
  }
  session_->set_complete(index_, plan.mode == ProbeMode::kFull);
  return Ok{};
}

void TargetWatch::release() {
  session_->set_complete(index_, false);
  attachments_->release(index_);
}

bool TargetWatch::over() const {
  if (spec_.kind != TargetSpec::Kind::kPid || !pidfd_.valid()) return false;
  pollfd ended{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
  return poll(&ended, 1, 0) == 1 && processes().empty();
}

std::vector<std::string> TargetWatch::refresh() {
  std::vector<std::string> changes;
  if (spec_.kind == TargetSpec::Kind::kPid) return changes;
  Result<std::vector<Process>> found = find_processes(spec_);
  if (!found) return {found.error().message};
  const std::vector<pid_t> known = processes();
  for (Process& process : *found) {
    if (std::binary_search(known.begin(), known.end(), process.pid)) continue;
    const pid_t pid = process.pid;
    const std::string path = process.exe_path;
    if (Status status = adopt(std::move(process)); !status) {
      changes.push_back(status.error().message);
    } else {
      changes.push_back(fmt::format("process {} ({}) is watched from now on", pid, path));
    }
  }
  return changes;
}

}  // namespace outrider
