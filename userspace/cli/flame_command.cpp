#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>

#include "userspace/agent/flame.h"
#include "userspace/agent/signals.h"
#include "userspace/base/fd.h"
#include "userspace/base/moment.h"
#include "userspace/base/units.h"
#include "userspace/cli/attach_options.h"
#include "userspace/cli/commands.h"
#include "userspace/cli/logging.h"
#include "userspace/export/flame_pprof.h"
#include "userspace/export/flame_svg.h"
#include "userspace/export/flame_text.h"
#include "userspace/export/folded_reader.h"
#include "userspace/model/flame_difference.h"
#include "userspace/tui/line.h"

namespace outrider {
namespace {

struct FlameArguments {
  OneTargetArguments target;
  std::string type, duration = "10s", threshold = "1ms", output, compare, compare_duration;
  unsigned frequency = 99;
  bool off_cpu = false, no_kernel = false;
};

enum class Format { kFolded, kSvg, kPprof, kJson };

Result<Format> format_of(const std::string& path) {
  if (path.empty() || path.ends_with(".folded") || path.ends_with(".txt")) return Format::kFolded;
  if (path.ends_with(".svg")) return Format::kSvg;
  if (path.ends_with(".pb.gz")) return Format::kPprof;
  if (path.ends_with(".json")) return Format::kJson;
  return Error{fmt::format("-o {}: the ending says the format; give .svg, .folded, .pb.gz or .json", path), EINVAL};
}

Result<std::string> render(const FlameGraph& graph, Format format) {
  switch (format) {
    case Format::kSvg:
      return flame_svg(graph);
    case Format::kPprof:
      return flame_pprof(graph, unix_ms() * 1'000'000);
    case Format::kJson:
      return flame_tree_json(graph);
    case Format::kFolded:
      break;
  }
  return flame_folded(graph);
}

/// What `--compare` names: the stacks, and how long was looked for them.
struct Before {
  FlameTree tree;
  double seconds = 0;
};

// Before anything is recorded: who compares with a broken file shall not wait to hear of it.
Result<std::optional<Before>> read_before(const FlameArguments& arguments, Format format,
                                          std::chrono::milliseconds duration) {
  if (arguments.compare.empty()) {
    if (arguments.compare_duration.empty()) return std::optional<Before>();
    return Error{"--compare-for says how long the recording of --compare took; there is no --compare", EINVAL};
  }
  if (format == Format::kPprof) {
    return Error{
        "--compare: a .pb.gz holds one recording; write it without --compare, and let pprof -diff_base compare "
        "the two",
        EINVAL};
  }
  const Result<std::chrono::milliseconds> length = arguments.compare_duration.empty()
                                                       ? Result<std::chrono::milliseconds>(duration)
                                                       : parse_duration(arguments.compare_duration);
  if (!length) return Error{"--compare-for: " + length.error().message, EINVAL};
  Result<FlameTree> tree = read_folded(arguments.compare);
  if (!tree) return Error{"--compare " + tree.error().message, tree.error().code};
  return std::optional<Before>(Before{std::move(*tree), std::chrono::duration<double>(*length).count()});
}

// Names in the file are as folded text has them, so those of the graph are made the same way.
Result<FlameGraph> compared(const FlameGraph& graph, const Before& before) {
  Result<FlameTree> tree = parse_folded(flame_folded(graph), "the recording");
  if (!tree) return tree.error();
  const FlameGraph folded(graph, std::move(*tree));
  return compare_flames(folded, before.tree, before.seconds);
}

// Whole or not at all.
Status write_file(const std::string& path, const std::string& content) {
  // Its name can be foreseen, so what somebody put there before is never written to.
  const std::string temporary = fmt::format("{}.{}.tmp", path, getpid());
  const Fd file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666));
  if (!file.valid()) return Error::from_errno(errno, "write " + temporary);
  const ssize_t written = write(file.get(), content.data(), content.size());
  int code = written < 0 ? errno : ENOSPC;
  if (written == std::ssize(content)) {
    if (rename(temporary.c_str(), path.c_str()) == 0) return Ok{};
    code = errno;
  }
  unlink(temporary.c_str());
  return Error::from_errno(code, "write " + path);
}

Result<FlameOptions> make_options(const FlameArguments& arguments) {
  FlameOptions options;
  options.target = target_of(arguments.target);
  Result<std::chrono::milliseconds> duration = parse_duration(arguments.duration);
  if (!duration) return duration.error();
  options.duration = *duration;
  Result<std::chrono::milliseconds> threshold = parse_duration(arguments.threshold);
  if (!threshold) return threshold.error();
  options.request.type = arguments.type;
  options.request.sampler = {.frequency = arguments.frequency,
                             .off_cpu = arguments.off_cpu,
                             .shortest_wait = *threshold,
                             .kernel_frames = !arguments.no_kernel};
  Result<AttachOptions> attach = attach_options(arguments.target);
  if (!attach) return attach.error();
  options.attach = *std::move(attach);
  return options;
}

std::string amount(const FlameGraph& graph) {
  if (graph.kind == FlameKind::kOnCpu) return fmt::format("{} samples", graph.tree.total());
  return fmt::format("{} in {} waits", format_seconds(graph.in_unit(graph.tree.total())), graph.stacks);
}

// The largest first, with the share of the whole.
std::string describe_waits(const std::map<std::string, std::uint64_t>& classes, std::uint64_t total) {
  std::vector<std::pair<std::uint64_t, std::string>> sorted;
  sorted.reserve(classes.size());
  for (const auto& [name, ns] : classes) sorted.emplace_back(ns, name);
  std::sort(sorted.rbegin(), sorted.rend());
  std::string text;
  for (const auto& [ns, name] : sorted) {
    text += fmt::format("{}{} {:.1f} %", text.empty() ? "" : ", ", name,
                        100 * static_cast<double>(ns) / static_cast<double>(total));
  }
  return text;
}

// What somebody who reads the graph must know of it.
void describe(const FlameReport& report) {
  const FlameGraph& graph = report.graph;
  fmt::print(stderr, "{}: {} over {:.1f} s\n", printable(graph.target), amount(graph), graph.seconds);
  if (!report.wait_classes.empty())
    fmt::print(stderr, "waited for: {}\n", describe_waits(report.wait_classes, graph.tree.total()));
  if (graph.short_waits > 0) {
    fmt::print(stderr, "left out: {} shorter waits of all types, {} together\n", graph.short_waits,
               format_seconds(static_cast<double>(graph.short_wait_ns) / 1e9));
  }
  fmt::print(stderr, "truncated: {:.1f} % is in stacks whose outermost frames could not be found, under {}\n",
             100 * graph.broken_share(), kTruncatedFrame);
  if (graph.losses.empty()) fmt::print(stderr, "losses: none\n");
  for (const auto& [reason, count] : graph.losses) fmt::print(stderr, "lost: {} {}\n", count, reason);
}

std::string why_empty(const FlameReport& report) {
  const char* what = report.graph.kind == FlameKind::kOnCpu
                         ? "no thread was in a query when a sample was taken"
                           " (those that began before the recording are not seen)"
                         : "no query that began after the recording waited for as long as the "
                           "threshold";
  if (report.graph.type.empty()) return fmt::format("{}: {}", report.graph.target, what);
  std::string types;
  for (const std::string& type : report.types_seen) types += (types.empty() ? "" : ", ") + printable(type);
  return fmt::format("{}: of type '{}' {}; {}{}", report.graph.target, printable(report.graph.type), what,
                     types.empty() ? "nor of any other type" : "types that were seen: ", types);
}

void show_progress(const FlameGraph& graph, std::chrono::milliseconds elapsed, std::chrono::milliseconds all) {
  fmt::print(stderr, "\r{:.0f} of {:.0f} s, {} ", std::chrono::duration<double>(elapsed).count(),
             std::chrono::duration<double>(all).count(), amount(graph));
  std::fflush(stderr);
}

Result<std::string> text_of(const FlameGraph& graph, Format format, const std::optional<Before>& before) {
  if (!before) return render(graph, format);
  const Result<FlameGraph> both = compared(graph, *before);
  if (!both) return both.error();
  return render(*both, format);
}

int deliver(const FlameReport& report, Format format, const std::string& path, const std::optional<Before>& before) {
  if (report.graph.tree.total() == 0) return fail(Error{why_empty(report)}, kExitFailure);
  const Result<std::string> text = text_of(report.graph, format, before);
  if (!text) return fail(text.error(), kExitFailure);
  if (!path.empty()) {
    if (Status status = write_file(path, *text); !status) return fail(status.error(), kExitFailure);
  } else if (std::fwrite(text->data(), 1, text->size(), stdout) != text->size() || std::fflush(stdout) != 0) {
    return fail(Error::from_errno(errno, "stdout cannot be written"), kExitFailure);
  }
  describe(report);
  return EXIT_SUCCESS;
}

int flame(const FlameArguments& arguments) {
  const Result<Format> format = format_of(arguments.output);
  if (!format) return fail(format.error(), kExitUsage);
  Result<FlameOptions> options = make_options(arguments);
  if (!options) return fail(options.error(), kExitUsage);
  const Result<std::optional<Before>> before = read_before(arguments, *format, options->duration);
  if (!before) return fail(before.error(), kExitUsage);
  const Signals stop({SIGINT, SIGTERM, SIGHUP});
  const bool terminal = isatty(STDERR_FILENO) == 1;
  const auto progress = [&](const FlameGraph& graph, std::chrono::milliseconds elapsed) {
    if (terminal) show_progress(graph, elapsed, options->duration);
  };
  const auto wait = [&](std::chrono::steady_clock::time_point until) { return stop.wait_until(until).has_value(); };
  const Result<FlameReport> report = record_flame(*options, progress, wait);
  if (terminal) fmt::print(stderr, "\r\033[K");
  if (!report) return fail(report.error(), kExitFailure);
  return deliver(*report, *format, arguments.output, *before);
}

}  // namespace

Command add_flame_command(CLI::App& app) {
  auto arguments = std::make_shared<FlameArguments>();
  CLI::App* command = app.add_subcommand("flame", "Record a flame graph of what queries run, or of where they wait");
  add_one_target_options(*command, arguments->target);
  command->add_option("--type", arguments->type, "Queries of this type only (default: all, by type)");
  command->add_flag("--off-cpu", arguments->off_cpu, "Where queries wait, by time, instead of what runs, by samples");
  command->add_option("--for", arguments->duration, "How long")->capture_default_str();
  command->add_option("-o,--output", arguments->output,
                      "A .svg to look at, .folded for flamegraph.pl and speedscope, .pb.gz for pprof, .json for "
                      "d3-flame-graph (default: folded, on stdout)");
  command->add_option(
      "--compare", arguments->compare,
      "A .folded that this command wrote earlier, of the same type and kind: what changed since is in the "
      ".svg, .folded or .json");
  command->add_option("--compare-for", arguments->compare_duration,
                      "How long that recording took, for waits (default: as long as this one)");
  command->add_option("--frequency", arguments->frequency, "Samples a second on each CPU")
      ->check(CLI::Range(1, 999))
      ->capture_default_str();
  command->add_option("--threshold", arguments->threshold, "Waits shorter than this are only counted")
      ->capture_default_str();
  command->add_flag("--no-kernel", arguments->no_kernel, "Leave the kernel's functions out");
  command->footer(
      "Only threads that are in a query count, each under the query's type. A stack whose outermost frames cannot be\n"
      "found is under [truncated]: an engine built with -fno-omit-frame-pointer has few of them. Folded values are\n"
      "samples, with --off-cpu nanoseconds. With --compare the graph has the widths of this recording, and its colours "
      "say\nwhat grew (orange) and shrank (blue): by its share of the samples, with --off-cpu by the time waited per "
      "second.\n"
      "Examples:\n"
      "  outrider flame --pid 4711 -o cpu.svg\n"
      "  outrider flame --name graph-engine --type path --for 30s -o path.pb.gz && pprof -http=: path.pb.gz\n"
      "  outrider flame --pid 4711 --off-cpu --type aggregate -o waits.svg\n"
      "  outrider flame --pid 4711 | flamegraph.pl > cpu.svg\n"
      "  outrider flame --pid 4711 -o before.folded; ...; outrider flame --pid 4711 --compare before.folded -o "
      "diff.svg");
  return [arguments] { return flame(*arguments); };
}

}  // namespace outrider
