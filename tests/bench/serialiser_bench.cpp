// What prometheus-cpp's own serialiser takes for a text in the Prometheus format (standard input): the same samples, as
// untyped metrics, written again and again. Prints one line of JSON: lines, bytes, milliseconds of CPU each time
// (median).
#include <fmt/format.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr int kRounds = 50;

double cpu_ms() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

// One sample: name{label="value",...} number. Label values here have no escapes.
void add_sample(std::string_view line, std::vector<prometheus::MetricFamily>& families) {
  const std::size_t name_end = line.find_first_of("{ ");
  const std::string name(line.substr(0, name_end));
  if (families.empty() || families.back().name != name) {
    families.push_back({.name = name, .help = "", .type = prometheus::MetricType::Untyped, .metric = {}});
  }
  prometheus::ClientMetric metric;
  std::size_t at = name_end;
  while (line[at] != ' ' && line[at] != '}') {
    const std::size_t begin = at + 1, equals = line.find('=', begin), end = line.find('"', equals + 2);
    metric.label.push_back(
        {std::string(line.substr(begin, equals - begin)), std::string(line.substr(equals + 2, end - equals - 2))});
    at = end + 1;
  }
  metric.untyped.value = std::strtod(std::string(line.substr(line.rfind(' ') + 1)).c_str(), nullptr);
  families.back().metric.push_back(std::move(metric));
}

}  // namespace

int main() {
  std::vector<prometheus::MetricFamily> families;
  std::size_t lines = 0;
  for (std::string line; std::getline(std::cin, line);) {
    if (line.empty() || line[0] == '#') continue;
    add_sample(line, families);
    ++lines;
  }
  std::vector<double> rounds(kRounds);
  std::size_t bytes = 0;
  for (double& round : rounds) {
    const double begin = cpu_ms();
    std::ostringstream text;
    prometheus::TextSerializer().Serialize(text, families);
    bytes = std::move(text).str().size();
    round = cpu_ms() - begin;
  }
  std::nth_element(rounds.begin(), rounds.begin() + kRounds / 2, rounds.end());
  fmt::print("{{\"lines\":{},\"bytes\":{},\"ms\":{:.3f}}}\n", lines, bytes, rounds[kRounds / 2]);
}
