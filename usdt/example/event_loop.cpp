#include "usdt/example/event_loop.h"

#include <utility>

#include "usdt/example/clock.h"

namespace outrider::example {

void EventLoop::Task::attach() {
  query.attach();
  detached_ns += monotonic_ns() - released_ns;
}

void EventLoop::Task::release() {
  query.release();
  released_ns = monotonic_ns();
}

void EventLoop::begin(const Job& job) {
  tasks_.push_back({outrider::DetachedQuery(query_type_name(job.request.type), outrider::kTimed), job, {}});
  tasks_.back().release();
}

uint64_t EventLoop::turn() {
  uint64_t ended_ns = 0;
  size_t kept = 0;
  for (size_t i = 0; i < tasks_.size(); i++) {
    Task& task = tasks_[i];
    if (task.step == Step::kEnd) {
      ended_ns = end(task);
      continue;
    }
    advance(task);
    if (kept != i) tasks_[kept] = std::move(task);
    kept++;
  }
  tasks_.erase(tasks_.begin() + static_cast<std::ptrdiff_t>(kept), tasks_.end());
  return ended_ns;
}

void EventLoop::advance(Task& task) {
  task.attach();
  bool answered = true;
  if (task.step == Step::kLookUp) {
    answered = runner_.engine().look_up(task.job.request, task.answer);
  } else {
    runner_.engine().compute(task.job.request, runner_.scratch(), task.answer);
  }
  task.step = answered ? Step::kEnd : Step::kCompute;
  task.release();
}

uint64_t EventLoop::end(Task& task) {
  task.attach();
  RecordEntry entry = QueryRunner::make_entry(task.job.request.type);
  entry.start_ns = task.query.start_ns();
  entry.detached_ns = task.detached_ns;
  entry.hits = task.answer.hits;
  entry.misses = task.answer.misses;
  entry.ok = !task.job.faults.fails;
  runner_.suffer(task.job, monotonic_ns() - entry.start_ns, entry);
  task.query.hit(entry.hits);
  task.query.miss(entry.misses);
  if (!entry.ok) task.query.fail();
  task.query.end();
  entry.duration_ns = task.query.duration_ns();
  runner_.record(entry);
  return entry.start_ns + entry.duration_ns;
}

}  // namespace outrider::example
