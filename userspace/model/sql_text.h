// What of an SQL text may be shown to anybody: everything but the data in it. Pure function, thread-safe.
#pragma once

#include <string>
#include <string_view>

namespace outrider {

/// `sql` with every literal replaced by `?`, comments removed and white space made one blank each. Strings are those of
/// PostgreSQL ('', E'', $tag$) and of the standard (X'', B'', N'', U&''); names in double quotes stay. Never more than
/// the input shows: where a text is cut (`is_cut`, or a literal without an end), and where it is open whether a
/// literal ends (a backslash before the quote, a name right behind it or before it), the rest is left out and "..."
/// says so. The text is one that its engine could parse: in one with a quote too many, data cannot be told from the
/// rest. The result is UTF-8.
std::string without_literals(std::string_view sql, bool is_cut = false);

}  // namespace outrider
