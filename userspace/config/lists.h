// The arrays of tables: targets and tiers of the store.
#pragma once

#include "userspace/config/config.h"
#include "userspace/config/reader.h"

namespace outrider {

/// What a target leaves out comes from `config`, whose other tables must be read already.
void read_targets(Reader& reader, const toml::table& root, Config& config);

/// `store` is the table of the store, or null.
void read_tiers(Reader& reader, const toml::table* store, Config& config);

}  // namespace outrider
