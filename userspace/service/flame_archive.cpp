#include "userspace/service/flame_archive.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace outrider {

std::int64_t FlameArchive::add(KeptFlame flame) {
  while (find(flame.time_ms) != nullptr) ++flame.time_ms;
  const std::int64_t time_ms = flame.time_ms;
  if (flame.graph->tree.bytes() > kMostBytes) return time_ms;
  const auto is_of_it = [&](const KeptFlame& other) { return other.subject == flame.subject; };
  if (std::count_if(kept_.begin(), kept_.end(), is_of_it) >= static_cast<std::ptrdiff_t>(kMostOfOne)) {
    drop(std::find_if(kept_.begin(), kept_.end(), is_of_it));
  }
  bytes_ += flame.graph->tree.bytes();
  kept_.push_back(std::move(flame));
  while (kept_.size() > kMost || bytes_ > kMostBytes) drop(kept_.begin());
  return time_ms;
}

std::vector<KeptFlame> FlameArchive::of(const FlameSubject& subject) const {
  std::vector<KeptFlame> found;
  std::copy_if(kept_.rbegin(), kept_.rend(), std::back_inserter(found),
               [&](const KeptFlame& flame) { return flame.subject == subject; });
  return found;
}

const KeptFlame* FlameArchive::find(std::int64_t time_ms) const {
  const auto found =
      std::find_if(kept_.begin(), kept_.end(), [&](const KeptFlame& flame) { return flame.time_ms == time_ms; });
  return found == kept_.end() ? nullptr : &*found;
}

void FlameArchive::keep_only(const std::set<std::string>& targets) {
  for (auto flame = kept_.cbegin(); flame != kept_.cend();) {
    flame = targets.contains(flame->subject.target) ? std::next(flame) : drop(flame);
  }
}

FlameArchive::Place FlameArchive::drop(const Place& which) {
  bytes_ -= which->graph->tree.bytes();
  return kept_.erase(which);
}

}  // namespace outrider
