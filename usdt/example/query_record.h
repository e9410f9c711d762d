// The engine's own exact record of every query that ended: the truth that the profiler is checked against.
// Each worker writes to a buffer of its own, so recording takes no lock; read only when the workers have stopped.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "usdt/example/rng.h"
#include "userspace/base/result.h"

namespace outrider::example {

enum class QueryType : uint8_t { kFactual, kRelational, kHierarchical, kPath, kAggregate, kLookup };
constexpr size_t kQueryTypes = 6;
const char* query_type_name(QueryType type);

/// Which class of MISSION.md's table a planted wait belongs to. kNone: nothing was planted.
enum class PlantedClass : uint8_t {
  kNone,
  kCpu,
  kDisk,
  kPageFault,
  kLock,
  kSync,
  kNetwork,
  kPoll,
  kSleep,
  kIpc,
  kIoUring
};
const char* planted_class_name(PlantedClass wait);

struct RecordEntry {
  uint64_t start_ns = 0;     ///< CLOCK_MONOTONIC
  uint64_t duration_ns = 0;  ///< as the guard measured it
  uint64_t wait_ns = 0;
  uint64_t detached_ns = 0;  ///< on no thread, between release() and attach()
  uint32_t thread = 0;       ///< kernel thread id of the thread that ended the query
  uint16_t hits = 0;
  uint16_t misses = 0;
  QueryType type = QueryType::kFactual;
  PlantedClass wait = PlantedClass::kNone;
  bool ok = true;
};

/// Exact counts and a mean per type; the sample is all durations when a record is kept, else a fair reservoir of them.
struct TypeSummary {
  uint64_t count = 0;
  uint64_t errors = 0;
  double total_ns = 0;
  std::vector<uint64_t> sample;
};

class WorkerRecord {
 public:
  explicit WorkerRecord(bool keep_entries, uint64_t seed);
  void add(const RecordEntry& entry);

 private:
  friend class QueryRecord;
  void sample(TypeSummary& summary, uint64_t duration_ns);

  static constexpr size_t kChunk = 1 << 15;
  bool keep_entries_;
  Rng rng_;
  std::vector<std::unique_ptr<RecordEntry[]>> chunks_;
  size_t used_ = kChunk;  // of the last chunk
  TypeSummary types_[kQueryTypes];
};

class QueryRecord {
 public:
  /// One buffer per worker. Without `keep_entries` memory is bounded and only the summary can be had.
  QueryRecord(size_t workers, bool keep_entries, uint64_t seed);

  WorkerRecord& worker(size_t index) { return *workers_[index]; }

  /// Every entry, in the order of the starts.
  [[nodiscard]] std::vector<RecordEntry> sorted() const;
  /// Whether `write_csv` could write there; to be asked before an hour of load. Leaves no file.
  static Status check_writable(const std::string& path);
  /// Writes the CSV, whole or not at all: to a file beside it that is then renamed.
  [[nodiscard]] Status write_csv(const std::string& path) const;
  /// One line per type that occurred: count, errors, mean, p50, p95, p99.
  [[nodiscard]] std::string summary() const;

 private:
  std::vector<std::unique_ptr<WorkerRecord>> workers_;
};

}  // namespace outrider::example
