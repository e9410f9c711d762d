// What the running kernel lets the agent do, found by trying and never by comparing version numbers. Functions load
// and close throw-away programs; thread-safe. They need the agent's privileges.
#pragma once

#include <string>

#include "userspace/base/result.h"

namespace outrider {

struct Features {
  std::string kernel_release;
  bool btf = false;            ///< /sys/kernel/btf/vmlinux can be read
  bool bpf_permitted = false;  ///< a program may be loaded
  bool task_storage = false;
  bool attach_cookie = false;
  bool iterators = false;
  bool uprobe_multi = false;  ///< many sites with one link; else perf events, one a site
  bool perf_uprobe = false;
  bool host_pid_namespace = true;  ///< the kernel's process ids are those that we see
};

Features probe_features();

/// One sentence with the next step, if this kernel or these privileges cannot run the agent at all.
Status check_features(const Features& features);

}  // namespace outrider
