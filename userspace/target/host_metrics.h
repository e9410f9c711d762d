// The host's figures of a snapshot (`system_metrics`) from procfs. Keeps the previous sample: one instance for each
// series of intervals, not thread-safe.
#pragma once

#include <optional>
#include <string>

#include "userspace/model/snapshot.h"
#include "userspace/target/proc_reader.h"

namespace outrider {

class HostMetrics {
 public:
  HostMetrics() : HostMetrics(ProcReader()) {}
  /// `file_system`: a path on the file system whose fill level is the host's `disk_usage`.
  explicit HostMetrics(ProcReader proc, std::string file_system = "/")
      : proc_(std::move(proc)), file_system_(std::move(file_system)) {}

  /// Figures since the previous call. Those that are differences are null in the first one.
  ResourceSample sample();

 private:
  ProcReader proc_;
  std::string file_system_;
  std::optional<HostCpu> cpu_;
  std::optional<TransferBytes> disk_, network_;
};

}  // namespace outrider
