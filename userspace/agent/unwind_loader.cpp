#include "userspace/agent/unwind_loader.h"

#include <algorithm>

#include "userspace/symbols/unwind_table.h"

namespace outrider {
namespace {

// The kernel side's search compares addresses below this only. [vsyscall] is above it, is in every process, and no
// stack has been there for long.
constexpr std::uint64_t kBeyondSearch = std::uint64_t{1} << 62;

}  // namespace

UnwindLoader::Image UnwindLoader::image_of(StackSampler& sampler, pid_t pid, const ExecutableMapping& mapping) {
  const Key key{mapping.device, mapping.inode, mapping.path, mapping.offset};
  const auto found = images_.find(key);
  if (found != images_.end()) return found->second;
  Image image;
  const Fd fd = open_mapping(procfs_, pid, mapping);
  // The process is gone; another one that has the file mapped may live.
  if (mapping.inode != 0 && !fd.valid()) return image;
  if (fd.valid()) {
    const UnwindTable table = read_unwind_table(fd.get(), mapping.offset, OUTRIDER_UNWIND_ROWS / 2);
    const auto first = sampler.add_unwind_rows(table.rows);
    if (first) image = {table.linked, *first, static_cast<std::uint32_t>(table.rows.size())};
    if (!first || table.too_large) ++files_left_out_;
  }
  images_.emplace(key, image);
  return image;
}

void UnwindLoader::update(StackSampler& sampler, const std::vector<pid_t>& processes) {
  for (const pid_t pid : processes) {
    if (known_.contains(pid)) continue;
    const auto mappings = read_maps(procfs_, pid);
    if (!mappings) continue;
    known_.insert(pid);
    outrider_unwind_process process{};
    for (const ExecutableMapping& mapping : *mappings) {
      if (mapping.end > kBeyondSearch) continue;
      if (process.count == OUTRIDER_UNWIND_MAPPINGS - 1) {
        processes_left_out_.insert(pid);
        break;
      }
      const Image image = image_of(sampler, pid, mapping);
      process.mappings[process.count++] = {.begin = mapping.begin,
                                           .end = mapping.end,
                                           .bias = mapping.begin - image.linked,
                                           .first_row = image.first_row,
                                           .rows = image.rows};
    }
    if (!sampler.set_process(pid, process)) processes_left_out_.insert(pid);
  }
  std::erase_if(known_,
                [&](pid_t pid) { return std::find(processes.begin(), processes.end(), pid) == processes.end(); });
}

}  // namespace outrider
