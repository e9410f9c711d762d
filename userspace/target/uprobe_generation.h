// Which way the running kernel optimises uprobes on nops. It decides where a probe may be put: see site_code.h.
#pragma once

namespace outrider {

enum class UprobeGeneration {
  kNone,        ///< no optimisation: a nop of any length is safe
  kUnsafeNop5,  ///< 5-byte nops become calls that overwrite the red zone and kill forked children
  kSafeNop10,   ///< 10-byte nops are optimised, safely
};

/// Asks the kernel through the `uprobe` system call made from a place where it must refuse. Thread-safe, no effect.
/// What cannot be told (a seccomp filter answers instead of the kernel) is taken as kUnsafeNop5.
UprobeGeneration uprobe_generation();

/// The decision behind uprobe_generation(): `error` is the errno of the call, `filtered` that seccomp is active.
UprobeGeneration uprobe_generation_from(int error, bool filtered);

}  // namespace outrider
