#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "userspace/cli/commands.h"
#include "userspace/cli/logging.h"
#include "userspace/service/service.h"

namespace outrider {
namespace {

int run(const std::string& config) {
  ServiceOptions options;
  options.config_path = config;
  options.version = OUTRIDER_VERSION;
  options.log_as = set_up_logging;
  const Status status = run_service(options);
  if (status) return EXIT_SUCCESS;
  // Only what the configuration has to be changed for carries a code, and has a line for each fault.
  if (status.error().code != 0) {
    fmt::print(stderr, "{}\n", status.error().message);
    return kExitUsage;
  }
  spdlog::error("{}", status.error().message);
  return kExitFailure;
}

}  // namespace

Command add_run_command(CLI::App& app) {
  auto config = std::make_shared<std::string>("/etc/outrider/outrider.toml");
  CLI::App* command =
      app.add_subcommand("run", "The service: watch what the configuration names, keep history, export");
  command->add_option("--config", *config, "The configuration, TOML")->capture_default_str();
  command->footer(
      "SIGHUP reads the configuration again; what did not change goes on. SIGTERM and Ctrl-C end it within 2 s.\n"
      "The configuration's [log] decides what is said on stderr. Exit codes: 0 ended by a signal, 1 it could not run,\n"
      "2 the configuration is wrong, or does not fit the history that is there.\n"
      "Example:  outrider check-config my.toml && outrider run --config my.toml");
  return [config] { return run(*config); };
}

}  // namespace outrider
