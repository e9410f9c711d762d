#include "userspace/kernel/features.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>

#include "userspace/base/fd.h"
#include "userspace/kernel/uapi.h"

namespace outrider {
namespace {

// "return 0": the smallest program there is.
constexpr bpf_insn kReturnZero[] = {
    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .src_reg = 0, .off = 0, .imm = 0},
    {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
};

Fd load_empty(bpf_attach_type attach_type) {
  LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = attach_type);
  return Fd(bpf_prog_load(BPF_PROG_TYPE_KPROBE, nullptr, "GPL", kReturnZero, 2, &options));
}

// A multi-uprobe link on a directory is refused with EBADF by kernels that know the link type, with EINVAL by others.
bool has_uprobe_multi() {
  const Fd program = load_empty(kTraceUprobeMulti);
  if (!program.valid()) return false;
  const unsigned long offset = 0;
  LIBBPF_OPTS(bpf_link_create_opts, options);
  options.uprobe_multi.path = "/";
  options.uprobe_multi.offsets = &offset;
  options.uprobe_multi.cnt = 1;
  const Fd link(bpf_link_create(program.get(), -1, kTraceUprobeMulti, &options));
  return !link.valid() && errno == EBADF;
}

// The inode number that the kernel gives to the first PID namespace (PROC_PID_INIT_INO).
constexpr ino_t kInitialPidNamespace = 0xEFFFFFFC;

bool in_host_pid_namespace() {
  struct stat ns {};
  return stat("/proc/self/ns/pid", &ns) != 0 || ns.st_ino == kInitialPidNamespace;
}

}  // namespace

Features probe_features() {
  Features features;
  utsname name{};
  if (uname(&name) == 0) features.kernel_release = name.release;
  features.btf = access("/sys/kernel/btf/vmlinux", R_OK) == 0;
  features.bpf_permitted = load_empty(BPF_PERF_EVENT).valid() || load_empty(static_cast<bpf_attach_type>(0)).valid();
  features.task_storage = libbpf_probe_bpf_map_type(BPF_MAP_TYPE_TASK_STORAGE, nullptr) == 1;
  features.attach_cookie = libbpf_probe_bpf_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_get_attach_cookie, nullptr) == 1;
  features.iterators = libbpf_probe_bpf_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_loop, nullptr) == 1;
  features.uprobe_multi = has_uprobe_multi();
  features.perf_uprobe = access("/sys/bus/event_source/devices/uprobe/type", R_OK) == 0;
  features.host_pid_namespace = in_host_pid_namespace();
  return features;
}

Status check_features(const Features& features) {
  if (!features.bpf_permitted) {
    return Error{"BPF programs may not be loaded: run as root, or with CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE", EPERM};
  }
  if (!features.btf) {
    return Error{"/sys/kernel/btf/vmlinux cannot be read: outrider needs a kernel with CONFIG_DEBUG_INFO_BTF", ENOTSUP};
  }
  if (!features.task_storage || !features.attach_cookie || !features.iterators) {
    return Error{"kernel " + features.kernel_release + " is too old: outrider needs Linux 6.1 or newer", ENOTSUP};
  }
  if (!features.uprobe_multi && !features.perf_uprobe) {
    return Error{"kernel " + features.kernel_release + " has no uprobes: it needs CONFIG_UPROBE_EVENTS", ENOTSUP};
  }
  if (!features.host_pid_namespace) {
    return Error{
        "this PID namespace is not the host's, so process ids here mean others to the kernel: run outrider on "
        "the host, or in a container with --pid=host",
        ENOTSUP};
  }
  return Ok{};
}

}  // namespace outrider
