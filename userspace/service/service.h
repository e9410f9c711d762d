// `outrider run`: the agent that stays. Samples on the caller's thread; exports, history and HTTP have threads of their
// own and never hold it up. Needs the privileges of BpfSession.
#pragma once

#include <string>

#include "userspace/base/result.h"

namespace outrider {

struct ServiceOptions {
  std::string config_path;
  std::string version;
  /// Called with each configuration that is taken, to set up logging.
  void (*log_as)(const std::string& level, const std::string& format) = nullptr;
};

/// Runs until SIGTERM or SIGINT; SIGHUP reads the configuration again. Blocks these signals for the whole process, so
/// it must be called before other threads are started. Gives up for good what it has of capabilities, but for those
/// that attaching takes. Errors: a configuration that is wrong, or a store that must not be written as it says
/// (both with a code: trying again is no use); a kernel that refuses the programs.
Status run_service(const ServiceOptions& options);

}  // namespace outrider
