#include "userspace/kernel/counter_maps.h"

#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "userspace/kernel/map_walk.h"

namespace outrider {
namespace {

// The kernel side changes counters while they are read.
template <typename T>
T load(const T& cell) {
  return __atomic_load_n(&cell, __ATOMIC_RELAXED);
}

std::size_t whole_pages(std::size_t size) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return (size + page - 1) / page * page;
}

std::string bounded(const char* text, std::size_t size) { return {text, strnlen(text, size)}; }

}  // namespace

std::uint64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

Result<MapMemory> MapMemory::make(int map_fd, std::size_t size) {
  MapMemory memory;
  memory.size_ = whole_pages(size);
  memory.address_ = mmap(nullptr, memory.size_, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
  if (memory.address_ == MAP_FAILED) {
    memory.address_ = nullptr;
    return Error::from_errno(errno, "map the kernel's counters");
  }
  return memory;
}

MapMemory::MapMemory(MapMemory&& other) noexcept
    : address_(std::exchange(other.address_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MapMemory& MapMemory::operator=(MapMemory&& other) noexcept {
  std::swap(address_, other.address_);
  std::swap(size_, other.size_);
  return *this;
}

MapMemory::~MapMemory() {
  if (address_ != nullptr) munmap(address_, size_);
}

Result<CounterMaps> CounterMaps::make(const CounterMapDescriptors& maps, unsigned shards) {
  CounterMaps counters;
  counters.maps_ = maps;
  counters.shards_ = shards;
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

void CounterMaps::learn_types() {
  named_.clear();
  for_each_entry<outrider_type_key, std::uint32_t>(
      maps_.types, [this](const outrider_type_key& key, std::uint32_t index) {
        if (index < used_) {
          named_.push_back({index, key.target, key.nested != 0, bounded(&key.name[0], sizeof(key.name))});
        }
      });
}

void CounterMaps::learn_phases() {
  phases_.clear();
  for_each_entry<outrider_phase_key, std::uint32_t>(
      maps_.phase_types, [this](const outrider_phase_key& key, std::uint32_t index) {
        if (index < OUTRIDER_MAX_PHASES)
          phases_.push_back({index, key.target, bounded(&key.name[0], sizeof(key.name))});
      });
}

Status CounterMaps::refresh(std::uint32_t used, std::uint32_t used_phases) {
  // A slot is handed out before its name is entered: learn again until every one has a name.
  if (used != used_ || named_.size() < used) {
    if (used > used_) {
      Result<MapMemory> memory = MapMemory::make(maps_.slots, sizeof(outrider_slot) * used * shards_);
      if (!memory) return memory.error();
      slots_ = std::move(*memory);
    }
    used_ = used;
    learn_types();
  }
  if (used_phases != used_phases_ || phases_.size() < used_phases) {
    used_phases_ = used_phases;
    learn_phases();
  }
  return Ok{};
}

void CounterMaps::clear_epoch(std::uint32_t epoch) {
  const std::uint32_t cell = epoch % OUTRIDER_EPOCHS;
  auto* slots = slots_.as<outrider_slot>();
  for (std::size_t i = 0; i < std::size_t{used_} * shards_; ++i)
    __atomic_store_n(&slots[i].max_ns[cell], 0, __ATOMIC_RELAXED);
  for (std::uint32_t i = 0; i < OUTRIDER_MAX_TARGETS; ++i) {
    __atomic_store_n(&target(i).peak[cell], 0, __ATOMIC_RELAXED);
  }
}

TypeCounters CounterMaps::read_slot(const NamedSlot& named, std::uint32_t epoch) const {
  TypeCounters type;
  type.type = named.name;
  type.nested = named.nested;
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
  const auto mine = [index](const NamedSlot& named) { return named.target == index; };
  counters.types.reserve(static_cast<std::size_t>(std::count_if(named_.begin(), named_.end(), mine)));
  for (const NamedSlot& named : named_) {
    if (!mine(named)) continue;
    TypeCounters type = read_slot(named, epoch);
    if (type.queries > 0 || type.abandoned > 0) counters.types.push_back(std::move(type));
  }
  for (unsigned shard = 0; shard < OUTRIDER_MAX_SHARDS; ++shard) {
    const outrider_target_cell& cell =
        cells_.as<outrider_target_cell>()[std::size_t{index} * OUTRIDER_MAX_SHARDS + shard];
    counters.starts += load(cell.starts);
    counters.cache_hits += load(cell.cache_hits);
    counters.cache_misses += load(cell.cache_misses);
    for (std::size_t i = 0; i < counters.losses.size(); ++i) counters.losses[i] += load(cell.losses[i]);
    for (std::size_t i = 0; i < counters.runs.size(); ++i) counters.runs[i] += load(cell.runs[i]);
  }
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
