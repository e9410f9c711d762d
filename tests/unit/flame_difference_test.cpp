// A flame graph beside an earlier one: differences worked out by hand, each format, and files to compare with.
#include "userspace/model/flame_difference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "userspace/export/flame_svg.h"
#include "userspace/export/flame_text.h"
#include "userspace/export/folded_reader.h"

namespace outrider {
namespace {

using Frames = std::vector<std::string>;
using testing::HasSubstr;

/// 8 samples now against 4 before: `search` 37.5 % after 25 %, `sort` 12.5 % after nothing, `walk` nothing after 25 %.
FlameGraph on_cpu() {
  FlameGraph now;
  now.target = "engine";
  now.type = "path";
  now.seconds = 10;
  now.tree.add(Frames{"main"}, 4);
  now.tree.add(Frames{"main", "search"}, 3);
  now.tree.add(Frames{"main", "sort", "swap"}, 1);
  FlameTree before;
  before.add(Frames{"main"}, 2);
  before.add(Frames{"main", "search"}, 1);
  before.add(Frames{"main", "walk"}, 1);
  return compare_flames(now, before, 5, 1'700'000'000'000);
}

/// 3 s waited in 10 s against 2 s in 20 s, which is 1 s in 10.
FlameGraph off_cpu() {
  FlameGraph now;
  now.kind = FlameKind::kOffCpu;
  now.seconds = 10;
  now.tree.add(Frames{"main", "lock"}, 2'000'000'000);
  now.tree.add(Frames{"main", "disk"}, 1'000'000'000);
  FlameTree before;
  before.add(Frames{"main", "lock"}, 2'000'000'000);
  return compare_flames(now, before, 20);
}

const FlameNode& node(const FlameGraph& graph, const Frames& frames) {
  const FlameNode* at = &graph.tree.root();
  for (const std::string& frame : frames) at = at->children.at(frame).get();
  return *at;
}

TEST(FlameDifference, OnCpuComparesShares) {
  const FlameGraph graph = on_cpu();
  EXPECT_EQ(graph.target, "engine");
  EXPECT_EQ(graph.seconds, 10);
  EXPECT_EQ(graph.tree.total(), 8U);
  EXPECT_EQ(graph.baseline->scale, 2);
  EXPECT_EQ(node(graph, {"main"}).self, 4U);
  EXPECT_EQ(node(graph, {"main"}).before_total, 4U);
  EXPECT_EQ(graph.before_in_unit(node(graph, {"main", "search"}).before_total), 2);
  EXPECT_DOUBLE_EQ(flame_change(graph, graph.tree.root()), 0);
  EXPECT_DOUBLE_EQ(flame_change(graph, node(graph, {"main", "search"})), 0.125);
  EXPECT_DOUBLE_EQ(flame_change(graph, node(graph, {"main", "sort", "swap"})), 0.125);
  EXPECT_EQ(node(graph, {"main", "walk"}).total, 0U);
  EXPECT_DOUBLE_EQ(flame_change(graph, node(graph, {"main", "walk"})), -0.25);
  EXPECT_DOUBLE_EQ(flame_gone(graph), 0.25);
}

TEST(FlameDifference, OffCpuComparesWaitedTimePerSecond) {
  const FlameGraph graph = off_cpu();
  EXPECT_EQ(graph.baseline->scale, 0.5);
  EXPECT_DOUBLE_EQ(graph.before_in_unit(graph.tree.root().before_total), 1);
  EXPECT_DOUBLE_EQ(flame_change(graph, graph.tree.root()), 2.0 / 3);
  EXPECT_DOUBLE_EQ(flame_change(graph, node(graph, {"main", "lock"})), 1.0 / 3);
  EXPECT_DOUBLE_EQ(flame_change(graph, node(graph, {"main", "disk"})), 1.0 / 3);
}

TEST(FlameDifference, WithoutSamplesNothingIsDividedByZero) {
  FlameGraph now;
  const FlameGraph nothing = compare_flames(now, FlameTree(), 0);
  EXPECT_EQ(flame_change(nothing, nothing.tree.root()), 0);
  EXPECT_EQ(flame_gone(nothing), 0);
  now.tree.add(Frames{"main"}, 3);
  const FlameGraph all_new = compare_flames(now, FlameTree(), 10);
  EXPECT_EQ(flame_change(all_new, all_new.tree.root()), 1);
  now.kind = FlameKind::kOffCpu;
  EXPECT_EQ(compare_flames(now, FlameTree(), 0).baseline->scale, 1);
}

TEST(FlameDifference, BandsBeginWhereTheLegendSays) {
  for (const auto& [change, band] : {std::pair(0.0, 0),
                                     {0.0049, 0},
                                     {-0.0049, 0},
                                     {0.005, 1},
                                     {-0.005, -1},
                                     {0.03, 2},
                                     {-0.0299, -1},
                                     {0.1, 3},
                                     {-0.1, -3},
                                     {1.0, 3}}) {
    EXPECT_EQ(flame_change_band(change), band) << change;
  }
}

TEST(FlameDifference, FoldedHasTwoValues) {
  EXPECT_EQ(flame_folded(on_cpu()), "main 4 4\nmain;search 2 3\nmain;sort;swap 0 1\nmain;walk 2 0\n");
  EXPECT_EQ(flame_folded(off_cpu()), "main;disk 0 1000000000\nmain;lock 1000000000 2000000000\n");
}

TEST(FlameDifference, JsonHasBothValues) {
  EXPECT_EQ(nlohmann::json::parse(flame_tree_json(on_cpu())), nlohmann::json::parse(R"({
    "name": "path", "value": 8, "before": 8.0, "children": [{"name": "main", "value": 8, "before": 8.0, "children": [
      {"name": "search", "value": 3, "before": 2.0},
      {"name": "sort", "value": 1, "before": 0.0, "children": [{"name": "swap", "value": 1, "before": 0.0}]},
      {"name": "walk", "value": 0, "before": 2.0}]}]})"));
  EXPECT_EQ(nlohmann::json::parse(flame_json(on_cpu(), 1'700'000'060'000))["before"], nlohmann::json::parse(R"({
    "time": 1700000000000, "seconds": 5.0, "total": 4, "scale": 2.0, "gone_share": 0.25})"));
  EXPECT_TRUE(nlohmann::json::parse(flame_json({}, 0))["before"].is_null());
}

TEST(FlameDifference, SvgSaysWhatChanged) {
  const std::string svg = flame_svg(on_cpu());
  EXPECT_THAT(svg, HasSubstr("search (3 samples, 37.50 %; before 25.00 %: +12.5 percentage points)"));
  EXPECT_THAT(svg, HasSubstr("main (8 samples, 100.00 %; before 100.00 %: +0.0 percentage points)"));
  EXPECT_THAT(svg, HasSubstr("25.0 % of that is in frames that are no more"));
  EXPECT_EQ(svg.find("<title>walk"), std::string::npos) << "it has no width";
  const std::string waits = flame_svg(off_cpu());
  EXPECT_THAT(waits, HasSubstr("lock (2.00 s waited, 66.67 %; per second 200 ms, before 100 ms: +100 ms, +33.3 "));
}

TEST(FoldedReader, ReadsWhatIsWritten) {
  FlameGraph graph;
  graph.tree.add(Frames{"main", "std::map<int, int>::find(int const&) const"}, 3);
  graph.tree.add(Frames{"main", "a;b"}, 2);
  graph.tree.add(Frames{"main"}, 1);
  const Result<FlameTree> read = parse_folded(flame_folded(graph), "x");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->total(), 6U);
  EXPECT_EQ(read->root().children.at("main")->children.at("a:b")->total, 2U);
  EXPECT_EQ(read->root().children.at("main")->children.count("std::map<int, int>::find(int const&) const"), 1U);
}

TEST(FoldedReader, ANameThatEndsInANumberIsNoSecondValue) {
  const Result<FlameTree> read = parse_folded("main;worker 7 3\nmain 1\n", "x");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->root().children.at("main")->children.at("worker 7")->total, 3U);
}

TEST(FoldedReader, SaysTheLineAndWhatWasExpected) {
  for (const auto& [text, sentence] :
       {std::pair("main 1\nmain;a\n",
                  "b.folded:2: there is no whole number at the end of the line; expected 'outermost;"),
        {"main 1\n\nmain 2\n", "b.folded:2: "},
        {"main 1.5\n", "b.folded:1: "},
        {"main -1\n", "b.folded:1: "},
        {"main 1\r\n", "b.folded:1: "},
        {"<svg>\n", "b.folded:1: "},
        {" 7\n", "b.folded:1: "},
        {"7\n", "b.folded:1: "},
        {"a 1\nb 2\na;;b 3\n", "b.folded:3: a frame has no name"},
        {"a; 3\n", "b.folded:1: a frame has no name"},
        {"a 99999999999999999999\n", "b.folded:1: "},
        {"a 9223372036854775807\nb 1\n", "b.folded:2: the values are too large"},
        {"main 4 4\nmain;search 2 3\n", "b.folded: each line has two values"},
        {"", "b.folded: there is nothing in it"},
        {"main 0\n", "b.folded: there is nothing in it"}}) {
    const Result<FlameTree> read = parse_folded(text, "b.folded");
    ASSERT_FALSE(read) << text;
    EXPECT_THAT(read.error().message, HasSubstr(sentence)) << text;
  }
}

TEST(FoldedReader, ReadsFilesAndNothingElse) {
  const std::string path = testing::TempDir() + "outrider_folded_" + std::to_string(getpid());
  EXPECT_THAT(read_folded(path).error().message, HasSubstr("No such file"));
  EXPECT_THAT(read_folded(testing::TempDir()).error().message, HasSubstr("Is a directory"));
  std::ofstream(path) << "main 3\n";
  const Result<FlameTree> read = read_folded(path);
  std::filesystem::remove(path);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->total(), 3U);
}

}  // namespace
}  // namespace outrider
