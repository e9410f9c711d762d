// Addresses in running processes -> names of functions. Files are opened through the process that maps them, so those
// of other mount namespaces and those that were replaced since are found too; they are read once each and kept while
// memory lasts. Not thread-safe. Needs the right to trace the processes (CAP_SYS_PTRACE for others').
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "userspace/base/fd.h"
#include "userspace/base/file_version.h"
#include "userspace/symbols/kernel_symbols.h"
#include "userspace/symbols/process_maps.h"
#include "userspace/symbols/symbol_table.h"

namespace outrider {

struct SymbolizerOptions {
  std::string procfs = "/proc";
  std::string debug_files = "/usr/lib/debug/.build-id";  ///< separate debug files, by build id
  std::size_t most_bytes = 128U << 20;                   ///< of symbol tables kept
};

/// What an address is.
struct CodeName {
  std::string name;        ///< demangled; "[file+0xADDRESS]" as linked where no function covers it
  bool known = false;      ///< it is a function's name
  bool outermost = false;  ///< it is a function that nothing calls but the start of a process or a thread
};

class Symbolizer {
 public:
  explicit Symbolizer(SymbolizerOptions options = {});

  /// Mappings are looked at anew from here on; those of processes that are gone by then are kept.
  void begin_round();

  /// Name of the code at a user address of a process. `is_return`: the address behind a call, which is what stacks
  /// hold for all but the innermost frame; the function is that of the call. None: no code is there, or no call is
  /// before it, so that the address cannot be what it was taken for; or the process is gone and was never looked at.
  std::optional<CodeName> user(pid_t pid, std::uint64_t address, bool is_return);

  /// "name_[k]", as flame graphs mark the kernel's functions; "[kernel]" where it keeps its addresses to itself.
  std::string kernel(std::uint64_t address);

  /// Processes that were gone before their mappings could be looked at.
  [[nodiscard]] std::size_t processes_missed() const { return missed_; }

 private:
  struct Image {
    Fd fd;
    FileVersion version;  ///< of what was read
    std::string name;
    SymbolTable table;
    bool elf = false;
    unsigned last_round = 0;
    std::unordered_map<std::uint64_t, bool> calls;  ///< by offset: whether a call ends there
    std::unordered_map<std::uint64_t, CodeName> names;
    [[nodiscard]] std::size_t bytes() const;
  };
  struct Mappings {
    std::vector<ExecutableMapping> list;
    unsigned read_in = 0;  ///< round
    bool seen = false;
  };
  using ImageKey = std::tuple<std::string, std::uint64_t, std::string>;  // device, inode, path

  const ExecutableMapping* mapping_of(pid_t pid, std::uint64_t address);
  Image& image_of(pid_t pid, const ExecutableMapping& mapping);
  std::unique_ptr<Image> load(pid_t pid, const ExecutableMapping& mapping) const;
  void add_debug_file(pid_t pid, SymbolTable& table) const;
  static bool ends_call(Image& image, std::uint64_t offset);
  static CodeName name_at(Image& image, std::uint64_t offset);
  void forget_oldest();

  SymbolizerOptions options_;
  unsigned round_ = 1;
  std::size_t missed_ = 0;
  std::map<pid_t, Mappings> processes_;
  std::map<ImageKey, std::unique_ptr<Image>> images_;
  std::optional<KernelSymbols> kernel_;
};

/// A user stack with names.
struct NamedStack {
  std::vector<std::string> names;  ///< innermost first
  bool whole = false;              ///< up to the outermost frame
};

/// Names the frames of a stack, innermost first, up to the outermost one or to the first address that cannot be one.
/// `whole`: what was told of the stack before its names were known.
NamedStack name_user_stack(Symbolizer& symbolizer, pid_t pid, const std::vector<std::uint64_t>& addresses, bool whole);

/// The function's name as people write it; text that is no mangled name comes back as it is.
std::string demangle(std::string_view name);

/// Whether nothing can have called this function of this file (its name without directories) but the C library's or the
/// kernel's start of a thread or a process. An engine may have a start_thread() of its own.
bool is_outermost(std::string_view name, std::string_view file);

}  // namespace outrider
