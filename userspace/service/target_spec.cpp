#include "userspace/service/target_spec.h"

namespace outrider {
namespace {

TargetSpec::Kind kind_of(TargetConfig::By by) {
  switch (by) {
    case TargetConfig::By::kPid:
      return TargetSpec::Kind::kPid;
    case TargetConfig::By::kExe:
      return TargetSpec::Kind::kExe;
    case TargetConfig::By::kName:
      return TargetSpec::Kind::kName;
    case TargetConfig::By::kUnit:
      return TargetSpec::Kind::kUnit;
    case TargetConfig::By::kCgroup:
      break;
  }
  return TargetSpec::Kind::kCgroup;
}

}  // namespace

TargetSpec target_spec(const TargetConfig& config) { return {kind_of(config.by), config.value}; }

}  // namespace outrider
