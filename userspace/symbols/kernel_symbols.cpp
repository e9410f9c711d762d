#include "userspace/symbols/kernel_symbols.h"

#include <algorithm>
#include <charconv>
#include <fstream>

namespace outrider {
namespace {

// Sizes are not told; what lies further behind a function's start is no part of it.
constexpr std::uint64_t kLongestFunction = 1U << 18;

}  // namespace

KernelSymbols KernelSymbols::read(const std::string& path) {
  KernelSymbols symbols;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    // "ffffffff81000000 T name [module]"
    std::uint64_t address = 0;
    const char* end = line.data() + line.size();
    const auto [at, error] = std::from_chars(line.data(), end, address, 16);
    if (error != std::errc{} || end - at < 4 || address == 0) continue;
    const char kind = at[1];
    if (kind != 't' && kind != 'T' && kind != 'w' && kind != 'W') continue;
    std::string_view name(at + 3, static_cast<std::size_t>(end - at - 3));
    name = name.substr(0, name.find_first_of(" \t"));
    symbols.functions_.push_back({address, static_cast<std::uint32_t>(symbols.names_.size())});
    symbols.names_.insert(symbols.names_.end(), name.begin(), name.end());
    symbols.names_.push_back(0);
  }
  std::stable_sort(symbols.functions_.begin(), symbols.functions_.end(),
                   [](const Function& a, const Function& b) { return a.start < b.start; });
  return symbols;
}

std::string_view KernelSymbols::find(std::uint64_t address) const {
  const auto after = std::upper_bound(functions_.begin(), functions_.end(), address,
                                      [](std::uint64_t at, const Function& function) { return at < function.start; });
  if (after == functions_.begin() || address - std::prev(after)->start > kLongestFunction) return {};
  return names_.data() + std::prev(after)->name;
}

}  // namespace outrider
