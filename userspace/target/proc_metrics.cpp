#include "userspace/target/proc_metrics.h"

#include <unistd.h>

#include <algorithm>

#include "userspace/base/units.h"

namespace outrider {
namespace {

double ticks_per_second() {
  static const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  return ticks;
}

double mib(std::uint64_t bytes) { return static_cast<double>(bytes) / kMib; }

void unavailable(ResourceSample& sample, const std::string& field, const std::string& reason) {
  sample.unavailable.push_back("target_metrics." + field + ": " + reason);
}

std::string only_some(std::size_t looked_at, std::size_t all) {
  return "only " + std::to_string(looked_at) + " of " + std::to_string(all) + " processes are looked at";
}

constexpr const char* kFirst = "no earlier sample to compare with";
constexpr const char* kGone = "the process is gone";

}  // namespace

// What `pid` had used when the interval began: the previous sample, nothing if it is younger than that, or what it
// has used up to now if it is older but only now belongs to the target.
ProcessMetrics::Usage ProcessMetrics::baseline(pid_t pid, const Usage& now) const {
  const auto found = usage_.find(pid);
  if (found != usage_.end() && found->second.start_ticks == now.start_ticks) return found->second;
  const bool young = uptime_ && static_cast<double>(now.start_ticks) / ticks_per_second() >= *uptime_;
  if (!young) return now;
  return Usage{now.start_ticks, 0, 0, TransferBytes{}};
}

ProcessMetrics::Sums ProcessMetrics::collect(const std::vector<pid_t>& pids) {
  Sums sums;
  std::map<pid_t, Usage> seen;
  for (const pid_t pid : pids) {
    const auto stat = proc_.stat(pid);
    const auto memory = proc_.memory(pid);
    if (!stat || !memory) continue;
    Usage now{stat->start_ticks, stat->user_ticks + stat->system_ticks, stat->minor_faults + stat->major_faults,
              proc_.io(pid)};
    const Usage before = baseline(pid, now);
    sums.cpu_ticks += now.cpu_ticks - std::min(before.cpu_ticks, now.cpu_ticks);
    sums.faults += now.faults - std::min(before.faults, now.faults);
    sums.io_complete = sums.io_complete && now.io.has_value();
    if (now.io && before.io) {
      sums.io.in += now.io->in - std::min(before.io->in, now.io->in);
      sums.io.out += now.io->out - std::min(before.io->out, now.io->out);
    }
    sums.threads += stat->threads;
    sums.private_bytes += memory->resident - std::min(memory->shared, memory->resident);
    sums.shared_bytes = std::max(sums.shared_bytes, memory->shared);
    if (stat->start_ticks < sums.oldest_start_ticks) {
      sums.oldest_start_ticks = stat->start_ticks;
      sums.oldest = pid;
    }
    seen[pid] = now;
  }
  usage_ = std::move(seen);
  return sums;
}

void ProcessMetrics::look_up_limits(const std::vector<pid_t>& pids, pid_t oldest, std::uint64_t now_ns) {
  if (oldest == limits_.of && now_ns - limits_.time_ns < kLimitsEveryNs) return;
  limits_ = Limits{};
  limits_.of = oldest;
  limits_.time_ns = now_ns;
  limits_.group = cgroup_limits(proc_, oldest, cgroup_root_);
  limits_.affinity = proc_.allowed_cpus(oldest);
  if (pids.size() == 1) limits_.handles = proc_.handle_limit(oldest);
  look_up_file_systems(pids);
}

void ProcessMetrics::look_up_file_systems(const std::vector<pid_t>& pids) {
  const std::size_t looked_at = std::min(pids.size(), kMaxFdProcesses);
  std::set<dev_t> devices;
  std::size_t budget = kMaxFds;
  for (std::size_t i = 0; i < looked_at && budget > 0; ++i) {
    const WrittenFileSystems found = proc_.written_file_systems(pids[i], budget, devices);
    budget -= std::min(budget, found.looked_at);
    if (found.fullest) limits_.disk_usage = std::max(limits_.disk_usage.value_or(0), *found.fullest);
  }
  if (looked_at < pids.size()) {
    limits_.disk_usage_gap = only_some(looked_at, pids.size());
  } else if (!limits_.disk_usage) {
    limits_.disk_usage_gap = "no file is open for writing";
  }
  if (limits_.disk_usage && budget == 0) limits_.disk_usage_gap = "only the first descriptors are looked at";
}

void ProcessMetrics::fill_cpu(ResourceSample& sample, const Sums& sums, const HostFigures& host, double seconds) const {
  std::optional<double> allowed;
  const auto limit = [&](double cores) { allowed = std::min(allowed.value_or(cores), cores); };
  if (host.cpus) limit(*host.cpus);
  if (limits_.affinity) limit(*limits_.affinity);
  if (limits_.group.cpu_cores) limit(*limits_.group.cpu_cores);
  sample.allowed_cores = allowed;
  if (!(seconds > 0)) {
    for (const char* field : {"cpu_usage", "cpu_cores", "page_faults_per_second"}) unavailable(sample, field, kFirst);
    return;
  }
  const double cores = static_cast<double>(sums.cpu_ticks) / ticks_per_second() / seconds;
  sample.metrics.cpu_cores = cores;
  sample.metrics.page_faults_per_second = static_cast<double>(sums.faults) / seconds;
  if (allowed) sample.metrics.cpu_usage = std::clamp(100 * cores / *allowed, 0.0, 100.0);
}

void ProcessMetrics::fill_throttling(ResourceSample& sample) {
  const auto now = throttled_ns(limits_.group);
  if (limits_.group.cpu_stat != throttled_of_) throttled_ns_.reset();  // another group's counter
  throttled_of_ = limits_.group.cpu_stat;
  if (!now) {
    unavailable(sample, "throttled_seconds", "the target has no CPU quota");
  } else if (!throttled_ns_ || *now < *throttled_ns_) {
    unavailable(sample, "throttled_seconds", kFirst);
  } else {
    sample.metrics.throttled_seconds = static_cast<double>(*now - *throttled_ns_) / kNsPerSecond;
  }
  throttled_ns_ = now;
}

void ProcessMetrics::fill_memory(ResourceSample& sample, const Sums& sums, const HostFigures& host) const {
  ResourceMetrics& metrics = sample.metrics;
  // Shared memory (PostgreSQL's buffers) is resident in every process but exists once.
  const std::uint64_t resident = sums.private_bytes + sums.shared_bytes;
  metrics.rss_mb = metrics.memory_used_mb = mib(resident);
  std::optional<std::uint64_t> total = limits_.group.memory_bytes;
  if (host.memory_bytes) total = std::min(total.value_or(*host.memory_bytes), *host.memory_bytes);
  if (!total || *total == 0) return;
  metrics.memory_total_mb = mib(*total);
  metrics.memory_usage = std::min(1.0, static_cast<double>(resident) / static_cast<double>(*total));
}

void ProcessMetrics::fill_transfers(ResourceSample& sample, const Sums& sums) {
  ResourceMetrics& metrics = sample.metrics;
  const bool first = !time_ns_;
  if (first || !sums.io_complete) {
    const char* reason = first ? kFirst : "/proc/PID/io may not be read; the agent needs CAP_SYS_PTRACE";
    unavailable(sample, "disk_read_mb", reason);
    unavailable(sample, "disk_write_mb", reason);
  } else {
    metrics.disk_read_mb = mib(sums.io.in);
    metrics.disk_write_mb = mib(sums.io.out);
  }
  const auto network = proc_.network(sums.oldest);
  if (sums.oldest != network_of_) network_.reset();  // perhaps another namespace, with other counters
  network_of_ = sums.oldest;
  if (network && network_ && network->in >= network_->in && network->out >= network_->out) {
    metrics.network_rx_mb = mib(network->in - network_->in);
    metrics.network_tx_mb = mib(network->out - network_->out);
  } else {
    const char* reason = network ? kFirst : "/proc/PID/net/dev could not be read";
    unavailable(sample, "network_rx_mb", reason);
    unavailable(sample, "network_tx_mb", reason);
  }
  network_ = network;
}

void ProcessMetrics::fill_descriptors(ResourceSample& sample, const std::vector<pid_t>& pids) const {
  const std::size_t looked_at = std::min(pids.size(), kMaxFdProcesses);
  std::optional<std::uint64_t> handles;
  for (std::size_t i = 0; i < looked_at; ++i) {
    if (const auto count = proc_.handle_count(pids[i])) handles = handles.value_or(0) + *count;
  }
  if (looked_at < pids.size()) {
    unavailable(sample, "handle_count", only_some(looked_at, pids.size()));
  } else if (!handles) {
    unavailable(sample, "handle_count", "/proc/PID/fd may not be read; the agent needs CAP_SYS_PTRACE");
  } else {
    sample.metrics.handle_count = handles;
  }
  sample.metrics.disk_usage = limits_.disk_usage;
  if (!limits_.disk_usage_gap.empty()) unavailable(sample, "disk_usage", limits_.disk_usage_gap);
}

HostFigures HostFigures::read(const ProcReader& proc) {
  HostFigures host;
  if (const auto cpu = proc.host_cpu(); cpu && cpu->cpus > 0) host.cpus = cpu->cpus;
  if (const auto memory = proc.host_memory()) host.memory_bytes = memory->total;
  host.uptime_seconds = proc.uptime_seconds();
  return host;
}

ResourceSample ProcessMetrics::sample(const std::vector<pid_t>& pids, std::uint64_t now_ns, const HostFigures& host) {
  ResourceSample sample;
  const Sums sums = collect(pids);
  if (sums.oldest == 0) {
    for (const char* field :
         {"cpu_usage", "cpu_cores", "throttled_seconds", "memory_usage", "memory_total_mb", "memory_used_mb", "rss_mb",
          "page_faults_per_second", "disk_usage", "disk_read_mb", "disk_write_mb", "network_rx_mb", "network_tx_mb",
          "thread_count", "handle_count", "uptime_seconds"}) {
      unavailable(sample, field, kGone);
    }
    time_ns_ = now_ns;
    throttled_ns_.reset();
    return sample;
  }
  const double seconds = time_ns_ && now_ns > *time_ns_ ? static_cast<double>(now_ns - *time_ns_) / kNsPerSecond : 0;
  look_up_limits(pids, sums.oldest, now_ns);
  fill_cpu(sample, sums, host, seconds);
  fill_throttling(sample);
  fill_memory(sample, sums, host);
  fill_transfers(sample, sums);
  fill_descriptors(sample, pids);
  sample.metrics.thread_count = sums.threads;
  if (host.uptime_seconds) {
    const double started = static_cast<double>(sums.oldest_start_ticks) / ticks_per_second();
    sample.metrics.uptime_seconds = std::max(0.0, *host.uptime_seconds - started);
  }
  time_ns_ = now_ns;
  uptime_ = host.uptime_seconds;
  return sample;
}

}  // namespace outrider
