// What libbpf says goes to the log, for those who debug. Thread-safe.
#pragma once

namespace outrider {

void log_libbpf();

}  // namespace outrider
