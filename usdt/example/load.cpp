#include "usdt/example/load.h"

#include <sys/prctl.h>

#include <algorithm>

#include "usdt/example/clock.h"
#include "usdt/example/event_loop.h"

namespace outrider::example {

namespace {

/// How long a worker sleeps at most before it looks whether the load was stopped.
constexpr uint64_t kLongestSleepNs = 20'000'000;

size_t worker_count(const Options& options) {
  return options.mode == Mode::kHop ? std::max<size_t>(1, options.threads / 2) : options.threads;
}

}  // namespace

size_t Load::runners(const Options& options) { return worker_count(options) * (options.mode == Mode::kHop ? 2 : 1); }

Load::Load(const Options& options, RunnerShared& shared)
    : options_(options), shared_(shared), schedule_(options.rate, options.spacing, options.seed) {}

Result<std::unique_ptr<Load>> Load::make(const Options& options, RunnerShared& shared, QueryRecord& record,
                                         const WaitSources& sources) {
  std::unique_ptr<Load> load(new Load(options, shared));
  for (size_t i = 0; i < runners(options); i++) {
    auto planter = WaitPlanter::make(sources, shared.plan, i);
    if (!planter) return planter.error();
    load->runners_.push_back(std::make_unique<QueryRunner>(shared, record.worker(i), std::move(*planter)));
  }
  for (size_t i = 0; i < worker_count(options); i++) {
    auto worker = std::make_unique<Worker>();
    worker->load = load.get();
    worker->runner = load->runners_[i].get();
    if (options.mode == Mode::kHop) {
      QueryRunner& second = *load->runners_[worker_count(options) + i];
      worker->partner = std::make_unique<HopPartner>(*worker->runner, second);
    }
    load->workers_.push_back(std::move(worker));
  }
  return load;
}

Load::~Load() { stop(); }

Status Load::start() {
  begin_ns_ = monotonic_ns();
  if (options_.duration_seconds) end_ns_ = begin_ns_ + static_cast<uint64_t>(*options_.duration_seconds * 1e9);
  shared_.load_begin_ns = begin_ns_;
  for (auto& worker : workers_) {
    worker->last_end_ns = begin_ns_;
    if (Status started = start_thread(*worker); !started) return started;
  }
  return Ok{};
}

// Plain pthreads: a std::thread that leaves by a raw exit would leak what it was started with.
Status Load::start_thread(Worker& worker) {
  worker.state = WorkerState::kRunning;
  const int code = ::pthread_create(&worker.thread, nullptr, &Load::thread_main, &worker);
  if (code == 0) return Ok{};
  worker.state = WorkerState::kIdle;
  return Error::from_errno(code, "cannot start a worker thread");
}

bool Load::supervise() {
  bool running = false;
  for (auto& worker : workers_) {
    if (worker->state == WorkerState::kExited) {
      ::pthread_join(worker->thread, nullptr);
      if (!start_thread(*worker)) continue;
    }
    running |= worker->state == WorkerState::kRunning;
  }
  // Nobody is left to arrive: what hangs without an end would keep the load alive for ever.
  if (!running || over(monotonic_ns())) shared_.hang_gate.open();
  return running;
}

void Load::stop() {
  stop_ = true;
  shared_.hang_gate.open();
  for (auto& worker : workers_) {
    if (worker->state == WorkerState::kIdle) continue;
    ::pthread_join(worker->thread, nullptr);
    worker->state = WorkerState::kIdle;
  }
}

void* Load::thread_main(void* argument) {
  auto& worker = *static_cast<Worker*>(argument);
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);  // arrivals are on time to some microseconds
  if (worker.load->options_.mode == Mode::kLoop) {
    worker.load->work_in_event_loop(worker);
  } else {
    worker.load->work(worker);
  }
  worker.state = WorkerState::kDone;
  return nullptr;
}

void Load::work(Worker& worker) {
  Task task{};
  while (next_task(worker, task) && sleep_until(task.due_ns)) run(worker, task.job);
}

void Load::work_in_event_loop(Worker& worker) {
  EventLoop loop(*worker.runner);
  Task task{};
  bool more = next_task(worker, task);
  while (more || !loop.idle()) {
    while (more && !loop.full() && task.due_ns <= monotonic_ns()) {
      loop.begin(task.job);
      more = next_task(worker, task);
    }
    if (const uint64_t ended_ns = loop.turn(); ended_ns > 0) worker.last_end_ns = ended_ns;
    if (more && loop.idle()) more = sleep_until(task.due_ns);
    more = more && !over(monotonic_ns());
  }
}

void Load::run(Worker& worker, const Job& job) {
  if (job.leaves_by_longjmp) {
    worker.runner->leave_by_longjmp(job);
    worker.last_end_ns = monotonic_ns();
  } else if (job.leaves_by_thread_exit) {
    worker.state = WorkerState::kExited;  // whoever sees this joins, and so waits until the thread is gone
    worker.last_end_ns = monotonic_ns();
    worker.runner->leave_by_thread_exit(job);
  } else if (worker.partner) {
    worker.last_end_ns = worker.partner->run(job);
  } else if (options_.mode == Mode::kNested) {
    worker.last_end_ns = worker.runner->run_nested(job);
  } else {
    worker.last_end_ns = worker.runner->run_blocking(job);
  }
}

bool Load::next_task(Worker& worker, Task& task) {
  for (;;) {
    const Arrival arrival = schedule_.next();
    if (options_.queries > 0 && arrival.number >= options_.queries) return false;
    task.due_ns = schedule_.open_loop() ? begin_ns_ + arrival.offset_ns : worker.last_end_ns;
    if (over(task.due_ns)) return false;
    const double second = static_cast<double>(task.due_ns - begin_ns_) / 1e9;
    const FaultSpec* drop = shared_.plan.active(FaultKind::kDrop, second);
    Rng rng(options_.seed + 1, arrival.number);
    if (drop == nullptr || rng.uniform() * 100 >= drop->value) {
      task.job = make_job(arrival.number, second);
      return true;
    }
    // A closed loop has no arrivals to skip: the client pauses instead.
    if (!schedule_.open_loop() && !sleep_until(monotonic_ns() + 1'000'000)) return false;
    if (!schedule_.open_loop()) worker.last_end_ns = monotonic_ns();
  }
}

Job Load::make_job(uint64_t number, double second) {
  Rng rng(options_.seed, number + 1);
  Job job;
  job.request = make_request(options_.workload, shared_.engine.store(), rng);
  job.second = second;
  job.faults = shared_.plan.draw(second, rng);
  job.request.past_cache = job.faults.misses;
  if (options_.longjmp_percent > 0) job.leaves_by_longjmp = rng.uniform() * 100 < options_.longjmp_percent;
  if (options_.exit_threads_percent > 0)
    job.leaves_by_thread_exit = rng.uniform() * 100 < options_.exit_threads_percent;
  return job;
}

/// False when the load is over before that.
bool Load::sleep_until(uint64_t when_ns) {
  for (uint64_t now = monotonic_ns(); now < when_ns; now = monotonic_ns()) {
    if (over(now)) return false;
    const timespec until = to_timespec(std::min(when_ns, now + kLongestSleepNs));
    ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
  }
  return !stop_.load(std::memory_order_relaxed);
}

}  // namespace outrider::example
