#include "userspace/agent/target_watch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>

#include "userspace/target/proc_reader.h"

namespace outrider {
namespace {

constexpr std::chrono::seconds kLongestPause{60};
constexpr int kNotYet = EINPROGRESS;

std::set<ProbeGroup> groups_for(const ProbePlanForInterval& plan) {
  std::set<ProbeGroup> groups;
  if (plan.mode != ProbeMode::kPaused) groups.insert(ProbeGroup::kQuery);
  if (plan.mode == ProbeMode::kFull) groups.insert({ProbeGroup::kStart, ProbeGroup::kWait});
  if (plan.cache) groups.insert({ProbeGroup::kCache, ProbeGroup::kPhase});
  return groups;
}

bool is_over(const Fd& pidfd) {
  pollfd ended{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
  return pidfd.valid() && poll(&ended, 1, 0) > 0;
}

outrider_mode bpf_mode(ProbeMode mode) {
  switch (mode) {
    case ProbeMode::kFull:
      return OUTRIDER_MODE_FULL;
    case ProbeMode::kLight:
      return OUTRIDER_MODE_LIGHT;
    case ProbeMode::kPaused:
      break;
  }
  return OUTRIDER_MODE_OFF;
}

}  // namespace

bool TargetWatch::light_possible() const {
  return !files_.empty() && std::all_of(files_.begin(), files_.end(), [](const auto& file) { return file.second; });
}

// Another process of the same file with the same fault is no news: numbers do not make a message another one.
void TargetWatch::say_once(const std::string& message) {
  constexpr std::size_t kRemembered = 256;
  std::string kind;
  std::remove_copy_if(message.begin(), message.end(), std::back_inserter(kind),
                      [](char c) { return c >= '0' && c <= '9'; });
  if (said_.size() >= kRemembered) said_.clear();
  if (said_.insert(std::move(kind)).second) spdlog::warn("{}: {}", label_, message);
}

void TargetWatch::describe_plan(const ProbePlan& plan, const std::string& path) const {
  spdlog::info("{}: {}: profile {}, {} probe sites{}", label_, path, plan.profile, plan.sites.size(),
               plan.waits_noted ? ", waits as the engine notes them" : "");
  for (const UnusableSite& site : plan.unusable) {
    spdlog::warn("{}: {}:{} at {:#x} is left out: {}", label_, site.provider, site.probe, site.offset, site.reason);
  }
  const auto stepped = std::count_if(plan.sites.begin(), plan.sites.end(),
                                     [](const PlannedSite& site) { return site.verdict.single_stepped; });
  if (stepped > 0) spdlog::warn("{}: {} sites must be single-stepped, which costs microseconds a hit", label_, stepped);
}

Status TargetWatch::probe(const FileKey& file, const ProbePlanForInterval& plan) {
  Status status = attachments_->want(file, index_, groups_for(plan));
  for (const std::string& skipped : attachments_->skipped(file)) say_once("left out: " + skipped);
  return status;
}

// Probes the file as the rest of the target is probed now.
Status TargetWatch::want(const FileKey& file) {
  if (!applied_) return Ok{};
  // Light mode means nothing to it; the next plan will not be light.
  if (applied_->mode == ProbeMode::kLight && !files_.at(file)) return Ok{};
  // Its queries in flight end without their starts having been seen.
  session_->set_complete(index_, false);
  session_->set_phases_complete(index_, false);
  Status status = probe(file, *applied_);
  if (!status) settled_ = false;  // the next interval tries again
  session_->set_complete(index_, applied_->mode == ProbeMode::kFull);
  session_->set_phases_complete(index_, applied_->cache);
  return status;
}

// The probes of an executable come to every process of the host that runs it.
Status TargetWatch::judge_all_that_run(const ProbeFile& file, ReturnPlace place) const {
  if (!place.running) {
    return Error{"returns are probed once it runs: what its libraries may throw is not known before", kNotYet};
  }
  const Result<std::vector<Process>> all = find_by_version(file.version);
  if (!all) return all.error();
  for (const Process& process : *all) {
    const Result<ProbeFiles> files = probe_files(process);
    if (!files || is_over(process.pidfd)) continue;
    place.throws = files->throws;
    place.unread = files->unread;
    place.shadow_stack = files->shadow_stack;
    const std::string refused = returns_refused(*session_, place);
    if (!refused.empty()) return Error{fmt::format("process {} runs {} too, and {}", process.pid, file.path, refused)};
  }
  return Ok{};
}

// It has the probes of the file already, by whatever path and for whatever target. What cannot be looked at is no
// proof.
Status TargetWatch::is_safe_now(const ProbeFile& file, ReturnPlace place) {
  place.unread.clear();
  const std::string refused = returns_refused(*session_, place);
  if (refused.empty()) return Ok{};
  const std::string why =
      fmt::format("the probes of {} are detached, for returns were among them, and {}", file.path, refused);
  if (!attachments_->forbid(file.version, why)) return Ok{};
  unsafe_ = why;
  return Error{why};
}

Status TargetWatch::prepare_file(ProbeFile& file, const Profile& profile, const ReturnPlace& place) {
  if (Status safe = is_safe_now(file, place); !safe) return safe;
  if (files_.contains(file.key)) return Ok{};
  PlanOptions planning{.generation = options_.generation, .allow_nop5 = options_.allow_nop5};
  if (profile.c_return_probes_ok) planning.no_returns = returns_refused(*session_, place);
  Result<ProbePlan> plan = plan_file(file.fd.get(), file.path, file.probes, profile, planning);
  if (!plan) return plan.error();
  if (options_.light_only && !plan->light_possible) {
    return Error{fmt::format("light mode needs an end probe that carries the duration; profile {} has none: use "
                             "--mode auto or full",
                             plan->profile),
                 EINVAL};
  }
  if (options_.by != 0 && !profile.postgresql_titles) {
    return Error{fmt::format("types by database or user need an engine whose processes say in their titles whose work "
                             "they do, as PostgreSQL's do; those of profile {} do not",
                             plan->profile),
                 EINVAL};
  }
  const bool returns =
      std::any_of(plan->sites.begin(), plan->sites.end(), [](const PlannedSite& site) { return site.at_return; });
  if (returns && place.library.empty()) {
    if (Status safe = judge_all_that_run(file, place); !safe) return safe;
  }
  const bool known = attachments_->has(file.key);
  if (Status status = attachments_->add(file.key, std::move(file.fd), file.version, *plan); !status) return status;
  if (!known) describe_plan(*plan, file.path);
  profile_ = plan->profile;
  sql_dialect_ = profile.sql_dialect;
  postgresql_titles_ = profile.postgresql_titles;
  build_id_ = file.probes.build_id;
  files_.emplace(file.key, plan->light_possible);
  if (returns) returns_.insert(file.key);
  return want(file.key);
}

// Every file that the target's profile fits: the executable, its libraries. The first one that any fits decides which.
Result<std::uint64_t> TargetWatch::prepare_files(ProbeFiles files) {
  std::optional<Error> first;
  bool fitting = false;
  std::uint64_t bits = 0;
  for (ProbeFile& file : files.files) {
    Result<std::size_t> picked = 0;
    if (options_.profiles.size() > 1) picked = pick_profile(file.probes, options_.profiles);
    if (picked && !profile_.empty() && options_.profiles[*picked].name != profile_) {
      say_once(
          fmt::format("{} has probes of profile {} too, which are left alone; `--profile {}` would watch them "
                      "instead",
                      file.path, options_.profiles[*picked].name, options_.profiles[*picked].name));
      continue;
    }
    const bool library = &file != &files.files.front();
    const ReturnPlace place{files.throws,       files.unread, library ? file.path : "", options_.allow_library_returns,
                            files.shadow_stack, files.running};
    Status status = picked ? prepare_file(file, options_.profiles[*picked], place) : Status(picked.error());
    if (status) bits |= attachments_->bit(file.key);
    if (!status && status.error().code == E2BIG) return status.error();
    // Why the file cannot be read that a profile is for says more than that another one has none.
    if (!status && (!first || (picked && !fitting))) first = status.error();
    fitting = fitting || picked;
  }
  if (bits == 0) return first ? *first : Error{"no file to probe"};
  return bits;
}

std::uint64_t TargetWatch::files_of(const FileKey& exe) const {
  const auto found = executables_.find(exe);
  return found == executables_.end() ? 0 : found->second.files;
}

// Which probed files the process has mapped, by bit; files not seen before are prepared.
Result<std::uint64_t> TargetWatch::examine(const Process& process) {
  const auto other = session_->target_of(process.pid);
  const auto owner = session_->target_of(process.exe_key.device, process.exe_key.inode, process.comm);
  if ((other && *other != index_) || (!other && owner && *owner != index_)) {
    return Error{fmt::format("process {} ({}) is watched already as part of another target; name it once", process.pid,
                             process.exe_path),
                 EEXIST};
  }
  if (Status status = check_confinement(process); !status) return status.error();
  const auto known = executables_.find(process.exe_key);
  const bool judged = !returns_.contains(process.exe_key);  // nothing depends on what else the process has mapped
  if (known != executables_.end() && known->second.own && judged) return known->second.files;
  Result<ProbeFiles> files = probe_files(process, functions_of(options_.profiles));
  if (!files) return files.error();
  // What could not be read of it then says nothing.
  if (is_over(process.pidfd)) return Error{fmt::format("process {} has ended", process.pid), ESRCH};
  for (const std::string& unreadable : files->unreadable) spdlog::debug("{}: {}", label_, unreadable);
  Result<std::uint64_t> bits = prepare_files(*std::move(files));
  if (!bits) {
    return Error{fmt::format("process {} ({}): {}", process.pid, process.exe_path, bits.error().message),
                 bits.error().code};
  }
  executables_[process.exe_key] = {.files = *bits, .own = files_.contains(process.exe_key)};
  return bits;
}

Status TargetWatch::adopt(Process process) {
  Result<std::uint64_t> files = examine(process);
  if (!files) {
    refuse(process);
    return files.error();
  }
  attachments_->note_use(*files);
  const FileKey exe = process.exe_key;
  // Of a unit or a control group not every process that runs the file is one.
  const bool follow = spec_.kind == TargetSpec::Kind::kExe || spec_.kind == TargetSpec::Kind::kName;
  // What runs the same file under another name, as Redis's sentinel or a script, is somebody else.
  const bool by_comm =
      spec_.kind == TargetSpec::Kind::kName && std::filesystem::path(process.exe_path).filename() != spec_.value;
  session_->set_executable(index_, exe.device, exe.inode);
  if (follow) {
    Status status = session_->watch_executable(exe.device, exe.inode, index_, *files, by_comm ? spec_.value : "");
    if (!status) return status;
  }
  if (Status status = enter_process(process.pid, *files); !status) return status;
  if (spec_.kind != TargetSpec::Kind::kPid) return Ok{};
  pidfd_ = std::move(process.pidfd);
  return adopt_children(process.pid);
}

// The kernel's exit hook takes a process off the list. If it ran before the process was entered, it is for us to do.
Status TargetWatch::enter_process(pid_t pid, std::uint64_t files) {
  if (Status status = session_->watch_process(pid, index_, files); !status) return status;
  const auto stat = ProcReader().stat(pid);
  if (!stat || (stat->exiting && stat->threads <= 1)) session_->forget_process(pid);
  examined_.insert(pid);
  return Ok{};
}

// Forks of the process before we came; those after are followed in the kernel. Only those that run the same file.
Status TargetWatch::adopt_children(pid_t parent) {
  const auto children = children_by_parent();
  std::vector<pid_t> parents{parent};
  while (!parents.empty()) {
    const auto [begin, end] = children.equal_range(parents.back());
    parents.pop_back();
    for (auto child = begin; child != end; ++child) {
      Result<Process> process = open_process(child->second);
      if (!process) continue;  // gone again
      if (!executables_.contains(process->exe_key)) continue;
      if (const auto other = session_->target_of(process->pid); other && *other != index_) continue;  // named itself
      if (Status status = enter_process(process->pid, files_of(process->exe_key)); !status) return status;
      parents.push_back(process->pid);
    }
  }
  return Ok{};
}

// A path that nothing runs yet: its probes are attached now, so that not a query of its first process is lost.
Status TargetWatch::prepare_path() {
  // Whoever owns the directory may have put there what does not open, or does something when it is.
  struct stat status {};
  if (stat(spec_.value.c_str(), &status) != 0) return Error::from_errno(errno, "stat " + spec_.value);
  if (!S_ISREG(status.st_mode)) return Error{spec_.value + " is not a regular file; name the engine's own binary"};
  Fd fd(open(spec_.value.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.valid()) return Error::from_errno(errno, "open " + spec_.value);
  Result<FileKey> key = file_key(fd);
  if (!key) return key.error();
  if (*key == path_key_) return Ok{};
  const std::string name = std::filesystem::path(spec_.value).filename();
  if (const auto other = session_->target_of(key->device, key->inode, name); other && *other != index_) {
    return Error{fmt::format("{} is watched already as another target; name it once", spec_.value), EEXIST};
  }
  const FileVersion version = file_version(fd);
  Result<ElfProbes> probes = read_probes(fd.get(), spec_.value, functions_of(options_.profiles));
  if (!probes) return probes.error();
  ProbeFiles files;
  files.files.push_back(
      {.fd = std::move(fd), .path = spec_.value, .key = *key, .version = version, .probes = std::move(*probes)});
  files.running = false;
  Result<std::uint64_t> bits = prepare_files(std::move(files));
  if (!bits && bits.error().code != kNotYet) return bits.error();
  path_key_ = *key;
  if (!bits) {
    spdlog::info("{}: {}", label_, bits.error().message);
    return Ok{};
  }
  const bool known = !executables_.insert_or_assign(*key, Executable{.files = *bits, .own = true}).second;
  session_->set_executable(index_, key->device, key->inode);
  Status watched = session_->watch_executable(key->device, key->inode, index_, *bits);
  if (watched && applied_ && !known) spdlog::info("{}: {} is a new file; its probes are attached", label_, spec_.value);
  return watched;
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
    case TargetSpec::Kind::kUnit:
    case TargetSpec::Kind::kCgroup:
      watch.label_ = spec.value;
      break;
  }
  watch.named_ = watch.label_;
  Result<std::uint32_t> index = session.add_target();
  if (!index) return index.error();
  watch.index_ = *index;
  if (Status status = watch.adopt_all(std::move(*found)); !status) {
    // There are few targets to be had, and this one will be tried again and again.
    watch.release();
    session.remove_target(*index);
    return status.error();
  }
  return watch;
}

Status TargetWatch::adopt_all(std::vector<Process> found) {
  if (found.empty() && spec_.kind == TargetSpec::Kind::kExe) {
    if (Status status = prepare_path(); !status) return status;
  }
  if (found.empty()) spdlog::info("{}: nothing runs yet, waiting for it to start", label_);
  // First of all: a probe that is attached for one process is there for every one that runs the same file.
  for (const Process& process : found) {
    if (Status status = check_confinement(process); !status) return status;
  }
  std::optional<Error> refused;
  for (Process& process : found) {
    Status status = adopt(std::move(process));
    if (status) continue;
    if (spec_.kind == TargetSpec::Kind::kPid || spec_.kind == TargetSpec::Kind::kExe) return status;
    // A script that starts the engine may bear its name, and run in its unit.
    say_once(status.error().message);
    refused = status.error();
  }
  if (refused && executables_.empty()) return *refused;
  return Ok{};
}

Status TargetWatch::apply(const ProbePlanForInterval& plan) {
  if (settled_ && applied_ == plan) return Ok{};
  const bool mode = !applied_ || plan.mode != applied_->mode;
  const bool phases = !applied_ || plan.cache != applied_->cache || !settled_;
  // A query or a phase that began before the change may end unseen, or end without its start.
  const bool queries = mode || !settled_;
  if (queries) session_->set_complete(index_, false);
  if (mode) {
    if (Status status = session_->set_mode(index_, bpf_mode(plan.mode)); !status) return status;
  }
  applied_ = plan;
  if (phases) session_->set_phases_complete(index_, false);
  Status status = Ok{};
  for (const auto& [file, light] : files_) {
    if (Status one = probe(file, plan); !one && status) status = one;
  }
  if (queries) session_->set_complete(index_, plan.mode == ProbeMode::kFull);
  if (phases) session_->set_phases_complete(index_, plan.cache);
  settled_ = static_cast<bool>(status);
  return status;
}

void TargetWatch::release() {
  session_->set_complete(index_, false);
  attachments_->release(index_);
}

bool TargetWatch::over(const std::vector<pid_t>& processes) const {
  return !unsafe_.empty() || (spec_.kind == TargetSpec::Kind::kPid && processes.empty());
}

bool TargetWatch::has_ended() const { return is_over(pidfd_); }

std::string TargetWatch::why_over() const {
  if (!unsafe_.empty()) return unsafe_;
  if (pidfd_.valid() && !has_ended()) {
    return fmt::format(
        "process {} now runs another program; `outrider doctor --pid {}` says whether that can be watched", spec_.value,
        spec_.value);
  }
  return "the watched process is gone; --exe or --name instead of --pid would follow it over a restart";
}

bool TargetWatch::refused(const Process& process) const {
  const auto found = refused_.find(process.pid);
  return found != refused_.end() && found->second.start_ticks == process.start_ticks &&
         found->second.exe == process.exe_key && Clock::now() < found->second.next_try;
}

void TargetWatch::refuse(const Process& process) {
  Refusal& refusal = refused_[process.pid];
  const bool again = refusal.start_ticks == process.start_ticks && refusal.exe == process.exe_key;
  const auto pause = again ? std::min(2 * refusal.pause, kLongestPause) : Refusal{}.pause;
  refusal = {process.start_ticks, process.exe_key, Clock::now() + pause, pause};
}

// The file at the path may have been replaced by another since: its probes are to be there before it is started.
void TargetWatch::look_at_path() {
  const auto in_library = [](const auto& exe) { return !exe.second.own; };
  if (std::any_of(executables_.begin(), executables_.end(), in_library)) return;  // known once it runs
  if (Status status = prepare_path(); !status) say_once(status.error().message);
}

bool TargetWatch::has_to_be_sought() const {
  const bool by_group = spec_.kind == TargetSpec::Kind::kUnit || spec_.kind == TargetSpec::Kind::kCgroup;
  const bool by_path = !(path_key_ == FileKey{}) && !executables_.contains(path_key_);  // kNotYet
  return (by_group || by_path) && processes().empty();
}

std::vector<std::string> TargetWatch::refresh() {
  std::vector<std::string> changes;
  // The kernel follows what a process forks; it is for us only if its files had to be let go.
  if (spec_.kind == TargetSpec::Kind::kPid && (!forgotten_ || has_ended())) return changes;
  Result<std::vector<Process>> found = find_processes(spec_);
  if (!found) {
    say_once(found.error().message);
    return changes;
  }
  if (spec_.kind == TargetSpec::Kind::kExe) look_at_path();
  std::set<pid_t> present;
  for (const Process& process : *found) present.insert(process.pid);
  std::erase_if(refused_, [&](const auto& refusal) { return !present.contains(refusal.first); });
  std::erase_if(examined_, [&](pid_t pid) { return !present.contains(pid); });
  forgotten_ = false;
  const std::vector<pid_t> known = processes();
  for (Process& process : *found) {
    const bool watched = std::binary_search(known.begin(), known.end(), process.pid);
    const auto exe = executables_.find(process.exe_key);
    // Where what else it has mapped matters, a fork has what its parent has.
    const auto is_known = [&] {
      if (examined_.contains(process.pid)) return true;
      if (!exe->second.own || !returns_.contains(process.exe_key)) return exe->second.own;
      const auto stat = ProcReader().stat(process.pid);
      return stat && std::binary_search(known.begin(), known.end(), static_cast<pid_t>(stat->parent));
    };
    if (watched && exe != executables_.end() && is_known()) continue;
    if (refused(process)) continue;
    const pid_t pid = process.pid;
    const std::string path = process.exe_path;
    if (Status status = adopt(std::move(process)); !status) {
      forgotten_ = true;  // a file that is still being written can be probed later
      say_once(status.error().message);
    } else if (!watched) {
      changes.push_back(fmt::format("process {} ({}) is watched from now on", pid, path));
    }
  }
  return changes;
}

void TargetWatch::forget(const std::vector<Attachments::Gone>& gone) {
  for (const Attachments::Gone& file : gone) {
    returns_.erase(file.key);
    if (files_.erase(file.key) == 0) continue;
    if (!file.forbidden.empty()) unsafe_ = file.forbidden;
    if (path_key_ == file.key) path_key_ = {};
    const char* why = file.rewritten           ? "is being rewritten in place"
                      : file.forbidden.empty() ? "is not run any more"
                                               : "must not be probed any more";
    spdlog::warn("{}: {} {}: its probes are detached", label_, file.path, why);
    // Whatever had it mapped is looked at again.
    for (auto exe = executables_.begin(); exe != executables_.end();) {
      if ((exe->second.files & file.bit) == 0) {
        ++exe;
        continue;
      }
      session_->forget_executable(exe->first.device, exe->first.inode);
      exe = executables_.erase(exe);
    }
    examined_.clear();
    forgotten_ = true;
  }
}

}  // namespace outrider
