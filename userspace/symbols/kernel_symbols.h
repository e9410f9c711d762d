// The kernel's own functions, from /proc/kallsyms. Immutable once read: thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace outrider {

class KernelSymbols {
 public:
  KernelSymbols() = default;
  /// Reads `path`; empty where the kernel keeps the addresses to itself (kptr_restrict) or the file is not there.
  static KernelSymbols read(const std::string& path);

  [[nodiscard]] bool empty() const { return functions_.empty(); }
  /// The function that begins last before `address`: the list is complete, so nothing else can lie between. Empty:
  /// none.
  [[nodiscard]] std::string_view find(std::uint64_t address) const;

 private:
  struct Function {
    std::uint64_t start = 0;
    std::uint32_t name = 0;
  };
  std::vector<Function> functions_;
  std::vector<char> names_;
};

}  // namespace outrider
