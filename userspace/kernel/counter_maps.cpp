#include "userspace/kernel/counter_maps.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "userspace/kernel/map_walk.h"
#include "userspace/kernel/monotonic.h"
#include "userspace/model/statement.h"
#include "userspace/model/utf8.h"

namespace outrider {
namespace {

// The kernel side changes counters while they are read.
template <typename T>
T load(const T& cell) {
  return __atomic_load_n(&cell, __ATOMIC_RELAXED);
}

std::string bounded(const char* text, std::size_t size) { return {text, strnlen(text, size)}; }

}  // namespace

Result<CounterMaps> CounterMaps::make(const CounterMapDescriptors& maps, unsigned shards) {
  CounterMaps counters;
  counters.maps_ = maps;
  counters.shards_ = shards;
  counters.slow_ = SlowLists(maps.slow_lists, maps.slow_texts);
  Result<MapMemory> targets = MapMemory::make(maps.targets, sizeof(outrider_target) * OUTRIDER_MAX_TARGETS);
  if (!targets) return targets.error();
  Result<MapMemory> cells =
      MapMemory::make(maps.cells, sizeof(outrider_target_cell) * OUTRIDER_MAX_TARGETS * OUTRIDER_MAX_SHARDS);
  if (!cells) return cells.error();
  Result<MapMemory> phases =
      MapMemory::make(maps.phases, sizeof(outrider_phase_cell) * OUTRIDER_MAX_PHASES * OUTRIDER_MAX_SHARDS);
  if (!phases) return phases.error();
  counters.targets_ = std::move(*targets);
  counters.cells_ = std::move(*cells);
  counters.phase_cells_ = std::move(*phases);
  return counters;
}

// A name, or a statement's fingerprint, whose text was written down before it got a slot: without one there was no
// room.
std::string CounterMaps::name_of(const outrider_type_key& key) {
  if (key.name[0] != OUTRIDER_STATEMENT_MARK) return bounded(&key.name[0], sizeof(key.name));
  std::uint64_t fingerprint = 0;
  std::memcpy(&fingerprint, &key.name[1], sizeof(fingerprint));
  if (const auto known = statement_types_.find(fingerprint); known != statement_types_.end()) return known->second;
  outrider_statement_text written{};
  const bool found = bpf_map_lookup_elem(maps_.statements, &fingerprint, &written) == 0;
  const std::string text = found ? shown_statement(written) : "";
  std::string name = statement_type(fingerprint, text);
  if (!found) return name;
  statement_types_.emplace(fingerprint, name);
  KnownStatement& statement = statements_[name];
  statement.text = std::make_shared<const std::string>(text);
  if (auto session = session_of_statement(written)) {
    statement.session = std::make_shared<const ClientSession>(*std::move(session));
  }
  return name;
}

std::shared_ptr<const std::string> CounterMaps::statement(const std::string& type) const {
  const auto found = statements_.find(type);
  return found == statements_.end() ? nullptr : found->second.text;
}

std::shared_ptr<const ClientSession> CounterMaps::session(const std::string& type) const {
  const auto found = statements_.find(type);
  return found == statements_.end() ? nullptr : found->second.session;
}

std::map<std::uint32_t, std::string> CounterMaps::type_names(std::uint32_t target) {
  std::map<std::uint32_t, std::string> names;
  for_each_entry<outrider_type_key, std::uint32_t>(maps_.types, [&](const outrider_type_key& key, std::uint32_t slot) {
    if (key.target == target) names[slot] = valid_utf8(name_of(key));
  });
  // A slot that was given up is still that of the queries which began before.
  for (const NamedSlot& named : named_) {
    if (named.key.target == target && named.given_up_ns != 0) names[named.index] = valid_utf8(named.name);
  }
  return names;
}

void CounterMaps::learn_types() {
  std::erase_if(named_, [](const NamedSlot& named) { return named.given_up_ns == 0; });
  for_each_entry<outrider_type_key, std::uint32_t>(maps_.types,
                                                   [this](const outrider_type_key& key, std::uint32_t index) {
                                                     if (index < used_) named_.push_back({index, key, name_of(key)});
                                                   });
  position_.assign(used_, SIZE_MAX);
  for (std::size_t i = 0; i < named_.size(); ++i) position_[named_[i].index] = i;
}

void CounterMaps::learn_phases() {
  phases_.clear();
  for_each_entry<outrider_phase_key, std::uint32_t>(
      maps_.phase_types, [this](const outrider_phase_key& key, std::uint32_t index) {
        if (index < OUTRIDER_MAX_PHASES)
          phases_.push_back({index, key.target, bounded(&key.name[0], sizeof(key.name))});
      });
}

Status CounterMaps::refresh(std::uint32_t used, std::uint32_t named, std::uint32_t used_phases) {
  if (used != used_ || named != names_learned_) {
    if (used > used_) {
      Result<MapMemory> memory = MapMemory::make(maps_.slots, sizeof(outrider_slot) * used * shards_);
      if (!memory) return memory.error();
      slots_ = std::move(*memory);
      if (Status status = slow_.refresh(used); !status) return status;
    }
    used_ = used;
    uses_.resize(used);
    names_learned_ = named;
    learn_types();
  }
  if (used_phases != used_phases_ || phases_.size() < used_phases) {
    used_phases_ = used_phases;
    learn_phases();
  }
  read_blocks();
  return Ok{};
}

void CounterMaps::read_blocks() {
  blocks_.clear();
  for_each_entry<outrider_block_key, outrider_block>(maps_.blocks,
                                                     [this](const outrider_block_key& key, const outrider_block& sum) {
                                                       blocks_.push_back({key, sum});
                                                     });
}

const CounterMaps::NamedSlot* CounterMaps::slot_at(std::uint32_t index) const {
  const bool known = index < position_.size() && position_[index] < named_.size();
  return known ? &named_[position_[index]] : nullptr;
}

void CounterMaps::clear_epoch(std::uint32_t epoch) {
  const std::uint32_t cell = epoch % OUTRIDER_EPOCHS;
  auto* slots = slots_.as<outrider_slot>();
  for (std::size_t i = 0; i < std::size_t{used_} * shards_; ++i)
    __atomic_store_n(&slots[i].max_ns[cell], 0, __ATOMIC_RELAXED);
  for (std::uint32_t i = 0; i < OUTRIDER_MAX_TARGETS; ++i) {
    __atomic_store_n(&target(i).peak[cell], 0, __ATOMIC_RELAXED);
  }
  slow_.clear(epoch);
}

void CounterMaps::forget_slow(std::uint32_t target) {
  for (const NamedSlot& named : named_) {
    if (named.key.target == target) slow_.forget(named.index);
  }
}

TypeCounters CounterMaps::read_slot(const NamedSlot& named, std::uint32_t epoch) const {
  TypeCounters type;
  type.type = named.name;
  type.nested = named.key.nested != 0;
  type.slot = named.index | std::uint64_t{uses_[named.index].times} << 32;
  std::uint64_t untimed = 0;
  for (unsigned shard = 0; shard < shards_; ++shard) {
    const outrider_slot& slot = slots_.as<outrider_slot>()[std::size_t{named.index} * shards_ + shard];
    type.queries += load(slot.queries);
    type.failed += load(slot.failed);
    type.abandoned += load(slot.abandoned);
    type.duration_ns += load(slot.duration_ns);
    type.cache_hits += load(slot.cache_hits);
    type.cache_misses += load(slot.cache_misses);
    untimed += load(slot.untimed);
    for (std::size_t i = 0; i < OUTRIDER_WAIT_CLASSES; ++i) type.wait_ns[i] += load(slot.wait_ns[i]);
    type.interval_max_ns = std::max<std::uint64_t>(type.interval_max_ns, load(slot.max_ns[epoch % OUTRIDER_EPOCHS]));
    for (std::size_t i = 0; i < type.histogram.size(); ++i) type.histogram[i] += load(slot.histogram[i]);
  }
  // The counters are read one after another while they grow.
  type.timed = type.queries - std::min(type.queries, untimed);
  return type;
}

void CounterMaps::keep_exited() {
  for (std::uint32_t index = 0; index < OUTRIDER_MAX_TARGETS; ++index) {
    exited_[index] = {};
    for (unsigned shard = 0; shard < OUTRIDER_MAX_SHARDS; ++shard) {
      const outrider_target_cell& cell =
          cells_.as<outrider_target_cell>()[std::size_t{index} * OUTRIDER_MAX_SHARDS + shard];
      exited_[index].cpu_ns += load(cell.exited_cpu_ns);
      exited_[index].faults += load(cell.exited_faults);
    }
  }
}

std::array<std::uint64_t, OUTRIDER_RUNS> CounterMaps::runs(std::uint32_t index) const {
  std::array<std::uint64_t, OUTRIDER_RUNS> sum{};
  for (unsigned shard = 0; shard < OUTRIDER_MAX_SHARDS; ++shard) {
    const outrider_target_cell& cell =
        cells_.as<outrider_target_cell>()[std::size_t{index} * OUTRIDER_MAX_SHARDS + shard];
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += load(cell.runs[i]);
  }
  return sum;
}

void CounterMaps::add_blocks(std::uint32_t target, TargetCounters& counters) const {
  for (const Block& block : blocks_) {
    const NamedSlot* waiter = slot_at(block.key.waiter);
    const NamedSlot* waker = slot_at(block.key.waker);
    if (waiter == nullptr || waiter->key.target != target || block.key.wait_class >= OUTRIDER_WAIT_CLASSES) continue;
    counters.blocks.push_back(
        {waiter->name, waker == nullptr ? "" : waker->name, block.key.wait_class, block.sum.count, block.sum.ns});
  }
}

TargetCounters CounterMaps::read(std::uint32_t index, std::uint32_t epoch) {
  TargetCounters counters;
  counters.time_ns = monotonic_ns();
  const outrider_target& state = target(index);
  counters.concurrent = std::max<std::int64_t>(0, load(state.concurrent));
  counters.interval_peak = load(state.peak[epoch % OUTRIDER_EPOCHS]);
  counters.oldest_start_ns = state.oldest_start_ns;
  counters.threads = state.live_threads;
  counters.cpu_ns = exited_[index].cpu_ns + state.live_cpu_ns;
  counters.faults = exited_[index].faults + state.live_faults;
  const auto mine = [index](const NamedSlot& named) { return named.key.target == index; };
  counters.types.reserve(static_cast<std::size_t>(std::count_if(named_.begin(), named_.end(), mine)));
  for (const NamedSlot& named : named_) {
    if (!mine(named)) continue;
    TypeCounters type = read_slot(named, epoch);
    const bool has_list = type.queries > 0 && named.key.nested == 0;
    if (has_list && !slow_.read(named.index, epoch, valid_utf8(named.name), counters.slow)) ++slow_missed_[index];
    if (type.queries > 0 || type.abandoned > 0) counters.types.push_back(std::move(type));
  }
  for (unsigned shard = 0; shard < OUTRIDER_MAX_SHARDS; ++shard) {
    const outrider_target_cell& cell =
        cells_.as<outrider_target_cell>()[std::size_t{index} * OUTRIDER_MAX_SHARDS + shard];
    counters.starts += load(cell.starts);
    counters.cache_hits += load(cell.cache_hits);
    counters.cache_misses += load(cell.cache_misses);
    for (std::size_t i = 0; i < counters.losses.size(); ++i) counters.losses[i] += load(cell.losses[i]);
  }
  counters.runs = runs(index);
  counters.losses[OUTRIDER_LOSS_SLOW_BUSY] += slow_missed_[index];
  add_blocks(index, counters);
  for (const NamedPhase& phase : phases_) {
    if (phase.target != index) continue;
    PhaseCounters& sum = counters.phases[phase.name];
    for (unsigned shard = 0; shard < OUTRIDER_MAX_SHARDS; ++shard) {
      const auto& cell = phase_cells_.as<outrider_phase_cell>()[std::size_t{phase.index} * OUTRIDER_MAX_SHARDS + shard];
      sum.count += load(cell.count);
      sum.total_ns += load(cell.total_ns);
    }
  }
  return counters;
}

}  // namespace outrider
