// Makes a query wait in a chosen way for a chosen time, and measures how long it did: the known truth for a wait
// breakdown. One planter per thread; what they share is in WaitSources, which must outlive them.
#pragma once

#include <sys/mman.h>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "usdt/example/convoy_lock.h"
#include "usdt/example/data_file.h"
#include "usdt/example/fault_spec.h"
#include "usdt/example/io_uring_timer.h"
#include "usdt/example/query_record.h"
#include "usdt/example/releaser.h"
#include "userspace/base/fd.h"
#include "userspace/base/result.h"

namespace outrider::example {

struct PlantedWait {
  PlantedClass wait = PlantedClass::kNone;
  uint64_t ns = 0;  ///< off the CPU (for kCpu: on it), in the planted operation only
};

struct WaitSources {
  Releaser& releaser;
  const DataFile& data_file;
  ConvoyLock& convoy;  ///< somebody else holds it for milliseconds while a lock fault is active
  size_t planters;     ///< how many threads share the cold space
};

struct Unmap {
  size_t bytes = 0;
  void operator()(char* address) const { ::munmap(address, bytes); }
};
using Mapping = std::unique_ptr<char, Unmap>;

class WaitPlanter {
 public:
  /// Opens what the kinds in `plan` need. `index` chooses this thread's part of the cold space.
  static Result<std::unique_ptr<WaitPlanter>> make(const WaitSources& sources, const FaultPlan& plan, size_t index);
  ~WaitPlanter();
  WaitPlanter(const WaitPlanter&) = delete;
  WaitPlanter& operator=(const WaitPlanter&) = delete;

  /// Waits; `kind` must be a planted wait of the plan given to `make`.
  PlantedWait plant(FaultKind kind, double ms);

 private:
  explicit WaitPlanter(const WaitSources& sources) : sources_(sources) {}
  Status open_pipe();
  Status open_socket();
  Status open_disk();
  Status open_mapping(size_t index);
  Status open_io_uring();

  uint64_t wait_for_lock();
  uint64_t wait_for_condition(uint64_t ns);
  uint64_t wait_for_pipe(uint64_t ns);
  uint64_t wait_for_socket(uint64_t ns);
  uint64_t wait_for_poll(uint64_t ns);
  uint64_t read_disk(uint64_t ns);
  uint64_t touch_cold_pages(uint64_t ns);
  void evict();

  WaitSources sources_;
  std::mutex mutex_;  // of released_
  std::condition_variable condition_;
  bool released_ = false;
  Fd pipe_read_, pipe_write_;
  Fd socket_here_, socket_there_;
  Fd direct_;
  Mapping buffer_;      // aligned, for O_DIRECT
  Mapping cold_;        // this thread's part of the cold space
  size_t cold_at_ = 0;  // of that part, in the file
  size_t next_page_ = 0;
  Rng rng_{0, 0};
  std::optional<IoUringTimer> io_uring_;
};

}  // namespace outrider::example
