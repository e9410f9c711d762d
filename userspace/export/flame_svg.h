// A flame graph as one SVG file that needs nothing else: no script, no font, no outside host. Each frame has its full
// name and share as a tooltip. One that is compared with another is coloured by what changed, with a legend. Pure:
// thread-safe.
#pragma once

#include <string>

#include "userspace/model/flame.h"

namespace outrider {

std::string flame_svg(const FlameGraph& graph);

}  // namespace outrider
