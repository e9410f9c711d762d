// Where commands find recorded history: which file it is, and how it is asked. Not thread-safe.
#pragma once

#include <string>

#include "userspace/base/result.h"
#include "userspace/history/history_view.h"
#include "userspace/store/store_reader.h"

namespace outrider {

/// `database`, else the store of the configuration `config`, else that of the installed configuration, else the
/// default. Error: that configuration cannot be read (code EINVAL), or it keeps no history.
Result<std::string> database_of(const std::string& database, const std::string& config);

/// Borrows `reader`.
HistorySource source_of(StoreReader& reader);

}  // namespace outrider
