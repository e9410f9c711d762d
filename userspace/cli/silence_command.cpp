#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>

#include "userspace/alerts/silence.h"
#include "userspace/base/moment.h"
#include "userspace/base/units.h"
#include "userspace/cli/commands.h"
#include "userspace/config/load.h"
#include "userspace/model/snapshot_json.h"
#include "userspace/model/utf8.h"

namespace outrider {
namespace {

constexpr std::int64_t kKeptMs = 24 * 3'600'000LL;  // after its end, for `list`

struct SilenceArguments {
  std::string config, file;
  std::string rule, target, type, duration, comment;
  std::string id;
};

int fail(const std::string& message, int code) {
  fmt::print(stderr, "outrider: {}\n", message);
  return code;
}

Result<std::string> path_of(const SilenceArguments& arguments) {
  if (!arguments.file.empty()) return arguments.file;
  const Result<Config> config = load_config(arguments.config);
  if (!config) return config.error();
  return config->alerts.silences;
}

/// Eight hexadecimal digits: short enough to type.
std::string new_id() {
  std::random_device random;
  return fmt::format("{:08x}", random());
}

int add_silence(const SilenceArguments& arguments, const std::string& path) {
  const auto duration = parse_duration(arguments.duration);
  if (!duration) return fail("--for: " + duration.error().message, kExitUsage);
  if (arguments.rule.empty() && arguments.target.empty() && arguments.type.empty()) {
    return fail("name what is to be silent: --rule, --target or --type; --target '*' is everything", kExitUsage);
  }
  const std::int64_t now = unix_ms();
  const Silence silence{new_id(), arguments.rule,          arguments.target, arguments.type,
                        now,      now + duration->count(), arguments.comment};
  const Status status = change_silences(path, [&](std::vector<Silence>& all) -> Status {
    std::erase_if(all, [now](const Silence& old) { return old.until_ms + kKeptMs < now; });
    all.push_back(silence);
    return Ok{};
  });
  if (!status) return fail(status.error().message, kExitFailure);
  fmt::print("{} until {}\n", silence.id, format_timestamp(silence.until_ms));
  return EXIT_SUCCESS;
}

int list_silences(const std::string& path) {
  const auto all = read_silences(path);
  if (!all) return fail(all.error().message, kExitFailure);
  const std::int64_t now = unix_ms();
  const auto shown = [](const std::string& pattern) {
    return pattern.empty() ? std::string("*") : without_controls(pattern);
  };
  for (const Silence& one : *all) {
    fmt::print("{}  {} {}  rule {}  target {}  type {}  {}\n", without_controls(one.id),
               one.until_ms > now ? "until" : "ended", format_timestamp(one.until_ms), shown(one.rule),
               shown(one.target), shown(one.type), without_controls(one.comment));
  }
  return EXIT_SUCCESS;
}

int expire_silence(const SilenceArguments& arguments, const std::string& path) {
  const std::int64_t now = unix_ms();
  const Status status = change_silences(path, [&](std::vector<Silence>& all) -> Status {
    const auto found = std::find_if(all.begin(), all.end(), [&](const Silence& one) { return one.id == arguments.id; });
    if (found == all.end()) return Error{fmt::format("no silence {}; see `outrider silence list`", arguments.id)};
    found->until_ms = std::min(found->until_ms, now);
    return Ok{};
  });
  return status ? EXIT_SUCCESS : fail(status.error().message, kExitFailure);
}

int run_silence(const SilenceArguments& arguments, const std::string& verb) {
  const Result<std::string> path = path_of(arguments);
  if (!path) return fail(path.error().message, kExitUsage);
  if (verb == "add") return add_silence(arguments, *path);
  return verb == "list" ? list_silences(*path) : expire_silence(arguments, *path);
}

}  // namespace

Command add_silence_command(CLI::App& app) {
  auto arguments = std::make_shared<SilenceArguments>();
  arguments->config = "/etc/outrider/outrider.toml";
  CLI::App* command = app.add_subcommand("silence", "What is not to be told for a while: add, list, expire");
  command->require_subcommand(1);
  command->fallthrough();
  command->add_option("--config", arguments->config, "The service's configuration, which names the file of silences")
      ->capture_default_str();
  command->add_option("--file", arguments->file, "Or the file of silences itself");
  CLI::App* add = command->add_subcommand("add", "From now on, incidents that fit are held back");
  add->add_option("--rule", arguments->rule, "Pattern of a rule's id or name, or of a detector's arm");
  add->add_option("--target", arguments->target, "Pattern of the target's name");
  add->add_option("--type", arguments->type, "Pattern of the query type");
  add->add_option("--for", arguments->duration, "How long: 30m, 2h, 7d")->required();
  add->add_option("--comment", arguments->comment, "Why");
  command->add_subcommand("list", "The silences, with those that ended within a day");
  command->add_subcommand("expire", "End one now; what still goes on is told")
      ->add_option("id", arguments->id, "Its id")
      ->required();
  command->footer("Example:  outrider silence add --target 'orders-*' --for 2h --comment 'moving the disks'");
  return [arguments, command] { return run_silence(*arguments, command->get_subcommands().front()->get_name()); };
}

}  // namespace outrider
