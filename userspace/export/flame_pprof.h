// A flame graph in pprof's format (perftools.profiles.Profile, gzipped): `pprof`, `go tool pprof`, speedscope and
// Grafana read it. Pure: thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "userspace/base/result.h"
#include "userspace/model/flame.h"

namespace outrider {

/// `time_ns`: since 1970, of the end of the profile. Sample values: "samples" (count) and "cpu" (nanoseconds, from the
/// frequency), or "waiting" (nanoseconds). What was lost and how much is truncated are comments. Error: no memory.
Result<std::string> flame_pprof(const FlameGraph& graph, std::int64_t time_ns);

}  // namespace outrider
