// Goes through a state as visit() shows it and has its incidents told again: see Incident::tell_again(). Not
// thread-safe.
#pragma once

#include <string_view>

#include "userspace/detect/incident.h"
#include "userspace/detect/state_text.h"

namespace outrider {

class Retelling : public StateWalk<Retelling> {
 public:
  /// `arm`: only the incidents of that one; "": all.
  explicit Retelling(std::string_view arm) : arm_(arm) {}

  void incident(Incident& incident) const {
    if (arm_.empty() || incident.arm() == arm_) incident.tell_again();
  }
  template <typename... Fields>
  void times(Fields&... /*fields*/) {}

 private:
  std::string_view arm_;
};

}  // namespace outrider
