#include "userspace/kernel/stack_sampler.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <thread>

#include "sampler.skel.h"
#include "userspace/base/fd.h"
#include "userspace/kernel/bpf_session.h"
#include "userspace/kernel/map_memory.h"
#include "userspace/kernel/map_walk.h"
#include "userspace/kernel/monotonic.h"
#include "userspace/kernel/skeleton.h"

namespace outrider {
namespace {

// A program that began in an earlier round is done after microseconds, unless a hypervisor takes its processor away:
// what it then adds to a stack that was taken already would be lost.
constexpr std::chrono::milliseconds kRoundSettles{20};

std::vector<std::uint64_t> addresses(std::span<const __u64> from) {
  const auto end = std::find(from.begin(), from.end(), 0U);
  return {from.begin(), end};
}

SampledStack unpack(const outrider_stack_key& key, const outrider_stack_value& value) {
  SampledStack stack;
  stack.pid = static_cast<pid_t>(key.tgid);
  for (const std::uint16_t slot : key.path) {
    if (slot != 0) stack.path.push_back(slot - 1U);
  }
  stack.wait_class = static_cast<outrider_wait_class>(std::min<unsigned>(key.wait_class, OUTRIDER_WAIT_UNATTRIBUTED));
  stack.whole = (key.flags & OUTRIDER_STACK_WHOLE) != 0;
  stack.kernel = addresses(key.kernel);
  stack.user = addresses(key.user);
  stack.count = value.count;
  stack.wait_ns = value.ns;
  return stack;
}

// One event on each CPU that is online.
Status attach_timers(const bpf_program* program, unsigned frequency, std::vector<Link>& links) {
  for (int cpu = 0; cpu < libbpf_num_possible_cpus(); ++cpu) {
    perf_event_attr attributes{};
    attributes.type = PERF_TYPE_SOFTWARE;
    attributes.size = sizeof(attributes);
    attributes.config = PERF_COUNT_SW_CPU_CLOCK;
    attributes.freq = 1;
    attributes.sample_freq = frequency;
    attributes.exclude_idle = 1;
    Fd event(static_cast<int>(syscall(SYS_perf_event_open, &attributes, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC)));
    if (!event.valid() && errno == ENODEV) continue;  // offline
    if (!event.valid()) return Error::from_errno(errno, fmt::format("set a sampling timer on CPU {}", cpu));
    Link link(bpf_program__attach_perf_event(program, event.get()));
    if (!link) return Error::from_errno(errno, fmt::format("attach to the sampling timer of CPU {}", cpu));
    static_cast<void>(event.release());  // the link's from now on
    links.push_back(std::move(link));
  }
  return Ok{};
}

Status attach_hooks(std::initializer_list<const bpf_program*> programs, std::vector<Link>& links) {
  for (const bpf_program* program : programs) {
    Link link(bpf_program__attach(program));
    if (!link) return Error::from_errno(errno, fmt::format("attach {}", bpf_program__name(program)));
    links.push_back(std::move(link));
  }
  return Ok{};
}

}  // namespace

struct StackSampler::State {
  SamplerOptions options;
  std::uint32_t target = 0;
  SkeletonHandle<sampler_bpf> skeleton;
  std::vector<Link> links;

  MapMemory rows;
  std::uint32_t rows_used = 0;

  Status load(const BpfSession& session);
  [[nodiscard]] int stacks() const { return bpf_map__fd(skeleton->maps.stacks); }
  void take_unfinished(std::uint64_t now, std::vector<SampledStack>& taken) const;
};

StackSampler::StackSampler(std::unique_ptr<State> state) : state_(std::move(state)) {}
StackSampler::StackSampler(StackSampler&&) noexcept = default;
StackSampler& StackSampler::operator=(StackSampler&&) noexcept = default;
StackSampler::~StackSampler() = default;

Status StackSampler::State::load(const BpfSession& session) {
  skeleton.reset(sampler_bpf::open());
  if (!skeleton) return Error::from_errno(errno, "open the sampler's BPF object");
  skeleton->rodata->shortest_wait_ns = static_cast<__u64>(options.shortest_wait.count());
  skeleton->rodata->kernel_frames = options.kernel_frames ? 1 : 0;
  const std::map<std::string, int> shared = session.maps();
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, skeleton->obj) {
    const auto found = shared.find(bpf_map__name(map));
    if (found == shared.end()) continue;
    if (const int error = bpf_map__reuse_fd(map, found->second); error != 0) {
      return Error::from_errno(-error, fmt::format("share the probes' map {}", found->first));
    }
  }
  if (const int error = sampler_bpf::load(skeleton.get()); error != 0) {
    return Error::from_errno(-error, "load the sampler's BPF programs");
  }
  Result<MapMemory> memory =
      MapMemory::make(bpf_map__fd(skeleton->maps.unwind_rows), sizeof(outrider_unwind_row) * OUTRIDER_UNWIND_ROWS);
  if (!memory) return memory.error();
  rows = std::move(*memory);
  return Ok{};
}

Status StackSampler::start() {
  const auto& programs = state_->skeleton->progs;
  if (state_->options.off_cpu) return attach_hooks({programs.handle_wake, programs.handle_block}, state_->links);
  return attach_timers(programs.handle_timer, state_->options.frequency, state_->links);
}

std::optional<std::uint32_t> StackSampler::add_unwind_rows(std::span<const outrider_unwind_row> rows) {
  const std::uint32_t first = state_->rows_used;
  if (rows.size() > OUTRIDER_UNWIND_ROWS - first) return std::nullopt;
  std::copy(rows.begin(), rows.end(), state_->rows.as<outrider_unwind_row>() + first);
  state_->rows_used += static_cast<std::uint32_t>(rows.size());
  return first;
}

bool StackSampler::set_process(pid_t pid, const outrider_unwind_process& process) {
  const auto key = static_cast<std::uint32_t>(pid);
  return bpf_map_update_elem(bpf_map__fd(state_->skeleton->maps.unwind_processes), &key, &process, BPF_ANY) == 0;
}

Result<StackSampler> StackSampler::make(const BpfSession& session, std::uint32_t target,
                                        const SamplerOptions& options) {
  auto state = std::make_unique<State>();
  state->options = options;
  state->target = target;
  if (Status status = state->load(session); !status) return status.error();
  state->skeleton->bss->sampled_targets = 1ULL << target;
  const auto& programs = state->skeleton->progs;
  Status status = attach_hooks(
      {programs.handle_sampled_fork, programs.handle_sampled_exec, programs.handle_sampled_exit}, state->links);
  if (!status) return status.error();
  return StackSampler(std::move(state));
}

std::vector<SampledStack> StackSampler::take() {
  const auto round =
      static_cast<std::uint8_t>(__atomic_fetch_add(&state_->skeleton->bss->stack_round, 1, __ATOMIC_SEQ_CST));
  std::this_thread::sleep_for(kRoundSettles);
  std::vector<outrider_stack_key> done;
  std::vector<SampledStack> taken;
  for_each_entry<outrider_stack_key, outrider_stack_value>(
      state_->stacks(), [&](const outrider_stack_key& key, const outrider_stack_value& value) {
        if (static_cast<std::uint8_t>(key.round - 1) == round) return;  // the new round has begun
        taken.push_back(unpack(key, value));
        done.push_back(key);
      });
  for (const outrider_stack_key& key : done) bpf_map_delete_elem(state_->stacks(), &key);
  return taken;
}

// Threads that still waited: what they had waited until then.
void StackSampler::State::take_unfinished(std::uint64_t now, std::vector<SampledStack>& taken) const {
  for_each_entry<std::uint32_t, outrider_blocked>(
      bpf_map__fd(skeleton->maps.blocked), [&](std::uint32_t, const outrider_blocked& wait) {
        const std::uint64_t ns = now - std::min<std::uint64_t>(now, wait.since_ns);
        if (ns < static_cast<std::uint64_t>(options.shortest_wait.count())) return;
        taken.push_back(unpack(wait.key, {.count = 1, .ns = ns}));
      });
}

std::vector<SampledStack> StackSampler::finish() {
  // Who wakes after this is not seen to.
  const std::uint64_t now = monotonic_ns();
  state_->links.clear();
  std::vector<SampledStack> taken = take();
  if (state_->options.off_cpu) state_->take_unfinished(now, taken);
  return taken;
}

outrider_stack_counts StackSampler::counts() const {
  outrider_stack_counts counts{};
  bpf_map_lookup_elem(bpf_map__fd(state_->skeleton->maps.stack_counts), &state_->target, &counts);
  return counts;
}

}  // namespace outrider
