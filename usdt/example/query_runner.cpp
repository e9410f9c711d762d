#include "usdt/example/query_runner.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <csetjmp>
#include <utility>

#include "outrider/query.hpp"
#include "usdt/example/clock.h"

namespace outrider::example {

namespace {

/// A system call, so asked for once per thread.
uint32_t thread_id() {
  thread_local const auto id = static_cast<uint32_t>(::gettid());
  return id;
}

void spin_until(uint64_t when_ns) {
  while (monotonic_ns() < when_ns) {
  }
}

/// A worker's jump target; the guard in here is skipped, as an engine that fails by longjmp skips it.
[[gnu::noinline]] void begin_and_jump(Engine& engine, SearchScratch& scratch, const Job& job, std::jmp_buf& target) {
  const outrider::Query query(query_type_name(job.request.type), outrider::kTimed);
  static_cast<void>(engine.answer(job.request, scratch));
  std::longjmp(target, 1);
}

}  // namespace

QueryRunner::QueryRunner(RunnerShared& shared, WorkerRecord& record, std::unique_ptr<WaitPlanter> planter)
    : shared_(shared), record_(record), planter_(std::move(planter)) {}

RecordEntry QueryRunner::make_entry(QueryType type) {
  RecordEntry entry;
  entry.type = type;
  entry.thread = thread_id();
  return entry;
}

uint64_t QueryRunner::run_blocking(const Job& job) {
  RecordEntry entry = make_entry(job.request.type);
  try {
    execute(job, entry);
  } catch (const QueryFailed&) {
    entry.ok = false;
  }
  record_.add(entry);
  return entry.start_ns + entry.duration_ns;
}

void QueryRunner::execute(const Job& job, RecordEntry& entry) {
  outrider::Query query(query_type_name(entry.type), outrider::kTimed, &entry.duration_ns);
  entry.start_ns = query.start_ns();
  answer_and_suffer(job, entry.start_ns, entry);
  query.hit(entry.hits);
  query.miss(entry.misses);
  if (!job.faults.fails) return;
  entry.ok = false;
  if (job.faults.throws) throw QueryFailed();
  query.fail();
}

uint64_t QueryRunner::run_nested(const Job& job) {
  RecordEntry outer = make_entry(job.request.type);
  try {
    execute_outer(job, outer);
  } catch (const QueryFailed&) {
    outer.ok = false;
  }
  record_.add(outer);
  return outer.start_ns + outer.duration_ns;
}

void QueryRunner::execute_outer(const Job& job, RecordEntry& entry) {
  outrider::Query query(query_type_name(entry.type), outrider::kTimed, &entry.duration_ns);
  entry.start_ns = query.start_ns();
  RecordEntry inner = make_entry(QueryType::kLookup);
  try {
    execute_lookup(job, inner, entry);
  } catch (const QueryFailed&) {
    record_.add(inner);
    throw;
  }
  record_.add(inner);
  if (!job.faults.fails) return;
  entry.ok = false;
  query.fail();
}

void QueryRunner::execute_lookup(const Job& job, RecordEntry& inner, RecordEntry& outer) {
  outrider::Query query(query_type_name(inner.type), outrider::kTimed, &inner.duration_ns);
  inner.start_ns = query.start_ns();
  answer_and_suffer(job, inner.start_ns, inner);
  outer.wait = inner.wait;
  outer.wait_ns = inner.wait_ns;
  query.hit(inner.hits);
  query.miss(inner.misses);
  if (!job.faults.fails || !job.faults.throws) return;
  inner.ok = false;
  throw QueryFailed();
}

void QueryRunner::leave_by_longjmp(const Job& job) {
  std::jmp_buf here;
  if (setjmp(here) == 0) begin_and_jump(shared_.engine, scratch_, job, here);
  outrider_unwound();
  shared_.left_by_longjmp.fetch_add(1, std::memory_order_relaxed);
}

void QueryRunner::leave_by_thread_exit(const Job& job) {
  const outrider::Query query(query_type_name(job.request.type), outrider::kTimed);
  static_cast<void>(shared_.engine.answer(job.request, scratch_));
  shared_.left_by_thread_exit.fetch_add(1, std::memory_order_relaxed);
  for (;;) ::syscall(SYS_exit, 0);
}

void QueryRunner::answer_and_suffer(const Job& job, uint64_t start_ns, RecordEntry& entry) {
  const Answer answer = shared_.engine.answer(job.request, scratch_);
  entry.hits = answer.hits;
  entry.misses = answer.misses;
  if (shared_.plan.empty()) return;  // saves a clock read per query
  suffer(job, monotonic_ns() - start_ns, entry);
}

void QueryRunner::suffer(const Job& job, uint64_t work_ns, RecordEntry& entry) {
  if (job.faults.slow_percent > 0) {
    spin_until(monotonic_ns() + static_cast<uint64_t>(static_cast<double>(work_ns) * job.faults.slow_percent / 100));
  }
  if (job.faults.wait) {
    const PlantedWait planted = planter_->plant(*job.faults.wait, job.faults.wait_ms);
    entry.wait = planted.wait;
    entry.wait_ns = planted.ns;
  }
  if (!job.faults.hangs) return;
  const FaultSpec* hang = shared_.plan.active(FaultKind::kHang, job.second);
  std::optional<std::chrono::steady_clock::time_point> deadline;
  if (hang != nullptr && hang->length_seconds) {
    const double end_ns = (hang->begin_seconds + *hang->length_seconds) * 1e9;
    deadline.emplace(std::chrono::nanoseconds(shared_.load_begin_ns.load() + static_cast<uint64_t>(end_ns)));
  }
  entry.wait = PlantedClass::kSync;
  entry.wait_ns = measure_wait([&] { shared_.hang_gate.wait(deadline); });
}

}  // namespace outrider::example
