// many-types TYPES RATE SECONDS: an engine whose queries are of that many types, RATE a second of each, some
// microseconds long. Says "ready pid=N" and begins a second later.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "outrider/query.hpp"

namespace {

using Clock = std::chrono::steady_clock;

void spin(std::chrono::nanoseconds time) {
  const auto end = Clock::now() + time;
  while (Clock::now() < end) {
  }
}

void load(const std::vector<std::string>& types, double rate, double seconds) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> duration_ns(std::log(5e3), 0.8);
  const std::chrono::duration<double> pause(1 / rate);
  const auto begin = Clock::now();
  for (int round = 0; round < static_cast<int>(seconds * rate); ++round) {
    for (const std::string& type : types) {
      outrider::Query query(type.c_str());
      spin(std::chrono::nanoseconds(static_cast<std::int64_t>(duration_ns(random))));
      query.hit();
    }
    std::this_thread::sleep_until(begin + (round + 1) * pause);
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    std::fputs("usage: many-types TYPES RATE SECONDS\n", stderr);
    return 2;
  }
  std::vector<std::string> types(static_cast<std::size_t>(std::max(1, std::atoi(arguments[1]))));
  for (std::size_t type = 0; type < types.size(); ++type) {
    types[type] = "type-" + std::string(type < 10 ? "0" : "") + std::to_string(type);
  }
  std::printf("ready pid=%d\n", getpid());
  std::fflush(stdout);
  std::this_thread::sleep_for(std::chrono::seconds(1));
  load(types, std::atof(arguments[2]), std::atof(arguments[3]));
}
