// One of bpftool's skeletons, which is closed with its handle: its programs are detached and unloaded, its maps given
// back.
#pragma once

#include <memory>

namespace outrider {

template <typename Skeleton>
struct SkeletonDeleter {
  void operator()(Skeleton* skeleton) const { Skeleton::destroy(skeleton); }
};
template <typename Skeleton>
using SkeletonHandle = std::unique_ptr<Skeleton, SkeletonDeleter<Skeleton>>;

}  // namespace outrider
