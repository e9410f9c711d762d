// The agent's view of the kernel's counters: maps that are memory of both, read without a system call. Owns its
// mappings; not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bpf/abi/abi.h"
#include "userspace/base/result.h"
#include "userspace/kernel/map_memory.h"
#include "userspace/kernel/slow_lists.h"
#include "userspace/model/counters.h"

namespace outrider {

struct CounterMapDescriptors {
  int slots = -1, types = -1, targets = -1, cells = -1, phases = -1, phase_types = -1, slow_lists = -1, slow_texts = -1;
  int statements = -1, blocks = -1, free_slots = -1;
};

class CounterMaps {
 public:
  CounterMaps() = default;
  static Result<CounterMaps> make(const CounterMapDescriptors& maps, unsigned shards);

  [[nodiscard]] outrider_target& target(std::uint32_t index) { return targets_.as<outrider_target>()[index]; }

  /// Maps slots handed out since the last call (`used` in all, which got names `named` times) and learns their names.
  /// Error: out of memory.
  Status refresh(std::uint32_t used, std::uint32_t named, std::uint32_t used_phases);

  /// Where more than three quarters of a target's `most` types are taken: the statements that are met least are given
  /// up. A slot is taken back when no query of before is in flight. Returns the types that have none any more.
  std::vector<std::string> make_room(std::uint32_t target, std::uint32_t most);

  /// Gives the slots of a target back, but for those of `other`, empty. Nothing counts there any more: its mode is off,
  /// and its number belongs to nobody. Types that refresh() has not learned stay.
  void forget_types(std::uint32_t target);

  /// The names (UTF-8) of a target's types by slot, as they are now.
  [[nodiscard]] std::map<std::uint32_t, std::string> type_names(std::uint32_t target);

  /// What a type's statement says, without its data; nothing for types that are no statements.
  [[nodiscard]] std::shared_ptr<const std::string> statement(const std::string& type) const;
  /// Whose queries alone are of the type; null: anybody's.
  [[nodiscard]] std::shared_ptr<const ClientSession> session(const std::string& type) const;

  /// What the lists of the slowest have of a target whose number another one gets.
  void forget_slow(std::uint32_t target);

  /// Clears the interval cells of `epoch`, which nobody writes yet.
  void clear_epoch(std::uint32_t epoch);

  /// Notes what the threads that are gone had used; read() adds it to what a walk over the live ones found since.
  void keep_exited();

  /// Sums a target's counters over the shards; interval cells are those of `epoch`.
  [[nodiscard]] TargetCounters read(std::uint32_t target, std::uint32_t epoch);

  /// Of those the runs of each program alone, for a fraction of the time.
  [[nodiscard]] std::array<std::uint64_t, OUTRIDER_RUNS> runs(std::uint32_t target) const;

 private:
  struct NamedSlot {
    std::uint32_t index = 0;
    outrider_type_key key{};
    std::string name;
    std::uint64_t given_up_ns = 0;  ///< no query of this type begins in it since then; 0: its type has it

    [[nodiscard]] bool is_statement() const { return key.name[0] == OUTRIDER_STATEMENT_MARK; }
  };
  struct KnownStatement {
    std::shared_ptr<const std::string> text;
    std::shared_ptr<const ClientSession> session;
  };
  /// How much a slot is used, of late more than before.
  struct Use {
    std::uint64_t queries = 0;  ///< when it was last looked at
    double score = 0;
    std::uint32_t times = 0;  ///< that it was taken back
  };
  struct NamedPhase {
    std::uint32_t index = 0;
    std::uint32_t target = 0;
    std::string name;
  };
  struct Block {
    outrider_block_key key;
    outrider_block sum;
  };
  struct Exited {
    std::uint64_t cpu_ns = 0;
    std::uint64_t faults = 0;
  };

  [[nodiscard]] TypeCounters read_slot(const NamedSlot& slot, std::uint32_t epoch) const;
  void learn_types();
  /// A statement's is made of what it says, and is remembered.
  [[nodiscard]] std::string name_of(const outrider_type_key& key);
  void learn_phases();
  void read_blocks();
  void add_blocks(std::uint32_t target, TargetCounters& counters) const;
  [[nodiscard]] std::uint64_t queries_of(std::uint32_t slot) const;
  void give_up_least(std::uint32_t target, std::uint32_t count);
  void take_back(const NamedSlot& slot);
  /// Those in `over`, which are out of `named_`. Returns the statements that have none any more.
  std::vector<std::string> take_back_all(const std::vector<NamedSlot>& over);
  void forget_retired();
  /// Null: nobody's, or not yet.
  [[nodiscard]] const NamedSlot* slot_at(std::uint32_t index) const;

  CounterMapDescriptors maps_;
  unsigned shards_ = 1;
  std::uint32_t used_ = 0;
  std::uint32_t used_phases_ = 0;
  MapMemory slots_, targets_, cells_, phase_cells_;
  SlowLists slow_;
  std::array<Exited, OUTRIDER_MAX_TARGETS> exited_{};
  std::array<std::uint64_t, OUTRIDER_MAX_TARGETS> slow_missed_{};  ///< lists that were in use for too long
  std::vector<NamedSlot> named_;
  std::vector<Use> uses_;              ///< by slot
  std::uint32_t names_learned_ = 0;    ///< as `named` of refresh()
  std::vector<std::size_t> position_;  ///< of a slot in `named_`, by its index; beyond the end: it has no name yet
  std::map<std::uint64_t, std::string> statement_types_;  ///< names by fingerprint
  std::map<std::string, KnownStatement> statements_;      ///< by name
  std::deque<std::uint64_t> retired_;  ///< fingerprints of types that were given up, the oldest first
  std::vector<NamedPhase> phases_;
  std::vector<Block> blocks_;  ///< of all targets, as refresh() found them
};

}  // namespace outrider
