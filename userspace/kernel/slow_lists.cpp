#include "userspace/kernel/slow_lists.h"

#include <bpf/bpf.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "userspace/base/moment.h"
#include "userspace/kernel/monotonic.h"

namespace outrider {
namespace {

std::size_t index_of(std::uint32_t slot, std::uint32_t epoch) {
  return std::size_t{slot} * OUTRIDER_SLOW_BANKS + epoch % OUTRIDER_SLOW_BANKS;
}

// As a program does; one that began in the interval that is over is done after microseconds.
bool take(outrider_slow_list& list) {
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; ++i) {
    __u32 free = 0;
    if (__atomic_compare_exchange_n(&list.busy, &free, 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return true;
    sched_yield();
  }
  return false;
}

void let_go(outrider_slow_list& list) { __atomic_store_n(&list.busy, 0, __ATOMIC_SEQ_CST); }

SlowQuery unpack(const outrider_slow_query& from, const std::string& type) {
  SlowQuery query;
  query.type = type;
  query.start_ms = unix_ms_of(from.start_ns);
  query.duration_ns = from.duration_ns;
  query.failed = from.failed != 0;
  query.process = static_cast<pid_t>(from.process);
  query.thread = static_cast<pid_t>(from.thread);
  if (from.timed != 0) std::copy(std::begin(from.wait_ns), std::end(from.wait_ns), query.waits.emplace().begin());
  return query;
}

}  // namespace

Status SlowLists::refresh(std::uint32_t used) {
  if (used <= used_) return Ok{};
  Result<MapMemory> memory = MapMemory::make(lists_map_, sizeof(outrider_slow_list) * OUTRIDER_SLOW_BANKS * used);
  if (!memory) return memory.error();
  memory_ = std::move(*memory);
  used_ = used;
  return Ok{};
}

// In use or not: a program that still holds it is of an interval that is over, and would keep that one's bar.
void SlowLists::empty(std::uint32_t slot, std::uint32_t epoch) {
  outrider_slow_list& list = memory_.as<outrider_slow_list>()[index_of(slot, epoch)];
  const bool held = take(list);
  for (outrider_slow_query& query : list.queries) query.duration_ns = 0;
  __atomic_store_n(&list.bar_ns, 0, __ATOMIC_RELEASE);
  if (held) let_go(list);
}

void SlowLists::clear(std::uint32_t epoch) {
  for (std::uint32_t slot = 0; slot < used_; ++slot) empty(slot, epoch);
}

void SlowLists::forget(std::uint32_t slot) {
  if (slot >= used_) return;
  for (std::uint32_t bank = 0; bank < OUTRIDER_SLOW_BANKS; ++bank) empty(slot, bank);
}

std::string SlowLists::text(std::uint32_t key) const {
  std::array<char, OUTRIDER_QUERY_TEXT> text{};
  if (bpf_map_lookup_elem(texts_map_, &key, text.data()) != 0) return {};
  return {text.data(), strnlen(text.data(), text.size())};
}

bool SlowLists::read(std::uint32_t slot, std::uint32_t epoch, const std::string& type,
                     std::vector<SlowQuery>& queries) const {
  if (slot >= used_) return true;
  const std::size_t index = index_of(slot, epoch);
  outrider_slow_list& list = memory_.as<outrider_slow_list>()[index];
  if (list.queries[0].duration_ns == 0) return true;
  if (!take(list)) return false;
  const auto first_key = static_cast<std::uint32_t>(OUTRIDER_SLOW_TEXT(index, 0));
  for (std::uint32_t i = 0; i < OUTRIDER_SLOW_QUERIES; ++i) {
    const outrider_slow_query& query = list.queries[i];
    if (query.duration_ns == 0) continue;
    queries.push_back(unpack(query, type));
    if (query.has_text != 0) queries.back().text = text(first_key + i);
  }
  let_go(list);
  return true;
}

}  // namespace outrider
