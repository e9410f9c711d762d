#include "userspace/audit/audit_book.h"

#include <algorithm>
#include <utility>

namespace outrider {
namespace {

// A reading ends within EngineCounter::kPatience, so that none begins before the oldest of these unless intervals are long;
// then it is not compared.
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
  compare(reading, {engine - static_cast<std::int64_t>(total.queries),
                    engine - static_cast<std::int64_t>(std::prev(after)->queries)});
}

void AuditBook::theirs(Theirs reading) { waiting_ = std::move(reading); }

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

void AuditBook::compare(const Theirs& reading, const Bounds& excess) {
  const bool same = last_ && last_->count.epoch == reading.count.epoch && last_->count.queries <= reading.count.queries;
  if (last_ && !same) restart();
  last_ = reading;
  if (!first_) {
    first_ = reading;
    excess_ = excess;
    return;
  }
  AuditComparison result;
  result.since_ms = first_->unix_ms;
  result.compared_ms = reading.unix_ms;
  result.engine_queries = reading.count.queries - first_->count.queries;
  if (excess.least > excess_.most) result.difference = excess.least - excess_.most;
  if (excess.most < excess_.least) result.difference = excess.most - excess_.least;
  if (result.difference == 0) excess_ = {std::max(excess_.least, excess.least), std::min(excess_.most, excess.most)};
  result.uncertainty = static_cast<std::uint64_t>(excess_.most - excess_.least);
  comparison_ = result;
}

}  // namespace outrider
