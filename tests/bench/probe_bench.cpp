// The victim of scripts/bench: runs queries that do nothing, or that block once, and says how long one took. Reads one
// command a line on stdin, "KIND COUNT", and answers with nanoseconds a query. Kinds: bare (no guard), guard,
// prometheus (an in-process histogram and counter by type instead), and each with "-block" for a query that waits for
// another thread once; sql-N: a guard whose type is an SQL text of about N bytes, with another number in it each time;
// same-N, with always the same one; seven-N and forty-N: so many different texts by turns. Ends at the end of stdin.
#include <fcntl.h>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <sched.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "outrider/query.hpp"

namespace {

constexpr std::array<const char*, 4> kTypes = {"factual", "relational", "path", "aggregate"};

/// A thread that answers each byte with a byte: a wait of some microseconds.
class Partner {
 public:
  Partner() {
    if (pipe2(to_.data(), O_CLOEXEC) != 0 || pipe2(from_.data(), O_CLOEXEC) != 0) std::abort();
    thread_ = std::thread([this] {
      char byte = 0;
      while (read(to_[0], &byte, 1) == 1 && write(from_[1], &byte, 1) == 1) {
      }
    });
  }
  ~Partner() {
    close(to_[1]);
    thread_.join();
  }
  void wait() const {
    char byte = 0;
    if (write(to_[1], &byte, 1) != 1 || read(from_[0], &byte, 1) != 1) std::abort();
  }

 private:
  std::array<int, 2> to_{}, from_{};
  std::thread thread_;
};

/// What an engine would do to know the same of itself.
class InProcess {
 public:
  InProcess() {
    auto& histograms = prometheus::BuildHistogram().Name("query_duration_seconds").Register(registry_);
    auto& counters = prometheus::BuildCounter().Name("queries_total").Register(registry_);
    prometheus::Histogram::BucketBoundaries bounds;
    for (double bound = 256e-9; bounds.size() < 40; bound *= 1.6) bounds.push_back(bound);
    for (const char* type : kTypes) {
      histograms_.push_back(&histograms.Add({{"type", type}}, bounds));
      counters_.push_back(&counters.Add({{"type", type}}));
    }
  }
  void observe(std::size_t type, double seconds) {
    counters_[type]->Increment();
    histograms_[type]->Observe(seconds);
  }

 private:
  prometheus::Registry registry_;
  std::vector<prometheus::Histogram*> histograms_;
  std::vector<prometheus::Counter*> counters_;
};

double nanoseconds_each(long count, const std::function<void(long)>& run) {
  const auto begin = std::chrono::steady_clock::now();
  run(count);
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
  return took.count() / static_cast<double>(count);
}

// Keeps the loop from being folded away and gives each query the same nothing to do.
inline void work(std::size_t type) { asm volatile("" : : "r"(type) : "memory"); }

template <typename Wait>
std::map<std::string, std::function<void(long)>> kinds(const std::string& suffix, InProcess& in_process, Wait wait) {
  return {{"bare" + suffix,
           [wait](long count) {
             for (long i = 0; i < count; ++i) {
               work(static_cast<std::size_t>(i) % kTypes.size());
               wait();
             }
           }},
          {"guard" + suffix,
           [wait](long count) {
             for (long i = 0; i < count; ++i) {
               outrider::Query query{kTypes[static_cast<std::size_t>(i) % kTypes.size()]};
               work(static_cast<std::size_t>(i) % kTypes.size());
               wait();
             }
           }},
          {"prometheus" + suffix, [wait, &in_process](long count) {
             for (long i = 0; i < count; ++i) {
               const auto begin = std::chrono::steady_clock::now();
               const auto type = static_cast<std::size_t>(i) % kTypes.size();
               work(type);
               wait();
               in_process.observe(type,
                                  std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
             }
           }}};
}

/// A statement of `size` bytes, or one or two less or more by the number that vary() writes into its middle.
class Sql {
 public:
  Sql(std::size_t size, int which) : text_("UPDATE table_" + std::to_string(which) + " SET balance = balance + ") {
    const std::size_t digits = text_.size();
    text_.append(kDigits, '0');
    for (int i = 0; text_.size() < size; ++i)
      text_ += i == 0 ? " WHERE id = 1234" : " AND branch_" + std::to_string(i % 10) + " <> 'some text'";
    rest_ = text_.substr(digits + kDigits, size - digits - kDigits - 1) + ' ';
    text_.resize(digits);
    digits_ = digits;
    text_ += rest_;
  }
  [[nodiscard]] const char* text() const { return text_.c_str(); }
  void vary(long number) {
    text_.resize(digits_);
    text_ += std::to_string(number);
    text_ += rest_;
  }

 private:
  static constexpr std::size_t kDigits = 3;
  std::string text_, rest_;
  std::size_t digits_ = 0;
};

void add_sql(std::map<std::string, std::function<void(long)>>& kinds) {
  struct Mix {
    const char* name;
    int statements;
    bool varies;
  };
  for (const std::size_t size : {60, 100, 200, 1000}) {
    for (const Mix& mix : {Mix{"same", 1, false}, Mix{"sql", 1, true}, Mix{"seven", 7, true}, Mix{"forty", 40, true}}) {
      kinds[mix.name + ("-" + std::to_string(size))] = [size, mix](long count) {
        std::vector<Sql> statements;
        statements.reserve(static_cast<std::size_t>(mix.statements));
        for (int which = 0; which < mix.statements; ++which) statements.emplace_back(size, which);
        for (long i = 0; i < count; ++i) {
          Sql& sql = statements[static_cast<std::size_t>(i % mix.statements)];
          if (mix.varies) sql.vary(i % 1000 * 37);
          const outrider::Query query(sql.text());
        }
      };
    }
  }
}

// Waking a thread on another processor takes ten times as long as a task switch, and is never twice the same.
void stay_on_one_processor() {
  const int here = sched_getcpu();
  if (here < 0) return;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(here, &one);
  if (sched_setaffinity(0, sizeof(one), &one) != 0) std::perror("probe-bench: sched_setaffinity");
}

}  // namespace

int main() {
  stay_on_one_processor();
  const Partner partner;
  InProcess in_process;
  auto all = kinds("", in_process, [] {});
  all.merge(kinds("-block", in_process, [&partner] { partner.wait(); }));
  add_sql(all);
  std::printf("ready pid=%d\n", getpid());
  std::fflush(stdout);
  std::string kind;
  long count = 0;
  while (std::cin >> kind >> count) {
    const auto found = all.find(kind);
    if (found == all.end() || count <= 0) {
      std::fprintf(stderr, "probe-bench: unknown command '%s %ld'\n", kind.c_str(), count);
      return 2;
    }
    std::printf("%.2f\n", nanoseconds_each(count, found->second));
    std::fflush(stdout);
  }
  return 0;
}
