// Advice on a misspelt word. Pure, thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace outrider {

/// "did you mean 'x'?" for the nearest of the known words if it is near enough, else "expected one of a, b, c".
std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& known);

}  // namespace outrider
