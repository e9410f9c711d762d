// The queries of a target that have not ended, each by itself. Owns its iterator; not thread-safe. Needs the privileges
// of BpfSession.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/model/single_query.h"

struct bpf_program;

namespace outrider {

/// Where the program list_in_flight is told what to list; all belong to the session.
struct InFlightAccess {
  const bpf_program* program = nullptr;
  volatile __u32* target = nullptr;
  volatile __u64* before_ns = nullptr;
  volatile __u32* starts_only = nullptr;
  int detached_map = -1;
};

/// What to list.
struct InFlightQuestion {
  std::uint32_t target = 0;
  std::uint32_t generation = 0;                ///< of the target: queries of an earlier one are dropped
  std::uint64_t before_ns = 0;                 ///< CLOCK_MONOTONIC: those that began before
  std::size_t most = 16;                       ///< the oldest ones
  std::map<std::uint32_t, std::string> types;  ///< names by slot
};

class InFlightLister {
 public:
  static Result<InFlightLister> make(const InFlightAccess& access);
  InFlightLister(InFlightLister&&) noexcept;
  InFlightLister& operator=(InFlightLister&&) noexcept;
  ~InFlightLister();

  /// The oldest first. Walks all tasks twice: a millisecond for a thousand of them.
  [[nodiscard]] Result<std::vector<InFlightQuery>> list(const InFlightQuestion& question) const;

 private:
  struct State;
  explicit InFlightLister(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace outrider
