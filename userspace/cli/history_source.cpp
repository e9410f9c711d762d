#include "userspace/cli/history_source.h"

#include <unistd.h>

#include <cerrno>

#include "userspace/config/load.h"

namespace outrider {
namespace {

constexpr const char* kDefaultConfig = "/etc/outrider/outrider.toml";

}  // namespace

Result<std::string> database_of(const std::string& database, const std::string& config) {
  if (!database.empty()) return database;
  const bool installed = config.empty();
  if (installed && access(kDefaultConfig, F_OK) != 0) return StoreConfig{}.path;
  const Result<Config> loaded = load_config(installed ? kDefaultConfig : config);
  if (!loaded) return Error{loaded.error().message, EINVAL};
  if (!loaded->store.enabled) return Error{"that configuration keeps no history: [store] enabled is false"};
  return loaded->store.path;
}

HistorySource source_of(StoreReader& reader) {
  return {[&reader](const HistoryQuery& query) { return reader.history(query); },
          [&reader] { return reader.targets(); }, [&reader](const std::string& target) { return reader.types(target); },
          [&reader](const HistoryQuery& query, const VisitStep& visit) { return reader.for_each_step(query, visit); },
          [&reader](std::int64_t from_ms, std::int64_t to_ms) { return reader.targets_in(from_ms, to_ms); }};
}

}  // namespace outrider
