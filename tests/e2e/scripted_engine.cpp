// An engine that does what its arguments say, word by word, for the tests that need queries in exact places:
//   stop            stops itself until somebody continues it (SIGCONT): the moment to attach
//   query TYPE N    N queries of that type, one after the other
//   types N         one query of each of N types
//   nest DEPTH      one query within the other
//   sleeps MS STEP N  N queries that sleep MS, MS + STEP, ... milliseconds
//   together N      N threads, each with one query that ends only when all have begun
//   open TYPE       begins a query that never ends
//   lie TYPE DEPTH NS HITS  a start and an end whose arguments are these, whatever happened; @N: a type at that address
//   end TYPE NS     such an end without a start
//   exec            runs this program again, in this process, with the words that follow
//   exec-from-thread  the same, by a thread that is not the first one
//   become PROGRAM  becomes that program, which gets no words
//   wait            reads a byte of its standard input: the moment to attach where a stop is forbidden
//   rest MS         does nothing for so long
// and what scripted_faults.h explains:
//   throws N, families HOW CHILDREN N, offspring N MS, inherit, crowd N, detached N, load FILE THREADS MS
//   chain WAITER HOLDER lock|pipe MS N
//   sandbox filter  most system calls kill it from here on
//   sandbox strict  all but read, write and exit do; it ends when its words do
#include <time.h>
#include <unistd.h>

#include <barrier>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "outrider/query.hpp"
#include "tests/e2e/scripted_faults.h"

namespace {

constexpr int kBadArguments = 2;

void sleep_ms(int ms) {
  const timespec duration{.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1'000'000L};
  nanosleep(&duration, nullptr);
}

void types(int count) {
  for (int i = 0; i < count; ++i) {
    const std::string name = "type" + std::to_string(i);
    const outrider::Query query(name.c_str());
  }
}

void nest(int depth) {
  if (depth == 0) return;
  const outrider::Query query("nested");
  nest(depth - 1);
}

void together(int count) {
  std::barrier all_began(count);
  std::vector<std::jthread> threads;
  threads.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&all_began] {
      const outrider::Query query("together");
      all_began.arrive_and_wait();
    });
  }
}

const char* at_or_name(const char* word) {
  return word[0] == '@' ? reinterpret_cast<const char*>(std::strtoull(word + 1, nullptr, 0)) : word;  // NOLINT
}

/// Probes by hand, as a guard would pass them if it were wrong: `type` is not touched.
[[gnu::noinline]] void lie(const char* type, std::uint64_t depth, std::uint64_t duration, std::uint64_t hits,
                           bool starts) {
  static std::uint64_t id = 1'000'000;
  ++id;
  if (starts) OUTRIDER_EMIT_(query__start, "8@%0 8@%1 8@%2", "r"(id), "r"(type), "r"(depth));
  OUTRIDER_EMIT_(query__end, "8@%0 8@%1 -8@%2 8@%3 8@%4 8@%5 8@%6", "r"(id), "r"(type), "r"(std::int64_t{0}),
                 "r"(duration), "r"(depth), "r"(hits), "r"(std::uint64_t{0}));
}

/// The words of the command line, read one by one; a missing one ends the program.
class Script {
 public:
  explicit Script(char** words) : words_(words) {}
  [[nodiscard]] bool more() const { return *words_ != nullptr; }
  char* word() {
    if (!more()) std::exit(kBadArguments);
    return *words_++;
  }
  int number() { return std::atoi(word()); }
  std::uint64_t wide_number() { return std::strtoull(word(), nullptr, 0); }
  /// Where the words go on, with room for a program's name in front of them.
  char** rest(char* program) {
    *--words_ = program;
    return words_;
  }
  /// The process may end by nothing but the system call `exit`.
  void leave_by_exit() { leaves_by_exit_ = true; }
  [[nodiscard]] bool leaves_by_exit() const { return leaves_by_exit_; }

 private:
  char** words_;
  bool leaves_by_exit_ = false;
};

/// Begins a query in the heap of nobody: its destructor must not run.
void open_for_ever(const char* type) {
  alignas(outrider::Query) static unsigned char place[sizeof(outrider::Query)];
  ::new (static_cast<void*>(place)) outrider::Query(type);
}

void sleeping_queries(Script& script) {
  int ms = script.number();
  const int more = script.number();
  for (int left = script.number(); left > 0; --left, ms += more) {
    const outrider::Query query("sleeps");
    sleep_ms(ms);
  }
}

void lie_whole(Script& script) {
  const char* type = at_or_name(script.word());
  const std::uint64_t depth = script.wide_number(), duration = script.wide_number();
  lie(type, depth, duration, script.wide_number(), true);
}

void lie_at_end(Script& script) {
  const char* type = at_or_name(script.word());
  lie(type, 1, script.wide_number(), 0, false);
}

void queries(Script& script) {
  const char* type = script.word();
  for (int left = script.number(); left > 0; --left) const outrider::Query query(type);
}

void exec_again(Script& script, char* program) {
  execv("/proc/self/exe", script.rest(program));
  std::exit(EXIT_FAILURE);
}

void become(Script& script) {
  char* program = script.word();
  char* const words[] = {program, nullptr};
  execv(program, words);
  std::exit(EXIT_FAILURE);
}

void await_byte() {
  char byte = 0;
  if (read(STDIN_FILENO, &byte, 1) != 1) std::exit(EXIT_FAILURE);
}

void families(Script& script) {
  const char* how = script.word();
  const int children = script.number();
  scripted::families(how, children, script.number());
}

void offspring(Script& script) {
  const int children = script.number();
  scripted::offspring(children, script.number());
}

void load(Script& script) {
  const char* path = script.word();
  const int threads = script.number();
  scripted::load(path, threads, script.number());
}

void chain(Script& script) {
  const char* waiter = script.word();
  const char* holder = script.word();
  const char* how = script.word();
  const int ms = script.number();
  scripted::chain(waiter, holder, how, ms, script.number());
}

/// From here on nothing may be allocated: strict forbids the system calls for it.
void sandbox(Script& script) {
  const bool strict = std::strcmp(script.word(), "strict") == 0;
  if (strict) script.leave_by_exit();
  scripted::sandbox(strict);
}

struct Word {
  const char* name;
  void (*act)(Script& script, char* program);
};

constexpr Word kWords[] = {
    {"stop", [](Script&, char*) { raise(SIGSTOP); }},
    {"query", [](Script& script, char*) { queries(script); }},
    {"types", [](Script& script, char*) { types(script.number()); }},
    {"nest", [](Script& script, char*) { nest(script.number()); }},
    {"sleeps", [](Script& script, char*) { sleeping_queries(script); }},
    {"together", [](Script& script, char*) { together(script.number()); }},
    {"open", [](Script& script, char*) { open_for_ever(script.word()); }},
    {"lie", [](Script& script, char*) { lie_whole(script); }},
    {"end", [](Script& script, char*) { lie_at_end(script); }},
    {"exec", &exec_again},
    {"exec-from-thread",
     [](Script& script, char* program) { scripted::exec_from_thread("/proc/self/exe", script.rest(program)); }},
    {"become", [](Script& script, char*) { become(script); }},
    {"wait", [](Script&, char*) { await_byte(); }},
    {"rest", [](Script& script, char*) { sleep_ms(script.number()); }},
    {"throws", [](Script& script, char*) { scripted::throws(script.number()); }},
    {"families", [](Script& script, char*) { families(script); }},
    {"offspring", [](Script& script, char*) { offspring(script); }},
    {"inherit", [](Script&, char*) { scripted::inherit(); }},
    {"crowd", [](Script& script, char*) { scripted::crowd(script.number()); }},
    {"detached", [](Script& script, char*) { scripted::detached(script.number()); }},
    {"chain", [](Script& script, char*) { chain(script); }},
    {"sandbox", [](Script& script, char*) { sandbox(script); }},
    {"load", [](Script& script, char*) { load(script); }},
};

void step(Script& script, char* program) {
  const char* what = script.word();
  for (const Word& word : kWords) {
    if (std::strcmp(word.name, what) == 0) return word.act(script, program);
  }
  std::fprintf(stderr, "scripted-engine: '%s' is none of its words\n", what);
  std::exit(kBadArguments);
}

}  // namespace

int main(int /*argc*/, char** argv) {
  Script script(argv + 1);
  while (script.more()) step(script, argv[0]);
  if (script.leaves_by_exit()) scripted::leave();
}
