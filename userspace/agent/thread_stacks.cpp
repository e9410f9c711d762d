#include "userspace/agent/thread_stacks.h"

#include <cstdint>
#include <vector>

#include "userspace/model/flame.h"

namespace outrider {

ThreadStack ThreadStacks::of(const InFlightQuery& query) {
  if (query.thread == 0) return {.frames = {}, .missing = "it may change threads; which one it is on is not known"};
  if (query.state != OUTRIDER_BLOCKED) {
    return {.frames = {}, .missing = "it is running; an on-CPU flame graph shows what later ones of its type do"};
  }
  const std::lock_guard lock(mutex_);
  const ThreadRegisters& at = query.registers;
  const Result<WalkedStack> walked =
      walker_.walk(query.process, query.thread, {.ip = at.ip, .sp = at.sp, .fp = at.fp, .switches = at.switches});
  if (!walked) return {.frames = {}, .missing = walked.error().message};
  symbolizer_.begin_round();
  NamedStack user = name_user_stack(symbolizer_, query.process, walked->frames, walked->whole);
  ThreadStack stack;
  if (!user.whole) stack.frames.emplace_back(kTruncatedFrame);
  stack.frames.insert(stack.frames.end(), user.names.rbegin(), user.names.rend());
  const std::vector<std::uint64_t> outermost_first(query.kernel_stack.rbegin(), query.kernel_stack.rend());
  for (const std::uint64_t address : outermost_first) {
    std::string name = symbolizer_.kernel(address);
    if (stack.frames.back() != name) stack.frames.push_back(std::move(name));
  }
  return stack;
}

}  // namespace outrider
