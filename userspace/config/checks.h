// What no single value shows to be wrong: values that do not fit together.
#pragma once

#include "userspace/config/config.h"
#include "userspace/config/reader.h"

namespace outrider {

void check_together(Reader& reader, const Config& config);

}  // namespace outrider
