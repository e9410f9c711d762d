// Reads and writes the configuration file. All errors come at once, one a line and sorted by place, each as
// "FILE:LINE:COLUMN: KEY: found this, expected that". Pure but for reading files; thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "userspace/base/result.h"
#include "userspace/config/config.h"

namespace outrider {

/// The configuration in `text`; `file` is what messages call it. Files that it names are not looked at.
/// Error: code EINVAL, the lines of all errors joined by newlines.
Result<Config> parse_config(std::string_view text, const std::string& file);

/// The same for a file, with the rules of the files that it names; the secrets that it names must be readable and
/// private. Error: as above, or the errno of a file that cannot be read.
Result<Config> load_config(const std::string& path);

/// Every key with its value; parse_config() gives the same configuration back, but for rules that files hold.
std::string to_toml(const Config& config);

/// A token or password: the file's text without the newline at its end. Error: unreadable, readable by every user,
/// empty, more than one line, too long.
Result<std::string> read_secret(const std::string& path);

}  // namespace outrider
