// The array of tables [[alerts.channels]].
#pragma once

#include <string>
#include <vector>

#include "userspace/config/config.h"
#include "userspace/config/reader.h"

namespace outrider {

/// Replaces `channels` if `alerts`, the table at `prefix`, has any.
void read_channels(Reader& reader, const toml::table& alerts, const std::string& prefix,
                   std::vector<ChannelConfig>& channels);

/// The keys that a channel of this type may have, its type first.
std::vector<Field> channel_fields(ChannelConfig& channel);

}  // namespace outrider
