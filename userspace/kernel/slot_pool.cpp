// Of CounterMaps: slots of statements that are hardly met any more are given up, so that new ones find room, and those
// of a target that is removed.
#include <bpf/bpf.h>

#include <algorithm>
#include <cstring>

#include "userspace/kernel/counter_maps.h"
#include "userspace/kernel/monotonic.h"

namespace outrider {

std::uint64_t CounterMaps::queries_of(std::uint32_t slot) const {
  std::uint64_t queries = 0;
  for (unsigned shard = 0; shard < shards_; ++shard) {
    const outrider_slot& cell = slots_.as<outrider_slot>()[std::size_t{slot} * shards_ + shard];
    queries += __atomic_load_n(&cell.queries, __ATOMIC_RELAXED);
  }
  return queries;
}

// The next query of that statement gets another slot, or is one of `other`.
void CounterMaps::give_up_least(std::uint32_t target, std::uint32_t count) {
  std::vector<NamedSlot*> order;
  for (NamedSlot& named : named_) {
    if (named.key.target != target || !named.is_statement() || named.given_up_ns != 0) continue;
    Use& use = uses_[named.index];
    const std::uint64_t now = queries_of(named.index);
    use.score = use.score / 2 + static_cast<double>(now - std::min(now, use.queries));
    use.queries = now;
    order.push_back(&named);
  }
  std::sort(order.begin(), order.end(),
            [this](const NamedSlot* a, const NamedSlot* b) { return uses_[a->index].score < uses_[b->index].score; });
  order.resize(std::min<std::size_t>(order.size(), count));
  for (NamedSlot* named : order) {
    if (bpf_map_delete_elem(maps_.types, &named->key) != 0) continue;
    named->given_up_ns = monotonic_ns();
    __atomic_fetch_sub(&this->target(target).types, 1, __ATOMIC_RELAXED);
  }
}

// Nothing counts in it any more: the next type finds it as it was when the agent began.
void CounterMaps::take_back(const NamedSlot& slot) {
  auto* cells = &slots_.as<outrider_slot>()[std::size_t{slot.index} * shards_];
  std::memset(cells, 0, sizeof(outrider_slot) * shards_);
  slow_.forget(slot.index);
  for (const Block& block : blocks_) {
    if (block.key.waiter == slot.index || block.key.waker == slot.index) bpf_map_delete_elem(maps_.blocks, &block.key);
  }
  uses_[slot.index] = {.times = uses_[slot.index].times + 1};
  bpf_map_update_elem(maps_.free_slots, nullptr, &slot.index, BPF_ANY);
}

// A statement that was prepared long ago may be run again, and has no text with it then.
void CounterMaps::forget_retired() {
  while (retired_.size() > OUTRIDER_MAX_PREPARED) {
    const auto known = statement_types_.find(retired_.front());
    retired_.pop_front();
    if (known == statement_types_.end()) continue;
    const bool lives =
        std::any_of(named_.begin(), named_.end(), [&](const NamedSlot& each) { return each.name == known->second; });
    if (lives) continue;
    statements_.erase(known->second);
    statement_types_.erase(known);
  }
}

std::vector<std::string> CounterMaps::take_back_all(const std::vector<NamedSlot>& over) {
  std::vector<std::string> gone;
  for (const NamedSlot& slot : over) {
    take_back(slot);
    const bool lives_on =
        std::any_of(named_.begin(), named_.end(), [&](const NamedSlot& other) { return other.name == slot.name; });
    if (lives_on || !slot.is_statement()) continue;
    std::uint64_t fingerprint = 0;
    std::memcpy(&fingerprint, &slot.key.name[1], sizeof(fingerprint));
    bpf_map_delete_elem(maps_.statements, &fingerprint);
    retired_.push_back(fingerprint);
    gone.push_back(slot.name);
  }
  forget_retired();
  for (std::size_t i = 0; i < named_.size(); ++i) position_[named_[i].index] = i;
  for (const NamedSlot& slot : over) position_[slot.index] = SIZE_MAX;
  return gone;
}

void CounterMaps::forget_types(std::uint32_t target) {
  outrider_target& state = this->target(target);
  std::vector<NamedSlot> over;
  std::erase_if(named_, [&](const NamedSlot& named) {
    const bool is_other = named.index == state.other_slot || named.index == state.other_slot + 1;
    if (named.key.target != target || is_other) return false;
    // One that was given up has no entry any more, or that of the slot which its type got since.
    if (named.given_up_ns == 0) {
      if (bpf_map_delete_elem(maps_.types, &named.key) != 0) return false;
      __atomic_fetch_sub(&state.types, 1, __ATOMIC_RELAXED);
    }
    over.push_back(named);
    return true;
  });
  take_back_all(over);
}

std::vector<std::string> CounterMaps::make_room(std::uint32_t target, std::uint32_t most) {
  const outrider_target& state = this->target(target);
  const std::uint64_t oldest = state.oldest_start_ns;
  std::vector<NamedSlot> over;
  std::erase_if(named_, [&](const NamedSlot& named) {
    const bool drained =
        named.key.target == target && named.given_up_ns != 0 && (oldest == 0 || oldest > named.given_up_ns);
    if (drained) over.push_back(named);
    return drained;
  });
  std::vector<std::string> gone = take_back_all(over);
  // While a query goes on for long no slot comes back: what is given up meanwhile has to end somewhere, or one target
  // would use up all of them.
  const auto waiting =
      static_cast<std::uint32_t>(std::count_if(named_.begin(), named_.end(), [&](const NamedSlot& named) {
        return named.key.target == target && named.given_up_ns != 0;
      }));
  const std::uint32_t taken = __atomic_load_n(&state.types, __ATOMIC_RELAXED), wanted = most - most / 4;
  const std::uint32_t may_wait = most / 2 - std::min(waiting, most / 2);
  if (taken > wanted) give_up_least(target, std::min(taken - wanted, may_wait));
  return gone;
}

}  // namespace outrider
