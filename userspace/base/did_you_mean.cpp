#include "userspace/base/did_you_mean.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

namespace outrider {
namespace {

constexpr std::size_t kNearEnough = 2;  // letters
constexpr std::size_t kLongest = 64;    // the distance costs the product of both lengths

/// Levenshtein's distance, one row at a time.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (const char letter : a) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (letter == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& known) {
  std::string_view nearest;
  std::size_t least = kNearEnough + 1;
  for (const std::string_view candidate : known) {
    if (word.size() > kLongest) break;
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < least) {
      least = distance;
      nearest = candidate;
    }
  }
  if (!nearest.empty()) return fmt::format("did you mean '{}'?", nearest);
  return fmt::format("expected one of {}", fmt::join(known, ", "));
}

}  // namespace outrider
