// A bounded cache from 64-bit keys to 64-bit answers that evicts what was used longest ago, in shards with a mutex each
// so that threads seldom meet. Thread-safe. Capacity is split evenly among the shards.
#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace outrider::example {

class LruCache {
 public:
  explicit LruCache(size_t capacity, size_t shards = 16)
      : shards_(shards), shard_capacity_((capacity + shards - 1) / shards) {}

  /// The answer, which becomes the most recently used one.
  std::optional<uint64_t> get(uint64_t key) {
    Shard& shard = shard_of(key);
    const std::lock_guard guard(shard.mutex);
    const auto it = shard.where.find(key);
    if (it == shard.where.end()) return std::nullopt;
    shard.entries.splice(shard.entries.begin(), shard.entries, it->second);
    return it->second->second;
  }

  void put(uint64_t key, uint64_t value) {
    Shard& shard = shard_of(key);
    const std::lock_guard guard(shard.mutex);
    if (const auto it = shard.where.find(key); it != shard.where.end()) {
      it->second->second = value;
      shard.entries.splice(shard.entries.begin(), shard.entries, it->second);
      return;
    }
    if (shard.entries.size() >= shard_capacity_) {
      shard.where.erase(shard.entries.back().first);
      shard.entries.pop_back();
    }
    shard.entries.emplace_front(key, value);
    shard.where[key] = shard.entries.begin();
  }

  [[nodiscard]] size_t size() {
    size_t total = 0;
    for (Shard& shard : shards_) {
      const std::lock_guard guard(shard.mutex);
      total += shard.entries.size();
    }
    return total;
  }

 private:
  using Entries = std::list<std::pair<uint64_t, uint64_t>>;
  struct Shard {
    std::mutex mutex;
    Entries entries;  // most recently used first
    std::unordered_map<uint64_t, Entries::iterator> where;
  };

  Shard& shard_of(uint64_t key) { return shards_[((key * 0x9e3779b97f4a7c15ULL) >> 32) % shards_.size()]; }

  std::vector<Shard> shards_;
  size_t shard_capacity_;
};

}  // namespace outrider::example
