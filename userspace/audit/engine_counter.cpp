#include "userspace/audit/engine_counter.h"

#include <cerrno>

namespace outrider {

Result<std::unique_ptr<EngineCounter>> make_engine_counter(const std::string& source) {
  if (source.starts_with("redis://") || source.starts_with("unix://")) return make_redis_counter(source);
  if (source.starts_with("postgresql://")) return make_postgresql_counter(source);
  return Error{"an audit asks redis://HOST:PORT, unix:///PATH or postgresql://...", EINVAL};
}

}  // namespace outrider
