#include "userspace/target/site_code.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <initializer_list>
#include <vector>

#include "tests/unit/elf_builder.h"

namespace outrider {
namespace {

using ::testing::HasSubstr;

SiteCode x86(std::initializer_list<std::uint8_t> bytes) {
  std::vector<std::uint8_t> code(bytes);
  code.resize(kSiteBytes, 0xc3);
  return classify_site(code, Machine::kX86_64);
}

// Encodings from the processor manual and from what gas and the kernel emit.
TEST(SiteCode, x86_instructions) {
  EXPECT_EQ(x86({0x90}), SiteCode::kNop);
  EXPECT_EQ(x86({0x90, 0x0f, 0x1f, 0x44, 0x00, 0x00}), SiteCode::kNop);
  EXPECT_EQ(x86({0x90, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0}), SiteCode::kNopNop10);
  EXPECT_EQ(x86({0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0}), SiteCode::kNop10);
  EXPECT_EQ(x86({0x55}), SiteCode::kPush);
  EXPECT_EQ(x86({0x41, 0x57}), SiteCode::kPush);
  EXPECT_EQ(x86({0xf3, 0x0f, 0x1e, 0xfa, 0x55}), SiteCode::kEndbr64Push);
  EXPECT_EQ(x86({0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x83, 0xec, 0x08}), SiteCode::kEndbr64);
  EXPECT_EQ(x86({0xcc}), SiteCode::kInt3);
  EXPECT_EQ(x86({0x48, 0x89, 0xe5}), SiteCode::kOther);        // mov %rsp,%rbp
  EXPECT_EQ(x86({0xf3, 0x90}), SiteCode::kOther);              // pause
  EXPECT_EQ(x86({0x0f, 0x1f, 0x40, 0x00}), SiteCode::kOther);  // a nop of 4 bytes
}

TEST(SiteCode, every_nop5_is_seen) {
  EXPECT_EQ(x86({0x0f, 0x1f, 0x44, 0x00, 0x00}), SiteCode::kNop5);
  EXPECT_EQ(x86({0x0f, 0x1f, 0x44, 0x00, 0x7f}), SiteCode::kNop5);
  EXPECT_EQ(x86({0x66, 0x0f, 0x1f, 0x40, 0x00}), SiteCode::kNop5);
  EXPECT_EQ(x86({0x3e, 0x0f, 0x1f, 0x40, 0x00}), SiteCode::kNop5);
  EXPECT_EQ(x86({0x66, 0x66, 0x66, 0x66, 0x90}), SiteCode::kNop5);
  EXPECT_EQ(x86({0x48, 0x8d, 0x64, 0x24, 0x00}), SiteCode::kNop5);   // lea 0(%rsp),%rsp
  EXPECT_EQ(x86({0x66, 0x66, 0x66, 0x89, 0xc0}), SiteCode::kNop5);   // mov %ax,%ax
  EXPECT_EQ(x86({0x48, 0x8d, 0x64, 0x24, 0x08}), SiteCode::kOther);  // lea 8(%rsp),%rsp works
}

TEST(SiteCode, arm64_instructions) {
  const auto arm = [](std::vector<std::uint8_t> code) { return classify_site(code, Machine::kAarch64); };
  EXPECT_EQ(arm({0x1f, 0x20, 0x03, 0xd5}), SiteCode::kNop);
  EXPECT_EQ(arm({0x00, 0x00, 0x20, 0xd4}), SiteCode::kInt3);   // brk #0
  EXPECT_EQ(arm({0xfd, 0x7b, 0xbf, 0xa9}), SiteCode::kOther);  // stp
  EXPECT_EQ(arm({0x1f, 0x20}), SiteCode::kUnreadable);
}

TEST(SiteCode, cut_off_code_is_never_read_behind) {
  const std::uint8_t nop10[] = {0x90, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0};
  EXPECT_EQ(classify_site({}, Machine::kX86_64), SiteCode::kUnreadable);
  for (std::size_t size = 1; size < sizeof(nop10); ++size) {
    EXPECT_EQ(classify_site({nop10, size}, Machine::kX86_64), SiteCode::kNop);
  }
  const std::uint8_t nop5[] = {0x0f, 0x1f, 0x44, 0x00, 0x00};
  for (std::size_t size = 1; size < sizeof(nop5); ++size) {
    EXPECT_EQ(classify_site({nop5, size}, Machine::kX86_64), SiteCode::kOther);
  }
}

TEST(SiteCode, read_from_a_file) {
  const Fd fd = memory_file("\x01\x90");
  EXPECT_EQ(read_site_code(fd.get(), 1, Machine::kX86_64), SiteCode::kNop);
  EXPECT_EQ(read_site_code(fd.get(), 2, Machine::kX86_64), SiteCode::kUnreadable);
}

TEST(SiteVerdict, nop5_is_refused_where_it_is_dangerous) {
  const auto refused = decide_site(SiteCode::kNop5, UprobeGeneration::kUnsafeNop5);
  EXPECT_FALSE(refused.usable);
  EXPECT_THAT(refused.consequence, HasSubstr("red zone"));
  EXPECT_TRUE(decide_site(SiteCode::kNop5, UprobeGeneration::kUnsafeNop5, true).usable);
  EXPECT_TRUE(decide_site(SiteCode::kNop5, UprobeGeneration::kNone).usable);
  EXPECT_TRUE(decide_site(SiteCode::kNop5, UprobeGeneration::kSafeNop10).usable);
}

TEST(SiteVerdict, nop10_is_used_only_where_it_is_safe) {
  EXPECT_EQ(decide_site(SiteCode::kNopNop10, UprobeGeneration::kSafeNop10).shift, 1U);
  EXPECT_EQ(decide_site(SiteCode::kNopNop10, UprobeGeneration::kUnsafeNop5).shift, 0U);
  EXPECT_EQ(decide_site(SiteCode::kNopNop10, UprobeGeneration::kNone).shift, 0U);
  EXPECT_EQ(decide_site(SiteCode::kNop, UprobeGeneration::kSafeNop10).shift, 0U);
  EXPECT_FALSE(decide_site(SiteCode::kNop10, UprobeGeneration::kUnsafeNop5).usable);
  EXPECT_FALSE(decide_site(SiteCode::kNop10, UprobeGeneration::kNone).usable);
  EXPECT_TRUE(decide_site(SiteCode::kNop10, UprobeGeneration::kSafeNop10).usable);
}

TEST(SiteVerdict, the_rest) {
  const auto at = [](SiteCode code) { return decide_site(code, UprobeGeneration::kUnsafeNop5); };
  EXPECT_TRUE(at(SiteCode::kNop).usable);
  EXPECT_FALSE(at(SiteCode::kNop).single_stepped);
  EXPECT_EQ(at(SiteCode::kEndbr64Push).shift, 4U);
  EXPECT_TRUE(at(SiteCode::kEndbr64).single_stepped);
  EXPECT_TRUE(at(SiteCode::kOther).single_stepped);
  EXPECT_FALSE(at(SiteCode::kInt3).usable);
  EXPECT_FALSE(at(SiteCode::kUnreadable).usable);
}

TEST(UprobeGeneration, from_the_answer_of_the_kernel) {
  EXPECT_EQ(uprobe_generation_from(EPROTO, false), UprobeGeneration::kSafeNop10);
  EXPECT_EQ(uprobe_generation_from(ENXIO, false), UprobeGeneration::kUnsafeNop5);
  EXPECT_EQ(uprobe_generation_from(ENOSYS, false), UprobeGeneration::kNone);
  EXPECT_EQ(uprobe_generation_from(ENOSYS, true), UprobeGeneration::kUnsafeNop5);  // a filter's answer proves nothing
  EXPECT_EQ(uprobe_generation_from(EPERM, true), UprobeGeneration::kUnsafeNop5);
}

}  // namespace
}  // namespace outrider
