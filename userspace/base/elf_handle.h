// libelf's view of a file, which is closed with the handle. The file's descriptor stays the caller's, and has to
// outlive it.
#pragma once

#include <libelf.h>

#include <memory>

namespace outrider {

struct ElfCloser {
  void operator()(Elf* elf) const { elf_end(elf); }
};
using ElfHandle = std::unique_ptr<Elf, ElfCloser>;

}  // namespace outrider
