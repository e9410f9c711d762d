#include "usdt/example/hop_partner.h"

#include <utility>

#include "usdt/example/clock.h"

namespace outrider::example {

HopPartner::HopPartner(QueryRunner& first, QueryRunner& second)
    : first_(first), second_(second), thread_([this] { loop(); }) {}

HopPartner::~HopPartner() {
  {
    const std::lock_guard guard(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

uint64_t HopPartner::run(const Job& job) {
  outrider::DetachedQuery query(query_type_name(job.request.type), outrider::kTimed);
  Answer answer;
  const bool answered = first_.engine().look_up(job.request, answer);
  query.hit(answer.hits);
  query.miss(answer.misses);
  std::unique_lock lock(mutex_);
  query.release();
  handover_.emplace(Handover{std::move(query), &job, answer, answered, monotonic_ns()});
  changed_.notify_all();
  changed_.wait(lock, [&] { return ended_ns_.has_value(); });
  return *std::exchange(ended_ns_, std::nullopt);
}

void HopPartner::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return handover_.has_value() || stop_; });
    if (!handover_) return;
    Handover taken = *std::exchange(handover_, std::nullopt);
    lock.unlock();
    const uint64_t ended_ns = complete(std::move(taken));
    lock.lock();
    ended_ns_ = ended_ns;
    changed_.notify_all();
  }
}

uint64_t HopPartner::complete(Handover handover) {
  outrider::DetachedQuery query = std::move(handover.query);
  const Job& job = *handover.job;
  query.attach();
  const uint64_t attached_ns = monotonic_ns();
  RecordEntry entry = QueryRunner::make_entry(job.request.type);
  if (!handover.answered) second_.engine().compute(job.request, second_.scratch(), handover.answer);
  entry.detached_ns = attached_ns - handover.released_ns;
  entry.hits = handover.answer.hits;
  entry.misses = handover.answer.misses;
  entry.start_ns = query.start_ns();
  second_.suffer(job, monotonic_ns() - entry.start_ns, entry);
  entry.ok = !job.faults.fails;
  if (!entry.ok) query.fail();
  query.end();
  entry.duration_ns = query.duration_ns();
  second_.record(entry);
  return entry.start_ns + entry.duration_ns;
}

}  // namespace outrider::example
