// A tiny engine for the tests of the probe header: passes every probe of the contract ROUNDS times, waits for a line on
// standard input first, and prints what a correct watcher must have seen.
#include <cstdio>
#include <cstdlib>
#include <utility>

#define OUTRIDER_PROVIDER victim
#include <outrider/query.hpp>

namespace {

int run_round(int round) {
  outrider::Query query{"factual"};
  outrider::Phase phase{"parse"};
  outrider::Query nested{"nested"};
  if (round % 4 == 0) query.fail();
  query.hit(2);
  outrider::cache_hit("results");
  outrider::cache_miss("results");
  outrider::DetachedQuery detached{"detached"};
  detached.release();
  detached.attach();
  detached.end();
  return query.failed() ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 1;
  if (argc > 2) std::getchar();
  int failed = 0;
  for (int round = 0; round < rounds; ++round) failed += run_round(round);
  std::printf("queries %d failed %d\n", rounds, failed);
}
