#include "userspace/agent/stack_thread.h"

#include <utility>

#include "userspace/base/background_thread.h"

namespace outrider {

StackThread::~StackThread() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Status StackThread::start() {
  const std::lock_guard lock(mutex_);
  if (thread_.joinable()) return Ok{};
  Result<std::thread> started = start_background_thread("outrider-stacks", Privileges::kOfTheAgent, [this] { run(); });
  if (!started) return started.error();
  thread_ = *std::move(started);
  return Ok{};
}

void StackThread::run() {
  give_way();
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopped_ || !asked_.empty(); });
    if (asked_.empty()) return;
    std::packaged_task<ThreadStack()> next = std::move(asked_.front());
    asked_.pop_front();
    lock.unlock();
    next();
    lock.lock();
  }
}

ThreadStack StackThread::of(const InFlightQuery& query) {
  std::packaged_task<ThreadStack()> task([this, query] { return stacks_.of(query); });
  std::future<ThreadStack> answer = task.get_future();
  {
    const std::lock_guard lock(mutex_);
    if (!thread_.joinable() || stopped_) return {.frames = {}, .missing = "no thread looks for stacks"};
    asked_.push_back(std::move(task));
  }
  changed_.notify_all();
  return answer.get();
}

}  // namespace outrider
