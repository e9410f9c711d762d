// A point of history as detectors see it. Pure, thread-safe.
#pragma once

#include "userspace/detect/detector.h"
#include "userspace/model/point.h"

namespace outrider {

/// The figures of the step, at its end, as a snapshot taken there would have had them; none where there is no data.
DetectorSample sample_of(const Point& point);

}  // namespace outrider
