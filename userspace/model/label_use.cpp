#include "userspace/model/label_use.h"

#include <algorithm>
#include <iterator>

namespace outrider {
namespace {

constexpr std::string_view kMetrics[] = {"target", "type",    "class",      "phase",    "rule",   "mode", "reason",
                                         "state",  "le",      "percentile", "quantile", "window", "sink", "event",
                                         "result", "version", "host",       "datname",  "usename"};
constexpr std::string_view kPrometheus[] = {"instance", "job"};
// The reserved keys of its versions 1 and 2.
constexpr std::string_view kInfluxdb[] = {"time", "_field", "_measurement"};

template <typename Names>
bool has(const Names& names, std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

}  // namespace

LabelUse use_of_label(std::string_view name) {
  if (has(kMetrics, name)) return LabelUse::kMetrics;
  if (has(kPrometheus, name)) return LabelUse::kPrometheus;
  return has(kInfluxdb, name) ? LabelUse::kInfluxdb : LabelUse::kFree;
}

}  // namespace outrider
