// Where a query in flight waits: the stack of its thread, with names. Thread-safe; one stack at a time. Needs the right
// to trace the process.
#pragma once

#include <mutex>

#include "userspace/model/queries_json.h"
#include "userspace/model/single_query.h"
#include "userspace/symbols/stack_walk.h"
#include "userspace/symbols/symbolizer.h"

namespace outrider {

class ThreadStacks {
 public:
  /// As the thread stood when the query was listed, or why that cannot be told.
  ThreadStack of(const InFlightQuery& query);

 private:
  std::mutex mutex_;
  Symbolizer symbolizer_;
  StackWalker walker_;
};

}  // namespace outrider
