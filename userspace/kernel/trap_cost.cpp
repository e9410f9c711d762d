#include "userspace/kernel/trap_cost.h"

#include <link.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace outrider {
namespace {

// The same site that our macros emit: a 1-byte nop, then the 10-byte one (x86-64); a nop elsewhere.
extern "C" char outrider_trap_cost_site[];  // NOLINT(modernize-avoid-c-arrays): a label of the assembly below

[[gnu::noinline, gnu::noclone]] void pass_site() {
#if defined(__x86_64__)
  asm volatile(
      ".globl outrider_trap_cost_site\n.hidden outrider_trap_cost_site\noutrider_trap_cost_site:\n\tnop\n"
      "\t.byte 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0");
#else
  asm volatile(".globl outrider_trap_cost_site\n.hidden outrider_trap_cost_site\noutrider_trap_cost_site:\n\tnop");
#endif
}

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

double nanoseconds_per_pass(int passes) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < passes; ++i) pass_site();
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
  return took.count() / passes;
}

}  // namespace

Result<double> measure_trap(BpfSession& session) {
  Lookup lookup{.address = reinterpret_cast<std::uint64_t>(&outrider_trap_cost_site[0])};
  if (dl_iterate_phdr(find_segment, &lookup) == 0) return Error{"the agent's own probe site is not in its file"};
  ProbeSite site;
  site.role = OUTRIDER_ROLES;  // the program that does nothing
  site.offset = lookup.offset;
  site.name = "the agent's own probe site";
  Result<ProbeSet> probes = session.make_probes("/proc/self/exe", {site});
  if (!probes) return probes.error();
  constexpr int kPasses = 2000;
  constexpr int kRounds = 5;
  double bare = nanoseconds_per_pass(kPasses);
  for (int i = 1; i < kRounds; ++i) bare = std::min(bare, nanoseconds_per_pass(kPasses));
  if (Status status = probes->attach(0); !status) return status.error();
  double trapped = nanoseconds_per_pass(kPasses);
  for (int i = 1; i < kRounds; ++i) trapped = std::min(trapped, nanoseconds_per_pass(kPasses));
  return std::max(0.0, trapped - bare);
}

}  // namespace outrider
