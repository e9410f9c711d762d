// The subcommands. Each adds itself to the command line and returns the exit code when it was chosen:
// 0 done, 1 it could not be done, 2 the command line is wrong.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace outrider {

inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

using Command = std::function<int()>;

Command add_watch_command(CLI::App& app);
Command add_top_command(CLI::App& app);
Command add_flame_command(CLI::App& app);
Command add_slow_command(CLI::App& app);
Command add_probes_command(CLI::App& app);
Command add_doctor_command(CLI::App& app);
Command add_check_config_command(CLI::App& app);
Command add_run_command(CLI::App& app);
Command add_history_command(CLI::App& app);
Command add_replay_command(CLI::App& app);
Command add_rules_command(CLI::App& app);
Command add_silence_command(CLI::App& app);

}  // namespace outrider
