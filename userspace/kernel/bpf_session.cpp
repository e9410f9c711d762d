#include "userspace/kernel/bpf_session.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <set>

#include "outrider.skel.h"
#include "userspace/base/fd.h"
#include "userspace/kernel/cookie_pool.h"
#include "userspace/kernel/counter_maps.h"
#include "userspace/kernel/in_flight.h"
#include "userspace/kernel/libbpf_log.h"
#include "userspace/kernel/map_walk.h"
#include "userspace/kernel/monotonic.h"
#include "userspace/kernel/role_programs.h"
#include "userspace/kernel/skeleton.h"
#include "userspace/kernel/syscall_codes.h"
#include "userspace/kernel/uapi.h"
#include "userspace/model/statement_scan.h"
#include "userspace/model/utf8.h"

namespace outrider {
namespace {

using Skeleton = SkeletonHandle<outrider_bpf>;

unsigned shard_count() {
  const unsigned cpus = std::max(1, libbpf_num_possible_cpus());
  return std::min<unsigned>(OUTRIDER_MAX_SHARDS, std::bit_ceil(cpus));
}

}  // namespace

struct BpfSession::State {
  SessionOptions options;
  Skeleton skeleton;
  CounterMaps counters;
  Link iterator;
  std::optional<InFlightLister> in_flight;
  std::vector<Link> hooks;
  std::vector<Link> scheduler_hooks;  ///< empty: not attached
  std::shared_ptr<CookiePool> cookies;
  std::uint32_t targets = 0;
  std::set<std::uint32_t> free_targets;
  std::uint32_t closed_epoch = 0;

  Status attach_hooks();
  [[nodiscard]] bool follows_waits();
  Status scan();
  Status refresh();
  template <typename Visit>
  void each_process(Visit visit) const;
};

BpfSession::BpfSession(std::unique_ptr<State> state) : state_(std::move(state)) {}
BpfSession::BpfSession(BpfSession&&) noexcept = default;
BpfSession& BpfSession::operator=(BpfSession&&) noexcept = default;
BpfSession::~BpfSession() = default;

Result<std::vector<Link>> attach_all(std::initializer_list<const bpf_program*> programs) {
  std::vector<Link> links;
  for (const bpf_program* program : programs) {
    Link link(bpf_program__attach(program));
    if (!link) return Error::from_errno(errno, fmt::format("attach {}", bpf_program__name(program)));
    links.push_back(std::move(link));
  }
  return links;
}

Status BpfSession::State::attach_hooks() {
  const auto& programs = skeleton->progs;
  Result<std::vector<Link>> attached = attach_all({programs.handle_fork, programs.handle_exec, programs.handle_exit});
  if (!attached) return attached.error();
  hooks = std::move(*attached);
  iterator.reset(bpf_program__attach_iter(programs.scan_tasks, nullptr));
  if (!iterator) return Error::from_errno(errno, "attach the task iterator");
  Result<InFlightLister> lister = InFlightLister::make({.program = programs.list_in_flight,
                                                        .target = &skeleton->bss->listed_target,
                                                        .before_ns = &skeleton->bss->listed_before_ns,
                                                        .starts_only = &skeleton->bss->list_starts_only,
                                                        .detached_map = bpf_map__fd(skeleton->maps.detached)});
  if (!lister) return lister.error();
  in_flight = std::move(*lister);
  return Ok{};
}

Status BpfSession::hook_scheduler(bool on) {
  if (on == !state_->scheduler_hooks.empty()) return Ok{};
  state_->scheduler_hooks.clear();
  if (!on) return Ok{};
  const auto& programs = state_->skeleton->progs;
  Result<std::vector<Link>> attached = attach_all({programs.handle_sched_switch, programs.handle_sched_waking});
  if (!attached) return attached.error();
  state_->scheduler_hooks = std::move(*attached);
  return Ok{};
}

bool BpfSession::State::follows_waits() {
  for (std::uint32_t i = 0; i < targets; ++i) {
    if (counters.target(i).mode == OUTRIDER_MODE_FULL) return true;
  }
  return false;
}

Status BpfSession::State::refresh() {
  const std::uint32_t used = std::min<std::uint32_t>(skeleton->bss->next_slot, options.max_types);
  const std::uint32_t phases = std::min<std::uint32_t>(skeleton->bss->next_phase, OUTRIDER_MAX_PHASES);
  return counters.refresh(used, skeleton->bss->slots_named, phases);
}

Result<BpfSession> BpfSession::make(const SessionOptions& options) {
  log_libbpf();
  auto state = std::make_unique<State>();
  state->options = options;
  state->skeleton.reset(outrider_bpf::open());
  if (!state->skeleton) return Error::from_errno(errno, "open the BPF object");
  outrider_bpf& skeleton = *state->skeleton;
  const unsigned shards = shard_count();
  skeleton.rodata->shard_mask = shards - 1;
  skeleton.rodata->max_slots = options.max_types;
  outrider_fill_statement_steps(&skeleton.rodata->sql_steps[0]);
  const auto codes = syscall_codes();
  std::copy(codes.begin(), codes.end(), &skeleton.rodata->syscall_codes[0]);
  skeleton.rodata->io_uring_enter_number = 426;  // the same on every architecture
  bpf_map__set_max_entries(skeleton.maps.slots, options.max_types * shards);
  bpf_map__set_max_entries(skeleton.maps.slow_lists, options.max_types * OUTRIDER_SLOW_BANKS);
  if (!options.use_uprobe_multi) {
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton.obj) {
      if (bpf_program__expected_attach_type(program) == kTraceUprobeMulti) {
        bpf_program__set_expected_attach_type(program, static_cast<bpf_attach_type>(0));
      }
    }
  }
  if (const int error = outrider_bpf::load(&skeleton); error != 0) {
    return Error::from_errno(-error, "load the BPF programs");
  }
  state->cookies = std::make_shared<CookiePool>(bpf_map__max_entries(skeleton.maps.sites));
  Result<CounterMaps> counters = CounterMaps::make({.slots = bpf_map__fd(skeleton.maps.slots),
                                                    .types = bpf_map__fd(skeleton.maps.types),
                                                    .targets = bpf_map__fd(skeleton.maps.targets),
                                                    .cells = bpf_map__fd(skeleton.maps.target_cells),
                                                    .phases = bpf_map__fd(skeleton.maps.phase_cells),
                                                    .phase_types = bpf_map__fd(skeleton.maps.phase_types),
                                                    .slow_lists = bpf_map__fd(skeleton.maps.slow_lists),
                                                    .slow_texts = bpf_map__fd(skeleton.maps.slow_texts),
                                                    .statements = bpf_map__fd(skeleton.maps.statements),
                                                    .blocks = bpf_map__fd(skeleton.maps.blocks),
                                                    .free_slots = bpf_map__fd(skeleton.maps.free_slots)},
                                                   shards);
  if (!counters) return counters.error();
  state->counters = std::move(*counters);
  if (Status status = state->attach_hooks(); !status) return status.error();
  return BpfSession(std::move(state));
}

Result<std::uint32_t> BpfSession::add_target() {
  if (!state_->free_targets.empty()) {
    const std::uint32_t index = state_->free_targets.extract(state_->free_targets.begin()).value();
    set_complete(index, false);
    set_phases_complete(index, false);
    set_texts(index, false);
    set_statements(index, OUTRIDER_SQL_NONE);
    state_->counters.forget_slow(index);
    return index;
  }
  if (state_->targets == OUTRIDER_MAX_TARGETS) {
    return Error{fmt::format("more than {} targets; run a second agent, with a history and a port of its own",
                             OUTRIDER_MAX_TARGETS),
                 ENOSPC};
  }
  const std::uint32_t index = state_->targets;
  const std::uint32_t other = __atomic_fetch_add(&state_->skeleton->bss->next_slot, 2, __ATOMIC_RELAXED);
  if (other + 2 > state_->options.max_types) return Error{"no counter slots left for another target", ENOSPC};
  const int types = bpf_map__fd(state_->skeleton->maps.types);
  for (std::uint8_t nested = 0; nested < 2; ++nested) {
    outrider_type_key key{.target = index, .nested = nested, .name = "other"};
    const std::uint32_t slot = other + nested;
    if (bpf_map_update_elem(types, &key, &slot, BPF_ANY) != 0) return Error::from_errno(errno, "enter a target");
  }
  outrider_target& target = state_->counters.target(index);
  target.other_slot = other;
  target.max_types = state_->options.max_types_per_target;
  target.generation = 1;
  target.mode = OUTRIDER_MODE_OFF;
  target.counts_from_ns = target.phases_from_ns = UINT64_MAX;
  ++state_->targets;
  return index;
}

void BpfSession::remove_target(std::uint32_t target) {
  static_cast<void>(set_mode(target, OUTRIDER_MODE_OFF));  // which attaches nothing
  set_executable(target, 0, 0);
  // Before the processes, or one that execs meanwhile would be the next target's that has this number.
  const int map = bpf_map__fd(state_->skeleton->maps.exes);
  std::vector<outrider_exe_key> executables;
  for_each_entry<outrider_exe_key, outrider_exe>(map, [&](const outrider_exe_key& key, const outrider_exe& exe) {
    if (exe.target == target) executables.push_back(key);
  });
  for (const outrider_exe_key& executable : executables) bpf_map_delete_elem(map, &executable);
  // One that forks while they are listed may have a child that is not on the list; it was entered before its parent was
  // forgotten, or else it takes itself out.
  constexpr int kRounds = 16;
  for (int i = 0; i < kRounds; ++i) {
    const std::vector<pid_t> left = processes(target);
    if (left.empty()) break;
    for (const pid_t pid : left) forget_process(pid);
  }
  static_cast<void>(state_->refresh());  // without memory for it, types that nobody has read yet keep their slots
  state_->counters.forget_types(target);
  state_->free_targets.insert(target);
}

Status BpfSession::watch_process(pid_t pid, std::uint32_t target, std::uint64_t files) {
  const auto key = static_cast<std::uint32_t>(pid);
  const outrider_process process{.target = target, .ended = 0, .files = files};
  if (bpf_map_update_elem(bpf_map__fd(state_->skeleton->maps.processes), &key, &process, BPF_ANY) != 0) {
    return Error::from_errno(errno, fmt::format("watch process {}", pid));
  }
  return Ok{};
}

std::optional<std::uint32_t> BpfSession::target_of(pid_t pid) const {
  const auto key = static_cast<std::uint32_t>(pid);
  outrider_process process{};
  if (bpf_map_lookup_elem(bpf_map__fd(state_->skeleton->maps.processes), &key, &process) != 0) return std::nullopt;
  if (process.ended != 0) return std::nullopt;
  return process.target;
}

std::optional<std::uint32_t> BpfSession::target_of(std::uint32_t device, std::uint64_t inode,
                                                   const std::string& comm) const {
  const outrider_exe_key key{.inode = inode, .device = device, .pad = 0};
  outrider_exe exe{};
  if (bpf_map_lookup_elem(bpf_map__fd(state_->skeleton->maps.exes), &key, &exe) != 0) return std::nullopt;
  const std::string_view only(exe.comm);
  if (!only.empty() && only != std::string_view(comm).substr(0, sizeof(exe.comm) - 1)) return std::nullopt;
  return exe.target;
}

void BpfSession::forget_process(pid_t pid) {
  const auto key = static_cast<std::uint32_t>(pid);
  bpf_map_delete_elem(bpf_map__fd(state_->skeleton->maps.processes), &key);
}

void BpfSession::set_executable(std::uint32_t target, std::uint32_t device, std::uint64_t inode) {
  outrider_target& state = state_->counters.target(target);
  state.exe_device = device;
  state.exe_inode = inode;
}

Status BpfSession::watch_executable(std::uint32_t device, std::uint64_t inode, std::uint32_t target,
                                    std::uint64_t files, const std::string& comm) {
  const outrider_exe_key key{.inode = inode, .device = device, .pad = 0};
  outrider_exe exe{.target = target, .pad = 0, .files = files, .comm = {}};
  comm.copy(exe.comm, sizeof(exe.comm) - 1);
  if (bpf_map_update_elem(bpf_map__fd(state_->skeleton->maps.exes), &key, &exe, BPF_ANY) != 0) {
    return Error::from_errno(errno, "watch an executable");
  }
  return Ok{};
}

void BpfSession::forget_executable(std::uint32_t device, std::uint64_t inode) {
  const outrider_exe_key key{.inode = inode, .device = device, .pad = 0};
  bpf_map_delete_elem(bpf_map__fd(state_->skeleton->maps.exes), &key);
}

template <typename Visit>
void BpfSession::State::each_process(Visit visit) const {
  for_each_entry<std::uint32_t, outrider_process>(bpf_map__fd(skeleton->maps.processes), visit);
}

LivingProcesses BpfSession::take_living() {
  LivingProcesses living;
  std::vector<std::uint32_t> ended;
  state_->each_process([&](std::uint32_t pid, const outrider_process& process) {
    if (process.ended != 0) {
      ended.push_back(pid);
      return;
    }
    living.processes[process.target].push_back(static_cast<pid_t>(pid));
    living.files |= process.files;
  });
  for (const std::uint32_t pid : ended) bpf_map_delete_elem(bpf_map__fd(state_->skeleton->maps.processes), &pid);
  for (auto& [target, pids] : living.processes) std::sort(pids.begin(), pids.end());
  return living;
}

std::vector<pid_t> BpfSession::processes(std::uint32_t target) const {
  std::vector<pid_t> found;
  state_->each_process([&](std::uint32_t pid, const outrider_process& process) {
    if (process.ended == 0 && process.target == target) found.push_back(static_cast<pid_t>(pid));
  });
  std::sort(found.begin(), found.end());
  return found;
}

Result<ProbeSet> BpfSession::make_probes(const std::string& path, const std::vector<ProbeSite>& sites) {
  ProbeSet set;
  set.path_ = path;
  set.multi_ = state_->options.use_uprobe_multi;
  auto taken = std::make_shared<std::vector<std::uint32_t>>();
  set.release_ = [pool = state_->cookies, taken] {
    for (const std::uint32_t cookie : *taken) pool->give_back(cookie);
  };
  for (const ProbeSite& site : sites) {
    Result<std::uint32_t> cookie = state_->cookies->take();
    if (!cookie) return cookie.error();
    taken->push_back(*cookie);
    const std::uint32_t key = *cookie;
    if (bpf_map_update_elem(bpf_map__fd(state_->skeleton->maps.sites), &key, &site.spec, BPF_ANY) != 0) {
      return Error::from_errno(errno, "enter a probe site");
    }
    set.sites_.push_back({site, key, program_of(*state_->skeleton, site.role)});
  }
  return set;
}

Status BpfSession::set_twins(ProbeSet& probes, std::uint64_t twins) {
  for (ProbeSet::Numbered& numbered : probes.sites_) {
    numbered.site.spec.twins = twins;
    const auto key = static_cast<std::uint32_t>(numbered.cookie);
    if (bpf_map_update_elem(bpf_map__fd(state_->skeleton->maps.sites), &key, &numbered.site.spec, BPF_ANY) != 0) {
      return Error::from_errno(errno, "enter a probe site");
    }
  }
  return Ok{};
}

void BpfSession::discard_in_flight(std::uint32_t target) {
  outrider_target& state = state_->counters.target(target);
  __atomic_add_fetch(&state.generation, 1, __ATOMIC_SEQ_CST);
  __atomic_store_n(&state.concurrent, 0, __ATOMIC_SEQ_CST);
  __atomic_store_n(&state.detached, 0, __ATOMIC_SEQ_CST);
}

void BpfSession::set_complete(std::uint32_t target, bool complete) {
  __atomic_store_n(&state_->counters.target(target).counts_from_ns, complete ? monotonic_ns() : UINT64_MAX,
                   __ATOMIC_SEQ_CST);
}

void BpfSession::set_phases_complete(std::uint32_t target, bool complete) {
  __atomic_store_n(&state_->counters.target(target).phases_from_ns, complete ? monotonic_ns() : UINT64_MAX,
                   __ATOMIC_SEQ_CST);
}

Status BpfSession::set_mode(std::uint32_t target, outrider_mode mode) {
  if (mode == OUTRIDER_MODE_FULL) {
    if (Status status = hook_scheduler(true); !status) return status;
  }
  state_->counters.target(target).mode = mode;
  discard_in_flight(target);
  return hook_scheduler(state_->follows_waits());
}

Status BpfSession::State::scan() {
  for (std::uint32_t i = 0; i < targets; ++i) {
    outrider_target& target = counters.target(i);
    target.live_cpu_ns = target.live_faults = target.oldest_start_ns = 0;
    target.live_threads = target.live_in_flight = 0;
  }
  // Before the walk: a thread that exits meanwhile must not be counted as live and as gone.
  counters.keep_exited();
  const Fd fd(bpf_iter_create(bpf_link__fd(iterator.get())));
  if (!fd.valid()) return Error::from_errno(errno, "walk the tasks");
  std::array<char, 64> nothing{};
  ssize_t got = 0;
  do {
    got = ::read(fd.get(), nothing.data(), nothing.size());
  } while (got > 0 || (got < 0 && errno == EAGAIN));
  if (got < 0) return Error::from_errno(errno, "walk the tasks");
  return Ok{};
}

Status BpfSession::next_interval() {
  // Before the interval is over: a failure loses nothing of it.
  if (Status status = take_stock(); !status) return status;
  auto& bss = *state_->skeleton->bss;
  state_->closed_epoch = bss.epoch;
  const std::uint32_t next = bss.epoch + 1;
  state_->counters.clear_epoch(next);
  __atomic_store_n(&bss.epoch, next, __ATOMIC_SEQ_CST);
  // What is in flight now is in flight in the new interval too; a probe may have raised the peak meanwhile.
  for (std::uint32_t i = 0; i < state_->targets; ++i) {
    outrider_target& target = state_->counters.target(i);
    const std::int64_t now = __atomic_load_n(&target.concurrent, __ATOMIC_SEQ_CST);
    auto* peak = &target.peak[next % OUTRIDER_EPOCHS];
    auto seen = __atomic_load_n(peak, __ATOMIC_SEQ_CST);
    while (now > 0 && seen < static_cast<std::uint64_t>(now) &&
           !__atomic_compare_exchange_n(peak, &seen, static_cast<std::uint64_t>(now), false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST)) {
    }
  }
  return Ok{};
}

Status BpfSession::take_stock() {
  if (Status status = state_->refresh(); !status) return status;
  return state_->scan();
}

TargetCounters BpfSession::read(std::uint32_t target) { return state_->counters.read(target, state_->closed_epoch); }

std::array<std::uint64_t, OUTRIDER_RUNS> BpfSession::runs(std::uint32_t target) const {
  return state_->counters.runs(target);
}

void BpfSession::set_texts(std::uint32_t target, bool wanted) {
  __atomic_store_n(&state_->counters.target(target).texts, wanted ? 1U : 0U, __ATOMIC_RELAXED);
}

void BpfSession::set_statements(std::uint32_t target, outrider_sql_dialect dialect, std::uint32_t by) {
  outrider_target& state = state_->counters.target(target);
  const auto value = static_cast<std::uint32_t>(dialect);
  __atomic_store_n(&state.by, by, __ATOMIC_RELAXED);
  __atomic_store_n(&state.statements, value, __ATOMIC_RELAXED);
}

std::vector<std::string> BpfSession::make_room(std::uint32_t target, std::size_t sharers) {
  const auto share = state_->options.max_types / static_cast<std::uint32_t>(std::max<std::size_t>(sharers, 1));
  return state_->counters.make_room(target, std::min(state_->options.max_types_per_target, share));
}

std::shared_ptr<const std::string> BpfSession::statement(const std::string& type) const {
  return state_->counters.statement(type);
}

std::shared_ptr<const ClientSession> BpfSession::session(const std::string& type) const {
  return state_->counters.session(type);
}

Result<std::vector<InFlightQuery>> BpfSession::in_flight(std::uint32_t target, std::chrono::nanoseconds for_at_least,
                                                         std::size_t most) const {
  const std::uint64_t now = monotonic_ns();
  return state_->in_flight->list({.target = target,
                                  .generation = state_->counters.target(target).generation,
                                  .before_ns = now - std::min(now, static_cast<std::uint64_t>(for_at_least.count())),
                                  .most = most,
                                  .types = type_names(target)});
}

std::map<std::uint32_t, std::string> BpfSession::type_names(std::uint32_t target) const {
  return state_->counters.type_names(target);
}

std::map<std::string, int> BpfSession::maps() const {
  std::map<std::string, int> all;
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, state_->skeleton->obj) {
    if (!bpf_map__is_internal(map)) all.emplace(bpf_map__name(map), bpf_map__fd(map));
  }
  return all;
}

std::uint64_t BpfSession::map_bytes() const {
  std::uint64_t total = 0;
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, state_->skeleton->obj) {
    std::ifstream info(fmt::format("/proc/self/fdinfo/{}", bpf_map__fd(map)));
    std::string key;
    std::uint64_t value = 0;
    while (info >> key) {
      if (key == "memlock:" && info >> value) total += value;
    }
  }
  return total;
}

ProgramDescriptors BpfSession::programs() const { return programs_of(*state_->skeleton); }

}  // namespace outrider
