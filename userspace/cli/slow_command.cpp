#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "userspace/agent/signals.h"
#include "userspace/agent/slow.h"
#include "userspace/agent/thread_stacks.h"
#include "userspace/agent/watch_words.h"
#include "userspace/base/units.h"
#include "userspace/cli/attach_options.h"
#include "userspace/cli/commands.h"
#include "userspace/cli/logging.h"
#include "userspace/cli/table.h"
#include "userspace/model/queries_json.h"
#include "userspace/model/snapshot_json.h"
#include "userspace/model/wait_names.h"
#include "userspace/tui/line.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kWaitsShown = 4;

struct SlowArguments {
  OneTargetArguments target;
  std::string type, duration = "10s", in_flight_after = "1s", query_text = "off", format = "table";
  std::size_t most = 10;
};

Result<SlowOptions> make_options(const SlowArguments& arguments) {
  SlowOptions options;
  WatchTarget& target = options.target;
  target.spec = target_of(arguments.target);
  const Result<std::chrono::milliseconds> duration = parse_duration(arguments.duration);
  if (!duration) return Error{"--for: " + duration.error().message, EINVAL};
  options.duration = *duration;
  const Result<std::chrono::milliseconds> after = parse_duration(arguments.in_flight_after);
  if (!after) return Error{"--in-flight-after: " + after.error().message, EINVAL};
  target.in_flight_after = *after;
  target.query_text = query_text_of(arguments.query_text);
  options.type = arguments.type;
  options.most = arguments.most;
  Result<AttachOptions> attach = attach_options(arguments.target);
  if (!attach) return attach.error();
  target.attach = *std::move(attach);
  return options;
}

std::string waits_text(const WaitNanoseconds& waits) {
  WaitSeconds seconds{};
  std::transform(waits.begin(), waits.end(), seconds.begin(),
                 [](std::uint64_t ns) { return static_cast<double>(ns) / 1e9; });
  return format_waits(seconds, kWaitsShown);
}

std::string state_text(const InFlightQuery& query) {
  if (!query.state) return "in flight";
  const std::string for_how_long = " for " + format_seconds(static_cast<double>(query.state_ns) / 1e9);
  if (*query.state == OUTRIDER_ON_CPU) return "running" + for_how_long;
  if (*query.state == OUTRIDER_RUN_QUEUE) return "waits for a CPU" + for_how_long;
  return fmt::format("waits: {}{}", query.waits_for ? kWaitNames[*query.waits_for] : "other", for_how_long);
}

void print_text(const std::string& text) {
  if (!text.empty()) fmt::print("    {}\n", printable(text));
}

void print_session(const ClientSession& session) {
  if (session.user.empty()) return;
  fmt::print("    user {}, database {}, client {}\n", printable(session.user), printable(session.database),
             printable(session.client));
}

void print_slow(const SlowReport& report) {
  fmt::print("the slowest of {} queries that ended:\n", report.queries);
  fmt::print("{:>10}  {:<24}  {:<24}  {:>7}  {:<6}  {}\n", "duration", "type", "start (UTC)", "thread", "ended",
             "waits");
  for (const SlowQuery& query : report.slow) {
    fmt::print("{:>10}  {:<24}  {:<24}  {:>7}  {:<6}  {}\n",
               format_seconds(static_cast<double>(query.duration_ns) / 1e9), cut(query.type, 24),
               format_timestamp(query.start_ms), query.thread, query.failed ? "failed" : "ok",
               query.waits ? waits_text(*query.waits) : "not followed");
    print_text(query.text);
    print_session(query.session);
  }
}

void print_in_flight(const SlowReport& report, ThreadStacks& stacks, const std::string& after) {
  if (report.in_flight.empty()) {
    fmt::print("none has been in flight for {}\n", after);
    return;
  }
  fmt::print("in flight for {} or longer:\n", after);
  for (const InFlightQuery& query : report.in_flight) {
    fmt::print("{:>10}  {:<24}  {:<24}  {:>7}  {}\n", format_seconds(static_cast<double>(query.age_ns) / 1e9),
               cut(query.type, 24), format_timestamp(query.start_ms), query.thread, state_text(query));
    print_text(query.text);
    print_session(query.session);
    const ThreadStack stack = stacks.of(query);
    if (!stack.missing.empty()) fmt::print("    no stack: {}\n", printable(stack.missing));
    for (auto frame = stack.frames.rbegin(); frame != stack.frames.rend(); ++frame) {
      fmt::print("    {} {}\n", frame == stack.frames.rbegin() ? "at" : "by", printable(*frame));
    }
  }
}

void print_json(const SlowReport& report, ThreadStacks& stacks) {
  Json body = {
      {"target", report.target}, {"queries", report.queries}, {"slow", Json::array()}, {"in_flight", Json::array()}};
  for (const SlowQuery& query : report.slow) body["slow"].push_back(to_json(query));
  for (const InFlightQuery& query : report.in_flight) body["in_flight"].push_back(to_json(query, stacks.of(query)));
  fmt::print("{}\n", body.dump(2, ' ', false, Json::error_handler_t::replace));
}

std::string why_empty(const SlowReport& report, const std::string& type) {
  if (type.empty() || report.types_seen.empty()) return report.target + ": no query ended, and none hangs";
  std::string types;
  for (const std::string& seen : report.types_seen) types += (types.empty() ? "" : ", ") + printable(seen);
  return fmt::format("{}: no query of type '{}' ended, and none hangs; types that were seen: {}", report.target,
                     printable(type), types);
}

int deliver(const SlowArguments& arguments, const SlowReport& report) {
  if (report.slow.empty() && report.in_flight.empty())
    return fail(Error{why_empty(report, arguments.type)}, kExitFailure);
  ThreadStacks stacks;
  if (arguments.format == "json") {
    print_json(report, stacks);
  } else {
    print_slow(report);
    print_in_flight(report, stacks, arguments.in_flight_after);
  }
  if (std::fflush(stdout) != 0) return fail(Error::from_errno(errno, "stdout cannot be written"), kExitFailure);
  return EXIT_SUCCESS;
}

int slow(const SlowArguments& arguments) {
  const Result<SlowOptions> options = make_options(arguments);
  if (!options) return fail(options.error(), kExitUsage);
  const Signals stop({SIGINT, SIGTERM, SIGHUP});
  const bool terminal = isatty(STDERR_FILENO) == 1;
  const auto progress = [&](const SlowReport& report, std::chrono::milliseconds elapsed) {
    if (!terminal) return;
    fmt::print(stderr, "\r{:.0f} of {:.0f} s, {} queries ", std::chrono::duration<double>(elapsed).count(),
               std::chrono::duration<double>(options->duration).count(), report.queries);
    std::fflush(stderr);
  };
  const auto wait = [&](std::chrono::steady_clock::time_point until) { return stop.wait_until(until).has_value(); };
  Result<SlowReport> report = record_slow(*options, progress, wait);
  if (terminal) fmt::print(stderr, "\r\033[K");
  if (!report) return fail(report.error(), kExitFailure);
  return deliver(arguments, *report);
}

}  // namespace

Command add_slow_command(CLI::App& app) {
  auto arguments = std::make_shared<SlowArguments>();
  CLI::App* command = app.add_subcommand("slow", "Show the slowest queries one by one, and those that hang");
  add_one_target_options(*command, arguments->target);
  command->add_option("--type", arguments->type,
                      "Queries of this type only, or whose statement begins with this word (default: all)");
  command->add_option("--for", arguments->duration, "How long to look")->capture_default_str();
  command->add_option("--top", arguments->most, "How many to show")->check(CLI::Range(1, 1000))->capture_default_str();
  command->add_option("--in-flight-after", arguments->in_flight_after, "Queries in flight for so long hang")
      ->capture_default_str();
  command
      ->add_option("--query-text", arguments->query_text,
                   "off; normalised: the statement, without its data; raw: as it is, with whatever data is in it")
      ->check(CLI::IsMember({"off", "normalised", "raw"}))
      ->capture_default_str();
  command->add_option("--format", arguments->format, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  command->footer(
      "Of each type the four slowest of each second are known. A query that hangs is shown with what its thread waits\n"
      "for and where. Text is there for engines whose probes carry it (PostgreSQL, MariaDB, SQLite): at most 1023 "
      "bytes, of raw ones "
      "511.\n"
      "Examples:\n"
      "  outrider slow --name postgres --for 30s --query-text normalised\n"
      "  outrider slow --pid 4711 --type aggregate --format json");
  return [arguments] { return slow(*arguments); };
}

}  // namespace outrider
