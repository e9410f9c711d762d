#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "userspace/agent/signals.h"
#include "userspace/cli/attach_options.h"
#include "userspace/cli/commands.h"
#include "userspace/cli/log_news.h"
#include "userspace/cli/logging.h"
#include "userspace/cli/top_source.h"
#include "userspace/cli/top_viewer.h"
#include "userspace/config/load.h"
#include "userspace/http/url.h"
#include "userspace/tui/terminal.h"

namespace outrider {
namespace {

struct TopArguments {
  std::string url = "http://127.0.0.1:9717", token_file, ca_file;
  AttachArguments attach;
  std::vector<CLI::Option*> only_attached;  ///< mean nothing to a service
};

/// A service has made its own choice of profile, mode and budget: saying one here would have no effect.
Status check_service_options(const TopArguments& arguments) {
  for (const CLI::Option* option : arguments.only_attached) {
    if (option->count() == 0) continue;
    return Error{option->get_name() +
                 " is for attaching; name what with --pid, --exe or --name, or leave it out: the "
                 "service attaches as its configuration says"};
  }
  return Ok{};
}

Result<TopServiceOptions> service_options(const TopArguments& arguments) {
  TopServiceOptions options;
  if (Status status = check_service_options(arguments); !status) return status.error();
  const auto interval = interval_of(arguments.attach);
  if (!interval) return interval.error();
  options.interval = *interval;
  const auto url = parse_url(arguments.url);
  if (!url) return Error{"--url: " + url.error().message};
  if (!arguments.ca_file.empty() && !url->https) {
    return Error{"--ca-file: certificates are for an https:// service; give --url one, or leave it out"};
  }
  options.ca_file = arguments.ca_file;
  options.url = arguments.url;
  while (options.url.ends_with('/')) options.url.pop_back();
  if (arguments.token_file.empty()) return options;
  Result<std::string> token = read_secret(arguments.token_file);
  if (!token) return Error{"--token-file: " + token.error().message};
  options.token = *std::move(token);
  return options;
}

/// Until the user quits. The source has ended, and nothing is attached any more, when it returns.
template <typename Start>
Status view(Start&& start) {
  // Before the first thread and the first probe: a Ctrl-C from here on is seen.
  const Signals signals({SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH});
  Result<BoardBox> box = BoardBox::make();
  if (!box) return box.error();
  const LogNews news;
  const Result<std::unique_ptr<TopSource>> source = start(*box, news);
  if (!source) return source.error();
  return view_boards(*box, **source, signals);
}

int top(const TopArguments& arguments) {
  Status status = Ok{};
  if (arguments.attach.names_a_target()) {
    const Result<WatchOptions> options = watch_options(arguments.attach);
    if (!options) return fail(options.error(), kExitUsage);
    if (status = Terminal::check(); !status) return fail(status.error(), kExitFailure);
    status = view([&](BoardBox& box, const LogNews& news) { return start_watch_source(*options, box, news); });
  } else {
    const Result<TopServiceOptions> options = service_options(arguments);
    if (!options) return fail(options.error(), kExitUsage);
    if (status = Terminal::check(); !status) return fail(status.error(), kExitFailure);
    status = view([&](BoardBox& box, const LogNews&) { return start_service_source(*options, box); });
  }
  return status ? EXIT_SUCCESS : fail(status.error(), kExitFailure);
}

void add_options(CLI::App& command, TopArguments& arguments) {
  std::vector<CLI::Option*> service;
  service.push_back(command.add_option("--url", arguments.url, "The service that is asked")->capture_default_str());
  service.push_back(command.add_option("--token-file", arguments.token_file, "Holds the token that the service wants"));
  service.push_back(command
                        .add_option("--ca-file", arguments.ca_file,
                                    "PEM: the certificates to trust at an https URL (default: the system's)")
                        ->check(CLI::ExistingFile));
  command.add_option("--interval", arguments.attach.interval, "Time between two looks")->capture_default_str();
  auto* which = add_target_options(
      command, "Attach to these instead of asking a service; each may be given several times", arguments.attach);
  for (CLI::Option* target : which->get_options()) {
    for (CLI::Option* option : service) target->excludes(option);
  }
  arguments.only_attached = add_attach_options(*which, arguments.attach);
}

}  // namespace

Command add_top_command(CLI::App& app) {
  auto arguments = std::make_shared<TopArguments>();
  CLI::App* command = app.add_subcommand("top", "The same on the whole terminal, of a running service or of a process");
  add_options(*command, *arguments);
  command->footer(
      "Keys: arrows and Enter look at one query type, 1 to 8 sort, p pauses, t takes the next target, ? explains, q\n"
      "quits. It needs 80 x 24 at least.\n"
      "Examples:\n"
      "  outrider top\n"
      "  outrider top --url https://db1.example.org --token-file ~/.outrider-token\n"
      "  outrider top --url https://db1.example.org --ca-file ~/company-ca.pem\n"
      "  outrider top --pid 4711\n"
      "  outrider top --name postgres --max-overhead off");
  return [arguments] { return top(*arguments); };
}

}  // namespace outrider
