#include "usdt/example/query_record.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <iterator>

namespace outrider::example {

namespace {

constexpr size_t kReservoir = 1 << 14;
constexpr const char* kPartSuffix = ".part";

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using OpenFile = std::unique_ptr<std::FILE, FileCloser>;

/// The value below which `share` of the sorted sample lies (nearest rank).
uint64_t percentile(const std::vector<uint64_t>& sorted, double share) {
  const auto rank = static_cast<size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::max<size_t>(rank, 1) - 1];
}

void append_row(fmt::memory_buffer& out, const RecordEntry& e) {
  fmt::format_to(std::back_inserter(out), "{},{},{},{},{},{},{},{},{},{}\n", e.start_ns, e.start_ns + e.duration_ns,
                 query_type_name(e.type), e.ok ? 1 : 0, e.thread, e.hits, e.misses, planted_class_name(e.wait),
                 e.wait_ns, e.detached_ns);
}

bool write_rows(std::FILE* file, const std::vector<RecordEntry>& entries) {
  constexpr size_t kFlush = 1 << 20;
  fmt::memory_buffer out;
  fmt::format_to(std::back_inserter(out),
                 "start_ns,end_ns,type,ok,thread,hits,misses,wait_class,wait_ns,detached_ns\n");
  for (const RecordEntry& entry : entries) {
    append_row(out, entry);
    if (out.size() < kFlush) continue;
    if (std::fwrite(out.data(), 1, out.size(), file) != out.size()) return false;
    out.clear();
  }
  return std::fwrite(out.data(), 1, out.size(), file) == out.size() && std::fflush(file) == 0;
}

}  // namespace

const char* query_type_name(QueryType type) {
  constexpr const char* kNames[kQueryTypes] = {"factual", "relational", "hierarchical", "path", "aggregate", "lookup"};
  return kNames[static_cast<size_t>(type)];
}

const char* planted_class_name(PlantedClass wait) {
  constexpr const char* kNames[] = {"",        "cpu",  "disk",  "page_fault", "lock",    "sync",
                                    "network", "poll", "sleep", "ipc",        "io_uring"};
  return kNames[static_cast<size_t>(wait)];
}

WorkerRecord::WorkerRecord(bool keep_entries, uint64_t seed) : keep_entries_(keep_entries), rng_(seed, 0) {
  if (!keep_entries_) return;
  // The first chunk is touched here, so that the first queries do not pay for its page faults.
  chunks_.push_back(std::make_unique<RecordEntry[]>(kChunk));
  used_ = 0;
}

void WorkerRecord::add(const RecordEntry& entry) {
  TypeSummary& summary = types_[static_cast<size_t>(entry.type)];
  summary.count++;
  summary.errors += entry.ok ? 0 : 1;
  summary.total_ns += static_cast<double>(entry.duration_ns);
  if (!keep_entries_) return sample(summary, entry.duration_ns);
  if (used_ == kChunk) {
    chunks_.push_back(std::make_unique<RecordEntry[]>(kChunk));
    used_ = 0;
  }
  chunks_.back()[used_++] = entry;
}

void WorkerRecord::sample(TypeSummary& summary, uint64_t duration_ns) {
  if (summary.sample.size() < kReservoir) {
    summary.sample.push_back(duration_ns);
  } else if (const uint64_t at = rng_.next() % summary.count; at < kReservoir) {
    summary.sample[at] = duration_ns;
  }
}

QueryRecord::QueryRecord(size_t workers, bool keep_entries, uint64_t seed) {
  for (size_t i = 0; i < workers; i++) workers_.push_back(std::make_unique<WorkerRecord>(keep_entries, seed + i));
}

std::vector<RecordEntry> QueryRecord::sorted() const {
  std::vector<RecordEntry> entries;
  for (const auto& worker : workers_) {
    for (const auto& chunk : worker->chunks_) {
      const size_t count = chunk == worker->chunks_.back() ? worker->used_ : WorkerRecord::kChunk;
      entries.insert(entries.end(), chunk.get(), chunk.get() + count);
    }
  }
  std::sort(entries.begin(), entries.end(),
            [](const RecordEntry& a, const RecordEntry& b) { return a.start_ns < b.start_ns; });
  return entries;
}

Status QueryRecord::check_writable(const std::string& path) {
  const std::string beside = path + kPartSuffix;
  const OpenFile file(std::fopen(beside.c_str(), "we"));
  if (!file) return Error::from_errno(errno, "cannot write the record " + path);
  ::unlink(beside.c_str());
  return Ok{};
}

Status QueryRecord::write_csv(const std::string& path) const {
  const std::string beside = path + kPartSuffix;
  OpenFile file(std::fopen(beside.c_str(), "we"));
  if (!file) return Error::from_errno(errno, "cannot write the record " + path);
  const bool written = write_rows(file.get(), sorted());
  const int code = errno;
  file.reset();
  if (written && std::rename(beside.c_str(), path.c_str()) == 0) return Ok{};
  const int why = written ? errno : code;
  ::unlink(beside.c_str());
  return Error::from_errno(why, "cannot write the record " + path);
}

std::string QueryRecord::summary() const {
  TypeSummary totals[kQueryTypes];
  for (const auto& worker : workers_) {
    for (size_t type = 0; type < kQueryTypes; type++) {
      const TypeSummary& one = worker->types_[type];
      totals[type].count += one.count;
      totals[type].errors += one.errors;
      totals[type].total_ns += one.total_ns;
      totals[type].sample.insert(totals[type].sample.end(), one.sample.begin(), one.sample.end());
    }
  }
  for (const RecordEntry& entry : sorted()) totals[static_cast<size_t>(entry.type)].sample.push_back(entry.duration_ns);

  std::string text;
  for (size_t type = 0; type < kQueryTypes; type++) {
    TypeSummary& total = totals[type];
    if (total.count == 0) continue;
    std::sort(total.sample.begin(), total.sample.end());
    const auto us = [&](double share) { return static_cast<double>(percentile(total.sample, share)) / 1e3; };
    text += fmt::format(
        "{:<13} count {:>9}  errors {:>7}  mean {:>10.2f} us  p50 {:>10.2f}  p95 {:>10.2f}  p99 {:>10.2f}\n",
        query_type_name(static_cast<QueryType>(type)), total.count, total.errors,
        total.total_ns / static_cast<double>(total.count) / 1e3, us(0.5), us(0.95), us(0.99));
  }
  return text;
}

}  // namespace outrider::example
