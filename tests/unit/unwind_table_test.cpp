// The rows made of .eh_frame find the callers that the C library's own unwinder finds, in this program and its
// libraries, whether their code keeps frame pointers or not.
#include "userspace/symbols/unwind_table.h"

#include <execinfo.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <optional>
#include <vector>

#include "tests/unit/elf_builder.h"
#include "userspace/symbols/process_maps.h"

#if defined(__x86_64__)

namespace outrider {
namespace {

constexpr std::size_t kMostRows = 1U << 20;

struct Registers {
  std::uint64_t ip = 0, sp = 0, fp = 0;
};

/// What the kernel side does with the rows, on this thread's own stack.
class Walker {
 public:
  Walker() : maps_(read_maps("/proc", getpid()).value_or(std::vector<ExecutableMapping>{})) {}

  std::vector<std::uint64_t> callers(Registers at, bool& whole) {
    std::vector<std::uint64_t> found;
    whole = false;
    while (found.size() < 200) {
      found.push_back(at.ip);
      const auto row = row_at(found.size() == 1 ? at.ip : at.ip - 1);
      if (!row) break;
      if (row->cfa == OUTRIDER_CFA_END) whole = true;
      if (row->cfa != OUTRIDER_CFA_SP && row->cfa != OUTRIDER_CFA_FP) break;
      const std::uint64_t cfa =
          (row->cfa == OUTRIDER_CFA_SP ? at.sp : at.fp) + static_cast<std::uint64_t>(row->cfa_offset);
      if (row->fp_offset != 0) at.fp = load(cfa + static_cast<std::uint64_t>(std::int64_t{8} * row->fp_offset));
      at.ip = load(cfa - 8);
      at.sp = cfa;
    }
    return found;
  }

 private:
  static std::uint64_t load(std::uint64_t address) { return *reinterpret_cast<const std::uint64_t*>(address); }

  std::optional<outrider_unwind_row> row_at(std::uint64_t ip) {
    const auto mapping =
        std::find_if(maps_.begin(), maps_.end(), [ip](const auto& m) { return ip >= m.begin && ip < m.end; });
    if (mapping == maps_.end()) return std::nullopt;
    const auto [at, added] = tables_.try_emplace(mapping->begin);
    if (added)
      at->second = read_unwind_table(open_mapping("/proc", getpid(), *mapping).get(), mapping->offset, kMostRows);
    const auto pc = static_cast<std::uint32_t>(ip - mapping->begin + at->second.linked);
    const auto& rows = at->second.rows;
    const auto after = std::upper_bound(rows.begin(), rows.end(), pc,
                                        [](std::uint32_t p, const outrider_unwind_row& row) { return p < row.pc; });
    if (after == rows.begin()) return std::nullopt;
    return *std::prev(after);
  }

  std::vector<ExecutableMapping> maps_;
  std::map<std::uint64_t, UnwindTable> tables_;
};

struct Found {
  std::vector<std::uint64_t> ours, theirs;
  bool whole = false;
};

// Both walks from one place. Theirs begins with this function's own frame too.
[[gnu::noinline]] void look(Found& found) {
  Registers here;
  asm volatile("lea 0(%%rip), %0\n\tmov %%rsp, %1\n\tmov %%rbp, %2" : "=r"(here.ip), "=r"(here.sp), "=r"(here.fp));
  std::array<void*, 200> frames{};
  const int count = backtrace(frames.data(), static_cast<int>(frames.size()));
  for (int i = 0; i < count; ++i)
    found.theirs.push_back(reinterpret_cast<std::uint64_t>(frames[static_cast<std::size_t>(i)]));
  Walker walker;
  found.ours = walker.callers(here, found.whole);
}

[[gnu::noinline]] int descend(int depth, Found& found) {
  if (depth == 0) {
    look(found);
    return 0;
  }
  const int result = descend(depth - 1, found);
  asm volatile("");
  return result + 1;
}

// The innermost addresses are two places in look() itself; a sanitizer's own backtrace() is one more frame of theirs.
void expect_same(const Found& found, std::size_t least) {
  ASSERT_GE(found.theirs.size(), least);
  const std::ptrdiff_t more = std::ssize(found.theirs) - std::ssize(found.ours);
  ASSERT_TRUE(more == 0 || more == 1) << found.ours.size() << " frames, " << found.theirs.size() << " expected";
  EXPECT_TRUE(
      std::equal(found.theirs.begin() + 1 + more, found.theirs.end(), found.ours.begin() + 1, found.ours.end()));
}

TEST(UnwindTable, FindsTheCallersThatTheLibraryFinds) {
  Found found;
  EXPECT_EQ(descend(20, found), 20);
  expect_same(found, 22);
  EXPECT_TRUE(found.whole);
}

Found* sorting = nullptr;

int compare(const void* a, const void* b) {
  if (sorting->ours.empty()) look(*sorting);
  return *static_cast<const int*>(a) - *static_cast<const int*>(b);
}

TEST(UnwindTable, ThroughALibraryWithoutFramePointers) {
  Found found;
  sorting = &found;
  std::array<int, 100> numbers{};
  for (int i = 0; i < 100; ++i) numbers.at(static_cast<std::size_t>(i)) = 100 - i;
  std::qsort(numbers.data(), numbers.size(), sizeof(int), compare);
  EXPECT_EQ(numbers[0], 1);
  expect_same(found, 4);
  EXPECT_TRUE(found.whole);
}

TEST(UnwindTable, RowsAreInOrder) {
  const Fd self(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const auto maps = read_maps("/proc", getpid());
  ASSERT_TRUE(maps);
  const UnwindTable table = read_unwind_table(self.get(), maps->front().offset, kMostRows);
  ASSERT_GT(table.rows.size(), 100U);
  EXPECT_TRUE(
      std::is_sorted(table.rows.begin(), table.rows.end(), [](const auto& a, const auto& b) { return a.pc < b.pc; }));
  EXPECT_FALSE(table.too_large);
  const UnwindTable none = read_unwind_table(self.get(), maps->front().offset, 10);
  EXPECT_TRUE(none.too_large);
  EXPECT_TRUE(none.rows.empty());
}

TEST(UnwindTable, WhatHasNoneHasNone) {
  EXPECT_TRUE(read_unwind_table(-1, 0, kMostRows).rows.empty());
  EXPECT_TRUE(read_unwind_table(memory_file("no ELF file").get(), 0, kMostRows).rows.empty());
  EXPECT_TRUE(read_unwind_table(memory_file(build_elf({})).get(), kTextOffset, kMostRows).rows.empty());
}

}  // namespace
}  // namespace outrider

#endif
