// Single queries, as opposed to what is summed over many: the slowest that ended in an interval, and those that have
// not ended. Plain data.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bpf/abi/abi.h"

namespace outrider {

/// Nanoseconds by wait class.
using WaitNanoseconds = std::array<std::uint64_t, OUTRIDER_WAIT_CLASSES>;

/// Whose query it is. UTF-8; empty: not known.
struct ClientSession {
  std::string database, user;
  std::string client;  ///< as the server calls it: "[local]", "192.0.2.1(41234)"
};

/// "user alice, database bench", as far as they are known.
std::string session_words(const ClientSession& session);

/// A query that ended.
struct SlowQuery {
  std::string type;           ///< UTF-8
  std::int64_t start_ms = 0;  ///< Unix time
  std::uint64_t duration_ns = 0;
  bool failed = false;
  pid_t process = 0, thread = 0;         ///< on which it ended; in the host's numbers
  std::optional<WaitNanoseconds> waits;  ///< none: they were not followed (light mode)
  std::string
      text;  ///< see QueryText; raw ones are cut at OUTRIDER_QUERY_TEXT - 1, and end in "..." then; empty: not known
  ClientSession session;
};

/// Registers of a thread where it entered the kernel, by which its stack can be followed.
struct ThreadRegisters {
  std::uint64_t ip = 0, sp = 0, fp = 0;
  std::uint64_t switches = 0;  ///< of the thread until then
};

/// A query that has not ended.
struct InFlightQuery {
  std::string type;           ///< UTF-8
  std::int64_t start_ms = 0;  ///< Unix time
  std::uint64_t age_ns = 0;
  pid_t process = 0;
  pid_t thread = 0;                              ///< 0: it may change threads, and which one it is on is not known
  std::optional<outrider_run_state> state;       ///< of that thread
  std::optional<outrider_wait_class> waits_for;  ///< while it is blocked
  std::uint64_t state_ns = 0;                    ///< for how long it has been in that state
  WaitNanoseconds waits{};                       ///< so far
  ThreadRegisters registers;
  std::vector<std::uint64_t> kernel_stack;  ///< innermost first
  std::string text;                         ///< as in SlowQuery
  ClientSession session;
};

/// Keeps the slowest `most` of each type, the slowest first.
void keep_slowest(std::vector<SlowQuery>& queries, std::size_t most);

}  // namespace outrider
