// Flame graphs as text for other programs. Pure: thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "userspace/model/flame.h"

namespace outrider {

/// "outermost;...;innermost VALUE" a line, which flamegraph.pl and speedscope read: samples, or nanoseconds waited. A
/// frame's own ';' becomes ':', its line ends and other control characters '?'. Of a graph that is compared with
/// another "STACK BEFORE NOW", as difffolded.pl -n writes it, the first value scaled.
std::string flame_folded(const FlameGraph& graph);

/// What d3-flame-graph reads: {"name", "value", "children"}, values in the graph's unit; "before" too where it is
/// compared with another, scaled.
std::string flame_tree_json(const FlameGraph& graph);

/// The tree with what is to be known about it: {"target", "type", "kind", "unit", "time", "seconds", "total",
/// "broken_share", "losses", "before", "flame"}. `type` is null for all types. `before` is null, or says what the graph
/// is compared with: {"time", "seconds", "total", "scale", "gone_share"}, the total unscaled. Times are Unix
/// milliseconds.
std::string flame_json(const FlameGraph& graph, std::int64_t time_ms);

/// "on_cpu", "off_cpu".
const char* flame_kind_name(FlameKind kind);

/// A frame's name without what would break a line or an XML file.
std::string printable_frame(const std::string& name);

}  // namespace outrider
