// The loaded BPF programs and maps, and who is watched. One session an agent; owns everything it loaded and lets it go
// when destroyed (links are never pinned, so a killed agent leaves nothing behind). Not thread-safe. Needs CAP_BPF and
// CAP_PERFMON.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bpf/abi/abi.h"
#include "userspace/base/result.h"
#include "userspace/kernel/probe_set.h"
#include "userspace/kernel/program_time.h"
#include "userspace/model/counters.h"

namespace outrider {

struct SessionOptions {
  bool use_uprobe_multi = true;             ///< else perf events, one a site
  unsigned max_types = OUTRIDER_MAX_SLOTS;  ///< slots, all targets together
  unsigned max_types_per_target = 256;
};

/// The watched processes that live.
struct LivingProcesses {
  std::map<std::uint32_t, std::vector<pid_t>> processes;  ///< by target, ascending; targets without any are left out
  std::uint64_t files = 0;                                ///< that any of them has mapped, one bit each
};

class BpfSession {
 public:
  static Result<BpfSession> make(const SessionOptions& options);

  BpfSession(BpfSession&&) noexcept;
  BpfSession& operator=(BpfSession&&) noexcept;
  ~BpfSession();

  /// A new target that no process belongs to yet; its mode is off. Error: all OUTRIDER_MAX_TARGETS are taken.
  Result<std::uint32_t> add_target();

  /// Nobody belongs to `target` any more, and its types have no slots any more. add_target() may hand its number out
  /// again, with the other counters, those of `other` and of phases too, going on.
  void remove_target(std::uint32_t target);

  /// `pid` belongs to `target` from now on, its forks too, until it exits or becomes another program. `files`: the
  /// probed files that it has mapped, one bit each as in outrider_site::file.
  Status watch_process(pid_t pid, std::uint32_t target, std::uint64_t files = 0);
  void forget_process(pid_t pid);

  /// The file that the target's processes run: an exec of another file leaves the target.
  void set_executable(std::uint32_t target, std::uint32_t device, std::uint64_t inode);

  /// Every process that execs this file from now on joins `target`, with these `files` mapped; if `comm` is not empty,
  /// those that the kernel calls so (15 bytes at most).
  Status watch_executable(std::uint32_t device, std::uint64_t inode, std::uint32_t target, std::uint64_t files = 0,
                          const std::string& comm = {});
  void forget_executable(std::uint32_t device, std::uint64_t inode);

  /// The target that a process belongs to now, and the one that an executable's next process, so called, will belong
  /// to.
  [[nodiscard]] std::optional<std::uint32_t> target_of(pid_t pid) const;
  [[nodiscard]] std::optional<std::uint32_t> target_of(std::uint32_t device, std::uint64_t inode,
                                                       const std::string& comm) const;

  /// The watched processes that live, and drops what is kept of those that have ended: to be called several times a
  /// second, or a storm of short-lived processes fills the table. One walk through a large table: for all targets it
  /// costs no more than for one.
  LivingProcesses take_living();
  /// Those of one target, in ascending order. Drops nothing.
  [[nodiscard]] std::vector<pid_t> processes(std::uint32_t target) const;

  /// Probes for a file, not attached yet. `path` must stay valid while the set lives ("/proc/self/fd/N").
  Result<ProbeSet> make_probes(const std::string& path, const std::vector<ProbeSite>& sites);

  /// The bits of the files that may be the same one as that of `probes` under another name, its own included.
  Status set_twins(ProbeSet& probes, std::uint64_t twins);

  /// Mode of a target's query probes. Queries in flight are dropped and counted as discarded, for ends were missed or
  /// will be. The scheduler's hooks, which every task on the host pays for, are attached while a target's mode is full.
  /// Error: they could not be; the mode is as before.
  Status set_mode(std::uint32_t target, outrider_mode mode);
  void discard_in_flight(std::uint32_t target);

  /// From now on, or no more, are both ends of the target's queries probed. A query that ends without its start having
  /// been seen is counted by its end if it began before, and is a loss if not. Takes some milliseconds to say that they
  /// are.
  void set_complete(std::uint32_t target, bool complete);

  /// The same for phases.
  void set_phases_complete(std::uint32_t target, bool complete);

  /// Closes the interval: maxima and peaks are collected anew from here on. Then walks the tasks.
  Status next_interval();

  /// The walk alone, for a baseline in the middle of an interval.
  Status take_stock();

  /// The counters of `target`; interval figures are those of the interval last closed.
  [[nodiscard]] TargetCounters read(std::uint32_t target);
  [[nodiscard]] std::array<std::uint64_t, OUTRIDER_RUNS> runs(std::uint32_t target) const;

  /// From now on, or no more, is the text of the target's queries read, where its engine's probes have one.
  void set_texts(std::uint32_t target, bool wanted);

  /// From now on are the target's types statements of that dialect, or, with none, their first keywords, where there is
  /// a text.
  /// `by`: OUTRIDER_BY_*, whose statements are types of their own; of processes with PostgreSQL's titles.
  void set_statements(std::uint32_t target, outrider_sql_dialect dialect, std::uint32_t by = 0);

  /// See CounterMaps; at the end of an interval, after read(). `sharers`: targets that are watched, each of which has
  /// its share of the slots.
  std::vector<std::string> make_room(std::uint32_t target, std::size_t sharers);

  /// What a type's statement says; see CounterMaps.
  [[nodiscard]] std::shared_ptr<const std::string> statement(const std::string& type) const;
  /// Whose queries alone are of the type; see CounterMaps.
  [[nodiscard]] std::shared_ptr<const ClientSession> session(const std::string& type) const;

  /// The oldest queries of `target` that are in flight for so long, `most` of them; see InFlightLister.
  [[nodiscard]] Result<std::vector<InFlightQuery>> in_flight(std::uint32_t target,
                                                             std::chrono::nanoseconds for_at_least,
                                                             std::size_t most) const;

  /// The query types of `target` by slot, nested ones too; in UTF-8, as everywhere.
  [[nodiscard]] std::map<std::uint32_t, std::string> type_names(std::uint32_t target) const;

  /// Descriptors of the maps by name, for programs of another object. They stay the session's.
  [[nodiscard]] std::map<std::string, int> maps() const;

  /// Bytes of all maps, as the kernel accounts them.
  [[nodiscard]] std::uint64_t map_bytes() const;

  /// Attaches or detaches the scheduler's hooks whatever the targets' modes; the next set_mode() puts that right.
  Status hook_scheduler(bool on);

  /// File descriptors of the programs, by enum outrider_run, for their run time.
  [[nodiscard]] ProgramDescriptors programs() const;

 private:
  struct State;
  explicit BpfSession(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace outrider
