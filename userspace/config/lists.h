// The arrays of tables: targets and tiers of the store, and what other arrays of tables have in common with them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "userspace/config/config.h"
#include "userspace/config/reader.h"

namespace outrider {

/// The table `labels` in `table`, if there is one: names that metrics may carry, and texts.
void read_labels(Reader& reader, const toml::table& table, const std::string& prefix,
                 std::map<std::string, std::string>& into);

/// What a target leaves out comes from `config`, whose other tables must be read already.
void read_targets(Reader& reader, const toml::table& root, Config& config);

/// `store` is the table of the store, or null.
void read_tiers(Reader& reader, const toml::table* store, Config& config);

}  // namespace outrider
