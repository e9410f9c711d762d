// Moments as people type them. Expected values: `date -u -d ... +%s`.
#include "userspace/base/moment.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <time.h>

namespace outrider {
namespace {

constexpr std::int64_t kNow = 1'700'000'000'123;

class Moment : public testing::Test {
 protected:
  Moment() {
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);  // central Europe, whether its data is installed or not
    tzset();
  }
};

TEST_F(Moment, what_is_understood) {
  const std::pair<const char*, std::int64_t> cases[] = {
      {"now", kNow},
      {"2h", kNow - 7'200'000},
      {"-30m", kNow - 1'800'000},
      {"@1700000000", 1'700'000'000'000},
      {"2026-01-31T08:30:15Z", 1'769'848'215'000},
      {"2026-01-31T08:30:15.250Z", 1'769'848'215'250},
      {"2026-01-31T08:30:15+01:00", 1'769'844'615'000},
      {"2026-01-31 08:30", 1'769'844'600'000},  // winter: an hour ahead
      {"2026-07-01T00:00", 1'782'856'800'000},  // summer: two hours
      {"2026-01-31", 1'769'814'000'000},
  };
  for (const auto& [text, expected] : cases) {
    const auto moment = parse_moment(text, kNow);
    ASSERT_TRUE(moment) << moment.error().message;
    EXPECT_EQ(*moment, expected) << text;
  }
}

TEST_F(Moment, what_is_not) {
  for (const char* text :
       {"", "yesterday", "2026-02-30", "2026-01-31T25:00", "2026-01-31T08:61", "@", "@12x", "31.1.2026"}) {
    const auto moment = parse_moment(text, kNow);
    ASSERT_FALSE(moment) << text;
    EXPECT_EQ(moment.error().code, EINVAL);
    EXPECT_NE(moment.error().message.find("is no time"), std::string::npos);
  }
}

}  // namespace
}  // namespace outrider
