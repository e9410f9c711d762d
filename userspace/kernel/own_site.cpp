#include "userspace/kernel/own_site.h"

#include <link.h>

#include <cstddef>

namespace outrider {
namespace {

struct Lookup {
  std::uint64_t address = 0;
  std::uint64_t offset = 0;
};

// File offset of an address of the main program, by its program headers.
int find_segment(dl_phdr_info* info, std::size_t /*size*/, void* data) {
  auto* lookup = static_cast<Lookup*>(data);
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    const std::uint64_t begin = info->dlpi_addr + header.p_vaddr;
    if (header.p_type != PT_LOAD || lookup->address < begin || lookup->address >= begin + header.p_filesz) continue;
    lookup->offset = lookup->address - begin + header.p_offset;
    return 1;
  }
  return 0;
}

}  // namespace

Result<ProbeSet> probe_own_site(BpfSession& session, std::uint64_t address, bool at_return) {
  Lookup lookup{.address = address};
  if (dl_iterate_phdr(find_segment, &lookup) == 0) return Error{"the agent's own probe site is not in its file"};
  ProbeSite site;
  site.role = OUTRIDER_ROLES;  // the program that does nothing
  site.at_return = at_return;
  site.offset = lookup.offset;
  site.name = "the agent's own probe site";
  return session.make_probes("/proc/self/exe", {site});
}

}  // namespace outrider
