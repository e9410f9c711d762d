#include "usdt/example/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>

namespace outrider::example {

namespace {

constexpr double kLongest = 1e6;
constexpr int kBadArguments = 2;

/// An option whose value is one of a few words.
template <typename Value>
void add_choice(CLI::App& app, const std::string& name, Value& into, const std::map<std::string, Value>& choices,
                const std::string& help) {
  std::string words;
  for (const auto& [word, value] : choices) words += (words.empty() ? "" : "|") + word;
  const auto choose = [&into, choices, words, name](const std::string& word) {
    const auto chosen = choices.find(word);
    if (chosen == choices.end()) throw CLI::ValidationError(name, "'" + word + "' is not one of " + words);
    into = chosen->second;
  };
  app.add_option_function<std::string>(name, choose, help)->option_text(words);
}

void add_load_options(CLI::App& app, Options& options) {
  app.add_option("--threads", options.threads,
                 "Worker threads, 4 unless given (hop mode: half of them begin, half end the queries)")
      ->check(CLI::Range(1, 1024))

      ->option_text("N");
  app.add_option("--rate", options.rate,
                 "Queries a second, arriving whether or not the engine keeps up (1000); 0: closed loop")
      ->check(CLI::Range(0.0, 1e8))

      ->option_text("Q");
  add_choice<ArrivalSchedule::Spacing>(
      app, "--arrivals", options.spacing,
      {{"poisson", ArrivalSchedule::Spacing::kPoisson}, {"fixed", ArrivalSchedule::Spacing::kFixed}},
      "How arrivals are spaced (poisson)");
  app.add_option("--delay", options.delay_seconds, "Seconds between \"ready pid=N\" on stdout and the load")
      ->check(CLI::Range(0.0, kLongest))
      ->option_text("S");
  app.add_option("--duration", options.duration_seconds, "Seconds of load (10 unless --queries is given)")
      ->check(CLI::Range(0.0, kLongest))
      ->option_text("S");
  app.add_option("--queries", options.queries, "Stop after that many queries")->option_text("N");
  app.add_option("--linger", options.linger_seconds, "Seconds to stay alive after the load")
      ->check(CLI::Range(0.0, kLongest))
      ->option_text("S");
  add_choice<Mode>(
      app, "--mode", options.mode,
      {{"blocking", Mode::kBlocking}, {"hop", Mode::kHop}, {"nested", Mode::kNested}, {"loop", Mode::kLoop}},
      "blocking (the default): a query stays on its thread; hop: it ends on another; nested: an inner `lookup` in "
      "each; "
      "loop: each thread is an event loop with several queries in flight");
  add_choice<Workload>(app, "--workload", options.workload, {{"mixed", Workload::kMixed}, {"tiny", Workload::kTiny}},
                       "mixed (the default): all five intents; tiny: factual queries below a microsecond");
  app.add_option("--seed", options.seed, "The same seed makes the same graph and the same queries (1)")

      ->option_text("N");
}

void add_misfortune_options(CLI::App& app, Options& options, std::vector<std::string>& faults) {
  app.add_option("--fault", faults, "KIND[:VALUE][/SHARE]@SECOND[+LENGTH], repeatable; the kinds are listed below")
      ->take_all()
      ->allow_extra_args(false)
      ->option_text("FAULT");
  app.add_option("--longjmp", options.longjmp_percent, "PERCENT of the queries are left by longjmp and never end")
      ->check(CLI::Range(0.0, 100.0))
      ->option_text("PERCENT");
  app.add_option("--exit-threads", options.exit_threads_percent,
                 "PERCENT of the queries end with their thread, without unwinding; another thread takes its place")
      ->check(CLI::Range(0.0, 100.0))
      ->option_text("PERCENT");
  app.add_option("--forks", options.forks, "Fork N children that exit at once, spread over the load")->option_text("N");
  app.add_option("--spawn", options.spawns_per_second, "Start N short threads a second")
      ->check(CLI::Range(0.0, 1e5))
      ->option_text("N");
}

int reject(const std::string& why) {
  fmt::print(stderr, "graph-engine: {}\n", why);
  return kBadArguments;
}

/// What CLI11 cannot check: the faults, and options that exclude each other.
std::optional<int> finish(Options& options, const std::vector<std::string>& faults) {
  for (const std::string& text : faults) {
    Result<FaultSpec> spec = parse_fault(text);
    if (!spec) return reject(spec.error().message);
    options.faults.push_back(*spec);
  }
  const bool bound = options.mode == Mode::kBlocking || options.mode == Mode::kNested;
  if (!bound && (options.longjmp_percent > 0 || options.exit_threads_percent > 0)) {
    return reject("--longjmp and --exit-threads need --mode blocking or nested, where a query belongs to its thread");
  }
  if (!options.duration_seconds && options.queries == 0) options.duration_seconds = 10;
  return std::nullopt;
}

}  // namespace

ParsedOptions parse_options(int argc, const char* const* argv) {
  ParsedOptions parsed;
  Options& options = parsed.options;
  std::vector<std::string> faults;
  CLI::App app(
      "A small knowledge-graph engine with its own load, made to be watched: it writes down each query exactly.",
      "graph-engine");
  add_load_options(app, options);
  app.add_option("--record", options.record_path,
                 "Write every ended query to this CSV (start_ns,end_ns,type,ok,thread,hits,misses,wait_class,wait_ns)")
      ->option_text("FILE");
  app.add_option("--data-dir", options.data_dir,
                 "Where the data file lies; on a real disk for the faults disk and fault (/var/tmp)")

      ->option_text("DIR");
  add_misfortune_options(app, options, faults);
  app.footer(
      "Fault kinds (SECOND counts from the begin of the load; without +LENGTH until its end; SHARE is the\n"
      "percentage of queries that a wait hits):\n" +
      fault_help() +
      "\nExamples:\n"
      "  graph-engine --rate 2000 --duration 30 --fault slow:80@10+5 --fault errors:20@20+5\n"
      "  graph-engine --threads 4 --rate 0 --workload tiny --queries 1000000 --record queries.csv\n"
      "  graph-engine --rate 200 --duration 10 --fault cond:3/10@0 --fault disk:2/10@0 --record queries.csv\n");
  try {
    app.parse(argc, argv);
    parsed.exit_code = finish(options, faults);
  } catch (const CLI::ParseError& error) {
    parsed.exit_code =
        error.get_exit_code() == 0 ? app.exit(error) : reject(std::string(error.what()) + "; see --help");
  }
  return parsed;
}

}  // namespace outrider::example
