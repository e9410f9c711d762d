// The call frame information of .eh_frame, as far as compilers use it to say where a frame's caller is. It comes from
// files of the watched processes, so it is taken for hostile: all reads are bounded, and so is the work. Formats:
// System V ABI for AMD64, 4.2.4; DWARF 5, 6.4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "bpf/abi/unwind.h"

namespace outrider {

/// A section as it lies in memory.
struct FrameSection {
  std::span<const std::uint8_t> bytes;
  std::uint64_t address = 0;  ///< as linked
};

/// Turns frame descriptions into rows. Borrows the section. Not thread-safe.
class CallFrames {
 public:
  /// At most `most` rows are made.
  CallFrames(FrameSection section, std::size_t most) : section_(section), most_(most) {}

  /// Adds the rows of the function at `start` whose description is at the address `description`; the next function
  /// begins at `next`. What cannot be understood becomes OUTRIDER_CFA_NONE. Functions come by address.
  void add_function(std::uint64_t start, std::uint64_t next, std::uint64_t description);

  /// There were more rows than wanted, or more work than any file that a compiler wrote takes: the rows are not whole.
  [[nodiscard]] bool is_full() const { return rows_.size() > most_ || steps_ > kMostSteps; }

  std::vector<outrider_unwind_row> take() { return std::move(rows_); }

 private:
  static constexpr std::size_t kMostSteps = 1U << 25;

  /// How a register's value at the call is found.
  struct Rule {
    enum class Kind : std::uint8_t { kSame, kAtOffset, kUndefined, kOther };
    Kind kind = Kind::kSame;
    std::int64_t offset = 0;  ///< kAtOffset: from the CFA
  };
  struct State {
    outrider_cfa cfa = OUTRIDER_CFA_NONE;
    std::int64_t cfa_offset = 0;
    Rule frame_pointer;
    Rule return_address{Rule::Kind::kOther, 0};
  };
  struct Common {
    std::uint64_t code_factor = 1;
    std::int64_t data_factor = 1;
    std::uint8_t encoding = 0;
    bool augmented = false, signal = false;
    State initial;
  };
  class Reader;

  [[nodiscard]] Reader entry_at(std::size_t at) const;
  bool read_common(std::size_t at, Common& common);
  static bool read_augmentation(Reader& reader, std::string_view letters, Common& common);
  std::uint64_t describe(std::uint64_t start, std::uint64_t next, std::uint64_t description);
  static std::optional<std::uint64_t> advance(Reader& reader, const Common& common);
  static bool define_cfa(Reader& reader, std::uint8_t code, const Common& common, State& state);
  static bool define_rule(Reader& reader, std::uint8_t code, const Common& common, State& state);
  bool run_one(Reader& reader, const Common& common, State& state);
  static Rule* rule_of(State& state, std::uint64_t number);
  void add_row(const State& state, bool signal, std::uint64_t pc);
  void add_row(const outrider_unwind_row& row);

  FrameSection section_;
  std::size_t most_;
  std::size_t steps_ = 0;
  std::vector<State> remembered_;
  std::vector<outrider_unwind_row> rows_;
};

}  // namespace outrider
