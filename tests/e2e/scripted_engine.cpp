// An engine that does what its arguments say, word by word, for the tests that need queries in exact places:
//   stop            stops itself until somebody continues it (SIGCONT): the moment to attach
//   query TYPE N    N queries of that type, one after the other
//   types N         one query of each of N types
//   nest DEPTH      one query within the other
//   sleeps MS STEP N  N queries that sleep MS, MS + STEP, ... milliseconds
//   together N      N threads, each with one query that ends only when all have begun
//   open TYPE       begins a query that never ends
//   exec            runs this program again, in this process, with the words that follow
#include <time.h>
#include <unistd.h>

#include <barrier>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "outrider/query.hpp"

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
  /// Where the words go on, with room for a program's name in front of them.
  char** rest(char* program) {
    *--words_ = program;
    return words_;
  }

 private:
  char** words_;
};

void step(Script& script, char* program) {
  const std::string what = script.word();
  if (what == "stop") {
    raise(SIGSTOP);
  } else if (what == "query") {
    const char* type = script.word();
    for (int left = script.number(); left > 0; --left) const outrider::Query query(type);
  } else if (what == "types") {
    types(script.number());
  } else if (what == "nest") {
    nest(script.number());
  } else if (what == "sleeps") {
    int ms = script.number();
    const int more = script.number();
    for (int left = script.number(); left > 0; --left, ms += more) {
      const outrider::Query query("sleeps");
      sleep_ms(ms);
    }
  } else if (what == "together") {
    together(script.number());
  } else if (what == "open") {
    // In the heap of nobody: its destructor must not run.
    alignas(outrider::Query) static unsigned char place[sizeof(outrider::Query)];
    ::new (static_cast<void*>(place)) outrider::Query(script.word());
  } else if (what == "exec") {
    execv("/proc/self/exe", script.rest(program));
    std::exit(EXIT_FAILURE);
  } else {
    std::fprintf(stderr, "scripted-engine: '%s' is none of its words\n", what.c_str());
    std::exit(kBadArguments);
  }
}

}  // namespace

int main(int /*argc*/, char** argv) {
  Script script(argv + 1);
  while (script.more()) step(script, argv[0]);
}
