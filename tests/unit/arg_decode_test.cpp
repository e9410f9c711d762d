#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "userspace/target/usdt_args.h"

namespace outrider {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Decoded {
  const char* text;
  int kind;
  int reg;
  int size;
  std::int64_t value;
};

void expect_decoded(const Decoded& want, Machine machine) {
  SCOPED_TRACE(want.text);
  const auto arg = parse_usdt_arg(want.text, machine);
  ASSERT_TRUE(arg) << arg.error().message;
  EXPECT_EQ(arg->kind, want.kind);
  EXPECT_EQ(arg->reg, want.reg);
  EXPECT_EQ(arg->size, want.size);
  EXPECT_EQ(arg->value, want.value);
}

TEST(ArgDecode, x86_operands) {
  const Decoded cases[] = {
      {"-4@$0", OUTRIDER_ARG_CONST, 0, -4, 0},
      {"-4@$-7", OUTRIDER_ARG_CONST, 0, -4, -7},
      {"4@$-1", OUTRIDER_ARG_CONST, 0, 4, 0xffffffff},  // unsigned 32 bits
      {"-1@$255", OUTRIDER_ARG_CONST, 0, -1, -1},
      {"8@$0x10", OUTRIDER_ARG_CONST, 0, 8, 16},
      {"8@$18446744073709551615", OUTRIDER_ARG_CONST, 0, 8, -1},
      {"8@%rdi", OUTRIDER_ARG_REG, OUTRIDER_REG_DI, 8, 0},
      {"-4@%esi", OUTRIDER_ARG_REG, OUTRIDER_REG_SI, -4, 0},
      {"2@%ax", OUTRIDER_ARG_REG, OUTRIDER_REG_AX, 2, 0},
      {"1@%al", OUTRIDER_ARG_REG, OUTRIDER_REG_AX, 1, 0},
      {"8@%ax", OUTRIDER_ARG_REG, OUTRIDER_REG_AX, 2, 0},  // only the named part is the argument
      {"-8@%al", OUTRIDER_ARG_REG, OUTRIDER_REG_AX, -1, 0},
      {"1@%sil", OUTRIDER_ARG_REG, OUTRIDER_REG_SI, 1, 0},
      {"1@%bpl", OUTRIDER_ARG_REG, OUTRIDER_REG_BP, 1, 0},
      {"8@%r8", OUTRIDER_ARG_REG, OUTRIDER_REG_R8, 8, 0},
      {"4@%r14d", OUTRIDER_ARG_REG, OUTRIDER_REG_R14, 4, 0},
      {"2@%r15w", OUTRIDER_ARG_REG, OUTRIDER_REG_R15, 2, 0},
      {"1@%r9b", OUTRIDER_ARG_REG, OUTRIDER_REG_R9, 1, 0},
      {"4@-136(%rbp)", OUTRIDER_ARG_DEREF, OUTRIDER_REG_BP, 4, -136},
      {"4@(%r12)", OUTRIDER_ARG_DEREF, OUTRIDER_REG_R12, 4, 0},
      {"8@0x18(%rsp)", OUTRIDER_ARG_DEREF, OUTRIDER_REG_SP, 8, 24},
      {"%rdi", OUTRIDER_ARG_REG, OUTRIDER_REG_DI, 8, 0},  // no size: a machine word
  };
  for (const Decoded& one : cases) expect_decoded(one, Machine::kX86_64);
}

TEST(ArgDecode, arm64_operands) {
  const Decoded cases[] = {
      {"8@x0", OUTRIDER_ARG_REG, 0, 8, 0},          {"-4@w21", OUTRIDER_ARG_REG, 21, -4, 0},
      {"8@w3", OUTRIDER_ARG_REG, 3, 4, 0},          {"8@x30", OUTRIDER_ARG_REG, 30, 8, 0},
      {"8@sp", OUTRIDER_ARG_REG, 31, 8, 0},         {"4@[sp, 12]", OUTRIDER_ARG_DEREF, 31, 4, 12},
      {"4@[sp,12]", OUTRIDER_ARG_DEREF, 31, 4, 12}, {"8@[x19, -16]", OUTRIDER_ARG_DEREF, 19, 8, -16},
      {"8@[x2]", OUTRIDER_ARG_DEREF, 2, 8, 0},      {"-4@5", OUTRIDER_ARG_CONST, 0, -4, 5},
      {"-4@-5", OUTRIDER_ARG_CONST, 0, -4, -5},     {"8@xzr", OUTRIDER_ARG_CONST, 0, 8, 0},
  };
  for (const Decoded& one : cases) expect_decoded(one, Machine::kAarch64);
}

struct Unreadable {
  const char* text;
  const char* reason;
};

TEST(ArgDecode, unreadable_x86_operands_say_why) {
  const Unreadable cases[] = {
      {"8@8(%rax,%rbx,4)", "index register"},
      {"8@(,%rbx,8)", "index register"},
      {"8@sym(%rip)", "relative to %rip"},
      {"8@sym+24(%rip)", "relative to %rip"},
      {"8@(%rip)", "relative to %rip"},
      {"8@sym(%rax)", "symbol"},
      {"8@%fs:16", "segment register"},
      {"8@%fs:16(%rax)", "segment register"},
      {"4@$sym", "not a number"},
      {"1@%ah", "second byte"},
      {"8f@%xmm0", "floating point"},
      {"8@%xmm0", "vector register"},
      {"8@%r16", "unknown"},
      {"8@%r", "unknown"},
      {"4@(%eax)", "64-bit"},
      {"3@%rax", "size"},
      {"-2147483648@%rax", "size"},
      {"99999999999@%rax", "size"},
      {"@%rax", "size"},
      {"8@", "empty"},
      {"8@foo", "neither"},
      {"8@)(", "neither"},
      {"8@()", "base"},
      {"8@$99999999999999999999", "not a number"},
  };
  for (const Unreadable& one : cases) {
    const auto arg = parse_usdt_arg(one.text, Machine::kX86_64);
    ASSERT_FALSE(arg) << one.text;
    EXPECT_THAT(arg.error().message, HasSubstr(one.text));
    EXPECT_THAT(arg.error().message, HasSubstr(one.reason));
  }
}

TEST(ArgDecode, unreadable_arm64_operands_say_why) {
  const Unreadable cases[] = {{"8@[x0, x1]", "index register"}, {"8@[x0, x1, lsl 3]", "index register"},
                              {"8@[sp, 12", "no end"},          {"8@[foo]", "base register"},
                              {"8@v0", "vector register"},      {"8@x31", "unknown"},
                              {"8@[sp, a]", "not a number"},    {"8@[]", "base register"}};
  for (const Unreadable& one : cases) {
    const auto arg = parse_usdt_arg(one.text, Machine::kAarch64);
    ASSERT_FALSE(arg) << one.text;
    EXPECT_THAT(arg.error().message, HasSubstr(one.reason)) << one.text;
  }
}

TEST(ArgDecode, splitting) {
  EXPECT_THAT(split_usdt_args("-4@$0 8@%rdi  4@[sp, 12] 8@8(%rax, %rbx, 4)"),
              ElementsAre("-4@$0", "8@%rdi", "4@[sp, 12]", "8@8(%rax, %rbx, 4)"));
  EXPECT_THAT(split_usdt_args(""), ElementsAre());
  EXPECT_THAT(split_usdt_args("  "), ElementsAre());
  EXPECT_THAT(split_usdt_args("8@[sp, 1"), ElementsAre("8@[sp, 1"));
}

}  // namespace
}  // namespace outrider
