#include "userspace/target/host_metrics.h"

#include "userspace/base/units.h"

namespace outrider {
namespace {

// MiB between two counters; none if one is missing or the counter was reset.
std::optional<double> mib_between(std::optional<TransferBytes> before, std::optional<TransferBytes> now,
                                  std::uint64_t TransferBytes::*part) {
  if (!before || !now || (*now).*part < (*before).*part) return std::nullopt;
  return static_cast<double>((*now).*part - (*before).*part) / kMib;
}

// Of all processors' time between two looks; none if there was no earlier one, or a counter went back.
std::optional<double> percent_between(const std::optional<HostCpu>& before, const std::optional<HostCpu>& now,
                                      std::uint64_t HostCpu::*part) {
  if (!before || !now || now->total <= before->total || (*now).*part < (*before).*part) return std::nullopt;
  return 100.0 * static_cast<double>((*now).*part - (*before).*part) / static_cast<double>(now->total - before->total);
}

}  // namespace

ResourceSample HostMetrics::sample() {
  ResourceSample sample;
  ResourceMetrics& metrics = sample.metrics;
  const auto explain = [&](const char* field, bool missing, bool had_before) {
    if (!missing) return;
    sample.unavailable.push_back(std::string("system_metrics.") + field +
                                 (had_before ? ": procfs did not show it" : ": no earlier sample to compare with"));
  };

  const auto cpu = proc_.host_cpu();
  metrics.cpu_usage = percent_between(cpu_, cpu, &HostCpu::busy);
  metrics.cpu_steal = percent_between(cpu_, cpu, &HostCpu::stolen);
  explain("cpu_usage", !metrics.cpu_usage, cpu_.has_value());
  explain("cpu_steal", !metrics.cpu_steal, cpu_.has_value());
  cpu_ = cpu;

  if (const auto memory = proc_.host_memory()) {
    const auto used = static_cast<double>(memory->total - memory->available);
    metrics.memory_usage = used / static_cast<double>(memory->total);
    metrics.memory_total_mb = static_cast<double>(memory->total) / kMib;
    metrics.memory_used_mb = used / kMib;
  }

  const auto disk = proc_.host_disk(), network = proc_.host_network();
  metrics.disk_usage = file_system_usage(file_system_);
  metrics.disk_read_mb = mib_between(disk_, disk, &TransferBytes::in);
  metrics.disk_write_mb = mib_between(disk_, disk, &TransferBytes::out);
  metrics.network_rx_mb = mib_between(network_, network, &TransferBytes::in);
  metrics.network_tx_mb = mib_between(network_, network, &TransferBytes::out);
  explain("disk_read_mb", !metrics.disk_read_mb, disk_.has_value());
  explain("disk_write_mb", !metrics.disk_write_mb, disk_.has_value());
  explain("network_rx_mb", !metrics.network_rx_mb, network_.has_value());
  explain("network_tx_mb", !metrics.network_tx_mb, network_.has_value());
  disk_ = disk;
  network_ = network;

  metrics.thread_count = proc_.host_threads();
  metrics.handle_count = proc_.host_handles();
  metrics.uptime_seconds = proc_.uptime_seconds();
  return sample;
}

}  // namespace outrider
