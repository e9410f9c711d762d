// The shipped profile files (usdt/profiles/*.toml) as text inside the binary; the source is generated at build time.
#pragma once

#include <string_view>
#include <vector>

namespace outrider {

struct EmbeddedProfile {
  std::string_view file_name;
  std::string_view text;
};

/// All shipped profiles, sorted by file name. Thread-safe, lives as long as the program.
const std::vector<EmbeddedProfile>& embedded_profiles();

}  // namespace outrider
