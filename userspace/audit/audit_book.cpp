#include "userspace/audit/audit_book.h"

#include <algorithm>
#include <utility>

namespace outrider {
namespace {

// A reading ends within EngineCounter::kPatience, so that none begins before the oldest of these unless intervals are
// long; then it is not compared.
constexpr std::chrono::minutes kKeep{1};

}  // namespace

void AuditBook::ours(const Ours& total) {
  if (!ours_.empty() && total.queries < ours_.back().queries) interrupt();
  ours_.push_back(total);
  while (ours_.size() > 2 && ours_[1].end + kKeep < total.begin) ours_.pop_front();
  if (!waiting_ || total.begin < waiting_->end) return;
  const Theirs reading = *std::exchange(waiting_, std::nullopt);
  const auto later = [&](const Ours& each) { return each.end > reading.begin; };
  const auto after = std::find_if(ours_.begin(), ours_.end(), later);
  if (after == ours_.begin()) return;  // nothing of ours is older
  const auto engine = static_cast<std::int64_t>(reading.count.queries);
  const auto before = static_cast<std::int64_t>(std::prev(after)->queries);
  const auto now = static_cast<std::int64_t>(total.queries);
  compare(reading, {engine - now - static_cast<std::int64_t>(total.in_flight), engine - before});
}

// A newer one in its place might always come just before the total that the older one waits for.
void AuditBook::theirs(Theirs reading) {
  if (!waiting_) waiting_ = std::move(reading);
}

void AuditBook::interrupt() {
  ours_.clear();
  waiting_.reset();
  if (first_) restart();
}

void AuditBook::restart() {
  ++restarts_;
  first_.reset();
  last_.reset();
  comparison_.reset();
}

void AuditBook::compare(const Theirs& reading, const Excess& excess) {
  const bool same = last_ && last_->count.epoch == reading.count.epoch && last_->count.queries <= reading.count.queries;
  if (last_ && !same) restart();
  last_ = reading;
  if (!first_) {
    first_ = reading;
    first_excess_ = excess;
    return;
  }
  AuditComparison result;
  result.since_ms = first_->unix_ms;
  result.compared_ms = reading.unix_ms;
  result.engine_queries = reading.count.queries - first_->count.queries;
  const Excess missed{excess.least - first_excess_.most, excess.most - first_excess_.least};
  result.difference = std::clamp<std::int64_t>(0, missed.least, missed.most);
  result.uncertainty =
      static_cast<std::uint64_t>(std::max(missed.most - result.difference, result.difference - missed.least));
  comparison_ = result;
}

}  // namespace outrider
