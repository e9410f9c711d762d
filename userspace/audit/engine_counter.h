// What an engine itself says of how many queries it has run: Redis in INFO, PostgreSQL in pg_stat_statements. Asked
// like any client would, and only read; each reading makes a connection of its own. Each call blocks for about
// kPatience at most, and for as long as the system takes for a host's name. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "userspace/base/result.h"

namespace outrider {

struct EngineCount {
  std::uint64_t queries = 0;  ///< since some moment
  std::string epoch;          ///< another one than before: that moment is another one, or some of them were forgotten
};

class EngineCounter {
 public:
  static constexpr std::chrono::seconds kPatience{5};

  virtual ~EngineCounter() = default;
  /// Errors: the engine does not answer, lets nobody in, or does not count.
  virtual Result<EngineCount> read() = 0;
  /// Queries that failed are among those that it counts.
  [[nodiscard]] virtual bool counts_failed() const = 0;
};

/// `source` is redis://HOST:PORT or unix:///PATH (Redis), or a URI of libpq, postgresql://... Errors: it is none of
/// them.
Result<std::unique_ptr<EngineCounter>> make_engine_counter(const std::string& source);

/// From the answer to Redis's INFO: the calls of all commands, and the server's run. Errors: either is not there.
Result<EngineCount> parse_redis_info(std::string_view info);

/// Of each engine; see make_engine_counter(). What is wrong with a URI of libpq shows when it is read.
Result<std::unique_ptr<EngineCounter>> make_redis_counter(const std::string& source);
std::unique_ptr<EngineCounter> make_postgresql_counter(const std::string& uri);

}  // namespace outrider
