// Which labels a target may not be given, because somebody else has them: the configuration refuses them, and exports
// leave them out. Pure, thread-safe.
#pragma once

#include <string_view>

namespace outrider {

enum class LabelUse {
  kFree,
  kMetrics,     ///< ours: a second one of that name would make Prometheus refuse the whole page
  kPrometheus,  ///< given by Prometheus to all that it scrapes
  kInfluxdb,    ///< refused by InfluxDB with the whole point
};

LabelUse use_of_label(std::string_view name);

}  // namespace outrider
