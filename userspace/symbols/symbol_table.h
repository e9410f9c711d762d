// The functions of one ELF file, by address. Meant for files nobody vouches for: what does not add up is left out.
// Immutable once read: thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/base/result.h"

namespace outrider {

class SymbolTable {
 public:
  /// Reads the file behind `fd`, which stays the caller's and whose position is not used: .symtab, or .dynsym where
  /// that was stripped. `name` is how messages call the file. Error: no 64-bit ELF file. One without functions is a
  /// success. `most_bytes`: of all sections that are read and all that is kept of them, more than any engine has; a
  /// hostile header could claim the size of a sparse file.
  static Result<SymbolTable> read(int fd, std::string_view name, std::size_t most_bytes = std::size_t{256} << 20);

  /// Mangled name of the function that covers this address as linked; none if none does. Never the nearest one.
  [[nodiscard]] std::optional<std::string_view> find(std::uint64_t address) const;

  /// Address as linked of what lies at this offset of the file; none if it is loaded nowhere.
  [[nodiscard]] std::optional<std::uint64_t> address_of(std::uint64_t offset) const;

  [[nodiscard]] const std::string& build_id() const { return build_id_; }  ///< hexadecimal; empty: none
  [[nodiscard]] bool has_symtab() const { return has_symtab_; }
  [[nodiscard]] std::size_t size() const { return functions_.size(); }
  [[nodiscard]] std::size_t bytes() const;  ///< of memory

  /// Takes the functions of a separate debug file of the same build in place of its own.
  void take_functions(SymbolTable&& debug);

 private:
  struct Function {
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    std::uint32_t name = 0;  ///< offset in names_
  };
  struct Segment {
    std::uint64_t offset = 0, size = 0, address = 0;
  };
  struct Reader;

  [[nodiscard]] std::string_view name_at(std::uint32_t offset) const { return names_.data() + offset; }
  void sort();

  std::vector<Function> functions_;  // by start; one for each start
  std::vector<char> names_;          // each with a NUL behind it
  std::vector<Segment> segments_;
  std::string build_id_;
  bool has_symtab_ = false;
};

}  // namespace outrider
