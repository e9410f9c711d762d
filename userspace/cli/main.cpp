#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>

#include "userspace/cli/commands.h"
#include "userspace/cli/logging.h"

namespace {

// Each process that is looked for takes two descriptors; a shell's usual limit is 1,024, and what is allowed far more.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  static_cast<void>(setrlimit(RLIMIT_NOFILE, &limit));  // a search that finds none left says so
}

int run(int argc, char** argv) {
  CLI::App app{
      "Outrider watches a running query engine from outside: how many queries, how fast, how many failed, and what "
      "each "
      "type of query waited on. No restart, no recompilation, no credentials.",
      "outrider"};
  app.set_version_flag("--version", OUTRIDER_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  std::string level = "info";
  app.add_option("--log-level", level, "What to say on stderr")
      ->check(CLI::IsMember({"debug", "info", "warning", "error", "off"}))
      ->capture_default_str();
  app.footer(
      "Exit codes: 0 done, 1 it could not be done (the message says what to do), 2 the command line is wrong.\n"
      "Begin with:  outrider doctor --pid PID    then:  outrider watch --pid PID    and to stay:  outrider run");
  std::map<const CLI::App*, outrider::Command> commands;
  const auto add = [&](outrider::Command (*make)(CLI::App&)) {
    outrider::Command command = make(app);
    commands.emplace(app.get_subcommands({}).back(), std::move(command));
  };
  add(outrider::add_watch_command);
  add(outrider::add_top_command);
  add(outrider::add_flame_command);
  add(outrider::add_slow_command);
  add(outrider::add_run_command);
  add(outrider::add_history_command);
  add(outrider::add_replay_command);
  add(outrider::add_rules_command);
  add(outrider::add_silence_command);
  add(outrider::add_probes_command);
  add(outrider::add_doctor_command);
  add(outrider::add_check_config_command);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? EXIT_SUCCESS : outrider::kExitUsage;
  }
  outrider::set_up_logging(level);
  raise_descriptor_limit();
  return commands.at(app.get_subcommands().front())();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "outrider: %s\n", error.what());
    return outrider::kExitFailure;
  }
}
