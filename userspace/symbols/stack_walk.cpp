#include "userspace/symbols/stack_walk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "bpf/abi/abi.h"
#include "userspace/base/fd.h"

namespace outrider {
namespace {

constexpr std::size_t kMostRows = 2U << 20;  // of all files: 16 MiB
constexpr std::size_t kMostTables = 256;     // each keeps its file open
constexpr std::size_t kWord = sizeof(std::uint64_t);

/// The registers of one frame.
struct Frame {
  std::uint64_t ip = 0, sp = 0, fp = 0;
};

class Memory {
 public:
  explicit Memory(Fd fd) : fd_(std::move(fd)) {}
  bool read(std::uint64_t address, std::uint64_t& word) const {
    return pread(fd_.get(), &word, kWord, static_cast<off_t>(address)) == static_cast<ssize_t>(kWord);
  }

 private:
  Fd fd_;
};

const outrider_unwind_row* row_at(const UnwindTable& table, std::uint64_t pc) {
  const auto after = std::upper_bound(table.rows.begin(), table.rows.end(), pc,
                                      [](std::uint64_t at, const outrider_unwind_row& row) { return at < row.pc; });
  return after == table.rows.begin() ? nullptr : &*std::prev(after);
}

bool step_by_frame_pointer(const Memory& memory, Frame& frame) {
  std::uint64_t fp = 0;
  std::uint64_t ip = 0;
  if (frame.fp < frame.sp || !memory.read(frame.fp, fp) || !memory.read(frame.fp + kWord, ip)) return false;
  frame = {.ip = ip, .sp = frame.fp + 2 * kWord, .fp = fp};
  return true;
}

// As step_by_row() of bpf/lib/unwind.h.
bool step_by_row(const Memory& memory, const outrider_unwind_row& row, Frame& frame) {
  constexpr std::uint64_t kPltEntry = 16;
  constexpr std::uint64_t kPltPushes = 11;
  auto cfa = static_cast<std::uint64_t>(std::int64_t{row.cfa_offset});
  if (row.cfa == OUTRIDER_CFA_SP) {
    cfa += frame.sp;
  } else if (row.cfa == OUTRIDER_CFA_FP) {
    cfa += frame.fp;
  } else if (row.cfa == OUTRIDER_CFA_PLT) {
    cfa = frame.sp + kWord + (frame.ip % kPltEntry >= kPltPushes ? kWord : 0);
  } else {
    return false;
  }
  if (cfa <= frame.sp) return false;  // callers lie higher
  const auto fp_at = cfa + static_cast<std::uint64_t>(std::int64_t{row.fp_offset}) * kWord;
  if (row.fp_offset != 0 && !memory.read(fp_at, frame.fp)) return false;
  if (!memory.read(cfa - kWord, frame.ip)) return false;
  frame.sp = cfa;
  return true;
}

const ExecutableMapping* mapping_at(const std::vector<ExecutableMapping>& mappings, std::uint64_t address) {
  const auto after =
      std::upper_bound(mappings.begin(), mappings.end(), address,
                       [](std::uint64_t at, const ExecutableMapping& mapping) { return at < mapping.begin; });
  if (after == mappings.begin() || address >= std::prev(after)->end) return nullptr;
  return &*std::prev(after);
}

}  // namespace

// It is in the wait of before: it has not left its CPU once more, and is not on one (or waiting for one) either. The
// kernel gives both figures at one moment, which comes after the memory was read.
bool StackWalker::waits_still(pid_t process, pid_t thread, std::uint64_t switches) const {
  std::ifstream status(fmt::format("{}/{}/task/{}/status", procfs_, process, thread));
  std::uint64_t sum = 0;
  bool waits = false;
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("State:")) waits = line.find("R (running)") == std::string::npos;
    if (line.starts_with("voluntary_ctxt_switches:") || line.starts_with("nonvoluntary_ctxt_switches:")) {
      sum += std::strtoull(line.c_str() + line.find(':') + 1, nullptr, 10);
    }
  }
  return waits && sum == switches;
}

const UnwindTable* StackWalker::table_of(pid_t process, const ExecutableMapping& mapping) {
  const Key key{mapping.device, mapping.inode, mapping.path, mapping.offset};
  const auto found = tables_.find(key);
  if (found != tables_.end()) {
    if (file_version(found->second.fd) == found->second.version) return &found->second.table;
    rows_ -= found->second.table.rows.size();
    tables_.erase(found);
  }
  static const UnwindTable kNone;
  Fd fd = open_mapping(procfs_, process, mapping);
  // The process may be gone; another one that has the file mapped may live.
  if (mapping.inode != 0 && !fd.valid()) return &kNone;
  Known known;
  known.version = file_version(fd);
  if (fd.valid()) known.table = read_unwind_table(fd.get(), mapping.offset, kMostRows / 2);
  known.fd = std::move(fd);
  rows_ += known.table.rows.size();
  return &tables_.emplace(key, std::move(known)).first->second.table;
}

Result<WalkedStack> StackWalker::walk(pid_t process, pid_t thread, const EntryRegisters& registers) {
  if (rows_ > kMostRows || tables_.size() > kMostTables) {
    tables_.clear();
    rows_ = 0;
  }
  const auto mappings = read_maps(procfs_, process);
  Fd fd(open(fmt::format("{}/{}/mem", procfs_, process).c_str(), O_RDONLY | O_CLOEXEC));
  if (!mappings || !fd.valid()) return Error{"its memory cannot be read: the process is gone, or not ours to look at"};
  const Memory memory(std::move(fd));
  WalkedStack stack;
  Frame frame{.ip = registers.ip, .sp = registers.sp, .fp = registers.fp};
  for (bool goes_on = true; goes_on && frame.ip != 0 && stack.frames.size() < OUTRIDER_USER_FRAMES;) {
    const std::uint64_t at = stack.frames.empty() ? frame.ip : frame.ip - 1;  // a return address may be the next one's
    const ExecutableMapping* mapping = mapping_at(*mappings, at);
    if (mapping == nullptr) break;
    stack.frames.push_back(frame.ip);
    const UnwindTable* table = table_of(process, *mapping);
    const outrider_unwind_row* row = row_at(*table, at - mapping->begin + table->linked);
    stack.whole = row != nullptr && row->cfa == OUTRIDER_CFA_END;
    if (stack.whole) break;
    goes_on =
        table->rows.empty() ? step_by_frame_pointer(memory, frame) : row != nullptr && step_by_row(memory, *row, frame);
  }
  if (!waits_still(process, thread, registers.switches)) return Error{"it has run meanwhile"};
  return stack;
}

}  // namespace outrider
