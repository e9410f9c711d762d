// Which recordings are kept, and how many.
#include "userspace/service/flame_archive.h"

#include <gtest/gtest.h>

namespace outrider {
namespace {

KeptFlame flame(const FlameSubject& subject, std::int64_t time_ms, std::size_t name_bytes = 4) {
  auto graph = std::make_shared<FlameGraph>();
  graph->tree.add(std::vector<std::string>{std::string(name_bytes, 'f')}, 1);
  return {.subject = subject, .time_ms = time_ms, .at = {}, .graph = graph};
}

const FlameSubject kPath{"engine", "path", FlameKind::kOnCpu};
const FlameSubject kWaits{"engine", "path", FlameKind::kOffCpu};

TEST(FlameArchive, newest_first_and_of_the_subject_only) {
  FlameArchive archive;
  archive.add(flame(kPath, 1000));
  archive.add(flame(kWaits, 2000));
  archive.add(flame(kPath, 3000));
  const auto found = archive.of(kPath);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].time_ms, 3000);
  EXPECT_EQ(found[1].time_ms, 1000);
  EXPECT_EQ(archive.find(2000)->subject, kWaits);
  EXPECT_EQ(archive.find(2001), nullptr);
}

TEST(FlameArchive, a_subject_has_eight_and_takes_none_of_another) {
  FlameArchive archive;
  archive.add(flame(kWaits, 1));
  for (int i = 0; i < 20; ++i) archive.add(flame(kPath, 100 + i));
  const auto found = archive.of(kPath);
  ASSERT_EQ(found.size(), FlameArchive::kMostOfOne);
  EXPECT_EQ(found.front().time_ms, 119);
  EXPECT_EQ(found.back().time_ms, 112);
  EXPECT_NE(archive.find(1), nullptr);
}

TEST(FlameArchive, the_oldest_go_beyond_64) {
  FlameArchive archive;
  for (int i = 0; i < 70; ++i) archive.add(flame({"engine", std::to_string(i), FlameKind::kOnCpu}, i));
  EXPECT_EQ(archive.find(5), nullptr);
  EXPECT_NE(archive.find(6), nullptr);
  EXPECT_NE(archive.find(69), nullptr);
}

TEST(FlameArchive, the_oldest_go_beyond_the_bytes) {
  FlameArchive archive;
  constexpr std::size_t kThird = FlameArchive::kMostBytes / 3;
  for (int i = 0; i < 4; ++i) archive.add(flame({"engine", std::to_string(i), FlameKind::kOnCpu}, i, kThird));
  EXPECT_EQ(archive.find(1), nullptr);
  EXPECT_NE(archive.find(2), nullptr) << "two thirds and a little have room";
  archive.add(flame(kPath, 9, 2 * FlameArchive::kMostBytes));
  EXPECT_EQ(archive.find(9), nullptr) << "what is larger than all is not kept either";
  EXPECT_NE(archive.find(2), nullptr) << "and costs no other";
  archive.add(flame(kPath, 10));
  EXPECT_NE(archive.find(10), nullptr) << "the bytes of what went are free again";
}

TEST(FlameArchive, no_two_have_the_same_time) {
  FlameArchive archive;
  EXPECT_EQ(archive.add(flame(kPath, 1000)), 1000);
  EXPECT_EQ(archive.add(flame(kWaits, 1000)), 1001);
  EXPECT_EQ(archive.add(flame(kPath, 999)), 999) << "a clock may be set back";
}

TEST(FlameArchive, a_target_that_is_gone_takes_its_recordings_with_it) {
  FlameArchive archive;
  archive.add(flame(kPath, 1));
  archive.add(flame({"other", "", FlameKind::kOnCpu}, 2));
  archive.keep_only({"other"});
  EXPECT_EQ(archive.find(1), nullptr);
  EXPECT_NE(archive.find(2), nullptr);
}

}  // namespace
}  // namespace outrider
