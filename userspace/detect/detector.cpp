#include "userspace/detect/detector.h"

#include <fmt/format.h>

#include "userspace/detect/default_detector.h"
#include "userspace/detect/zscore_detector.h"

namespace outrider {
namespace {

class NoDetector : public Detector {
 public:
  void observe(const DetectorSample& /*sample*/, std::vector<IncidentEvent>& /*events*/) override {}
  [[nodiscard]] std::string serialise() const override { return "[]"; }
  Status restore(std::string_view /*text*/) override { return Ok{}; }
  [[nodiscard]] std::size_t state_bytes() const override { return sizeof *this; }
};

}  // namespace

Result<std::unique_ptr<Detector>> make_detector(const std::string& name) {
  if (name == "default") return std::unique_ptr<Detector>(std::make_unique<DefaultDetector>());
  if (name == "zscore") return std::unique_ptr<Detector>(std::make_unique<ZscoreDetector>());
  if (name == "none") return std::unique_ptr<Detector>(std::make_unique<NoDetector>());
  return Error{fmt::format("there is no detector \"{}\"; choose default, zscore or none", name)};
}

}  // namespace outrider
