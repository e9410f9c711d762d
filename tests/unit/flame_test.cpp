// Flame graphs: the tree's sums, and each format by values worked out by hand.
#include "userspace/model/flame.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <map>
#include <nlohmann/json.hpp>
#include <protozero/pbf_reader.hpp>
#include <string>
#include <vector>

#include "userspace/export/flame_pprof.h"
#include "userspace/export/flame_svg.h"
#include "userspace/export/flame_text.h"

namespace outrider {
namespace {

using Frames = std::vector<std::string>;

FlameGraph sample_graph() {
  FlameGraph graph;
  graph.target = "engine";
  graph.type = "path";
  graph.seconds = 10;
  graph.frequency = 100;
  graph.tree.add(Frames{"main", "search"}, 3);
  graph.tree.add(Frames{"main", "sort", "swap_[k]"}, 1);
  graph.tree.add(Frames{"main"}, 4);
  graph.stacks = 8;
  return graph;
}

TEST(FlameTree, SumsAlongTheStack) {
  const FlameGraph graph = sample_graph();
  EXPECT_EQ(graph.tree.total(), 8U);
  const FlameNode& main = *graph.tree.root().children.at("main");
  EXPECT_EQ(main.total, 8U);
  EXPECT_EQ(main.self, 4U);
  EXPECT_EQ(main.children.at("search")->total, 3U);
  EXPECT_EQ(main.children.at("sort")->self, 0U);
  EXPECT_EQ(graph.tree.nodes(), 4U);
}

TEST(FlameTree, LosesNothingWhenItIsFull) {
  FlameTree tree;
  const std::size_t stacks = FlameTree::kMaxNodes + 500;
  for (std::size_t i = 0; i < stacks; ++i) tree.add(Frames{"f" + std::to_string(i)}, 1);
  EXPECT_EQ(tree.total(), stacks);
  EXPECT_LE(tree.nodes(), FlameTree::kMaxNodes + 1);
  EXPECT_EQ(tree.root().children.at("[more]")->total, 500U);
  tree.add(Frames(FlameTree::kMaxDepth * 2, "f1"), 7);
  EXPECT_EQ(tree.total(), stacks + 7);
}

TEST(FlameTree, CutsWhatIsTooDeep) {
  FlameTree tree;
  tree.add(Frames(FlameTree::kMaxDepth + 100, "again"), 7);
  EXPECT_EQ(tree.nodes(), FlameTree::kMaxDepth);
  EXPECT_EQ(tree.total(), 7U);
}

TEST(FlameGraph, BrokenShareOfNothingIsNothing) {
  FlameGraph graph;
  EXPECT_EQ(graph.broken_share(), 0);
  graph = sample_graph();
  graph.broken = 2;
  EXPECT_EQ(graph.broken_share(), 0.25);
}

TEST(FlameFolded, OneLineAStack) {
  EXPECT_EQ(flame_folded(sample_graph()), "main 4\nmain;search 3\nmain;sort;swap_[k] 1\n");
  EXPECT_EQ(flame_folded({}), "");
}

TEST(FlameFolded, NoNameBreaksALine) {
  FlameGraph graph;
  graph.tree.add(Frames{"a;b\nc", "<script>alert(1)</script>", ""}, 1);
  graph.tree.add(Frames{"\xff"}, 1);
  EXPECT_EQ(flame_folded(graph), "a:b?c;<script>alert(1)</script>;? 1\n\xEF\xBF\xBD 1\n");
}

TEST(FlameJson, IsWhatD3FlameGraphReads) {
  EXPECT_EQ(nlohmann::json::parse(flame_tree_json(sample_graph())), nlohmann::json::parse(R"({
    "name": "path", "value": 8, "children": [{"name": "main", "value": 8, "children": [
      {"name": "search", "value": 3},
      {"name": "sort", "value": 1, "children": [{"name": "swap_[k]", "value": 1}]}]}]})"));
}

TEST(FlameJson, WaitsAreSecondsAndFaultsAreSaid) {
  FlameGraph graph;
  graph.target = "engine";
  graph.kind = FlameKind::kOffCpu;
  graph.seconds = 5;
  graph.tree.add(Frames{"main"}, 1'500'000'000);
  graph.broken = 750'000'000;
  graph.losses["stacks_full"] = 3;
  EXPECT_EQ(nlohmann::json::parse(flame_json(graph, 1000)), nlohmann::json::parse(R"({
    "target": "engine", "type": null, "kind": "off_cpu", "unit": "seconds", "time": 1000, "seconds": 5.0,
    "total": 1.5, "broken_share": 0.5, "losses": {"stacks_full": 3}, "before": null,
    "flame": {"name": "all", "value": 1.5, "children": [{"name": "main", "value": 1.5}]}})"));
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

TEST(FlameSvg, WidthsAreShares) {
  const std::string svg = flame_svg(sample_graph());
  // 1,180 pixels for 8 samples: 147.5 each; children in the order of their names. Four rows of 17 under a head of 58.
  EXPECT_EQ(count(svg, "x=\"10.00\" y=\"109\" width=\"1180.00\""), 1U) << svg;  // path, all of it, at the bottom
  EXPECT_EQ(count(svg, "x=\"10.00\" y=\"92\" width=\"1180.00\""), 1U) << svg;   // main
  EXPECT_EQ(count(svg, "x=\"10.00\" y=\"75\" width=\"442.50\""), 1U) << svg;    // search: 3
  EXPECT_EQ(count(svg, "x=\"452.50\" y=\"75\" width=\"147.50\""), 1U) << svg;   // sort: 1
  EXPECT_EQ(count(svg, "<title>search (3 samples, 37.50 %)</title>"), 1U) << svg;
  EXPECT_EQ(count(svg, "<g>"), count(svg, "</g>"));
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
}

TEST(FlameSvg, NamesAreTextAndNothingElse) {
  FlameGraph graph = sample_graph();
  graph.target = "<b>\"&";
  graph.tree.add(Frames{"<script>alert('x')</script>",
                        "a\x01"
                        "b",
                        "c\xef\xbf\xbf"},
                 8);
  const std::string svg = flame_svg(graph);
  EXPECT_EQ(svg.find("<script"), std::string::npos);
  EXPECT_EQ(svg.find("<b>"), std::string::npos);
  EXPECT_EQ(svg.find('\x01'), std::string::npos);
  EXPECT_EQ(svg.find("\xef\xbf\xbf"), std::string::npos) << "no character of XML 1.0, 2.2";
  EXPECT_NE(svg.find("&lt;script&gt;alert('x')&lt;/script&gt;"), std::string::npos);
  EXPECT_NE(svg.find("&lt;b&gt;&quot;&amp;"), std::string::npos);
}

TEST(FlameSvg, AnEmptyGraphSaysSo) { EXPECT_NE(flame_svg({}).find("nothing was seen"), std::string::npos); }

std::string gunzip(const std::string& data) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
  std::string out(1U << 20, '\0');
  std::string in = data;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

/// What of profile.proto matters here, read back by the field numbers of that file.
struct Profile {
  std::vector<std::string> strings;
  std::map<std::uint64_t, std::uint64_t> function_of;  // location -> function
  std::map<std::uint64_t, std::uint64_t> name_of;      // function -> string
  std::vector<std::pair<std::vector<std::uint64_t>, std::vector<std::int64_t>>> samples;
  std::vector<std::pair<std::int64_t, std::int64_t>> sample_types;
  std::int64_t period = 0, duration = 0, time = 0;
  std::vector<std::int64_t> comments;

  [[nodiscard]] Frames frames(std::size_t i) const {
    Frames names;
    for (const std::uint64_t location : samples.at(i).first)
      names.push_back(strings.at(name_of.at(function_of.at(location))));
    return names;
  }
};

std::pair<std::uint64_t, std::uint64_t> read_location(protozero::pbf_reader message) {
  std::pair<std::uint64_t, std::uint64_t> location;
  while (message.next()) {
    if (message.tag() == 1) {
      location.first = message.get_uint64();
    } else if (message.tag() == 4) {
      protozero::pbf_reader line = message.get_message();
      while (line.next()) location.second = line.get_uint64();
    } else {
      message.skip();
    }
  }
  return location;
}

std::pair<std::uint64_t, std::uint64_t> read_pair(protozero::pbf_reader message) {
  std::pair<std::uint64_t, std::uint64_t> pair;
  while (message.next()) (message.tag() == 1 ? pair.first : pair.second) = message.get_uint64();
  return pair;
}

void read_sample(protozero::pbf_reader message, Profile& profile) {
  auto& sample = profile.samples.emplace_back();
  while (message.next()) {
    if (message.tag() == 1) {
      for (const auto id : message.get_packed_uint64()) sample.first.push_back(id);
    } else {
      for (const auto value : message.get_packed_int64()) sample.second.push_back(value);
    }
  }
}

Profile read_profile(const std::string& bytes) {
  Profile profile;
  protozero::pbf_reader reader(bytes);
  while (reader.next()) {
    switch (reader.tag()) {
      case 1:
        profile.sample_types.emplace_back(read_pair(reader.get_message()));
        break;
      case 2:
        read_sample(reader.get_message(), profile);
        break;
      case 4:
        profile.function_of.insert(read_location(reader.get_message()));
        break;
      case 5:
        profile.name_of.insert(read_pair(reader.get_message()));
        break;
      case 6:
        profile.strings.push_back(reader.get_string());
        break;
      case 9:
        profile.time = reader.get_int64();
        break;
      case 10:
        profile.duration = reader.get_int64();
        break;
      case 12:
        profile.period = reader.get_int64();
        break;
      case 13:
        profile.comments.push_back(reader.get_int64());
        break;
      default:
        reader.skip();
    }
  }
  return profile;
}

TEST(FlamePprof, ReadsBack) {
  const Result<std::string> gzipped = flame_pprof(sample_graph(), 1'700'000'000'000'000'000);
  ASSERT_TRUE(gzipped);
  const Profile profile = read_profile(gunzip(*gzipped));
  ASSERT_EQ(profile.strings.at(0), "");
  ASSERT_EQ(profile.sample_types.size(), 2U);
  EXPECT_EQ(profile.strings.at(static_cast<std::size_t>(profile.sample_types[0].first)), "samples");
  EXPECT_EQ(profile.strings.at(static_cast<std::size_t>(profile.sample_types[1].first)), "cpu");
  EXPECT_EQ(profile.strings.at(static_cast<std::size_t>(profile.sample_types[1].second)), "nanoseconds");
  ASSERT_EQ(profile.samples.size(), 3U);
  EXPECT_EQ(profile.frames(0), (Frames{"main"}));
  EXPECT_EQ(profile.frames(1), (Frames{"search", "main"}));  // the innermost first
  EXPECT_EQ(profile.frames(2), (Frames{"swap_[k]", "sort", "main"}));
  EXPECT_EQ(profile.samples[1].second, (std::vector<std::int64_t>{3, 30'000'000}));  // at 100 Hz
  EXPECT_EQ(profile.period, 10'000'000);
  EXPECT_EQ(profile.duration, 10'000'000'000);
  EXPECT_EQ(profile.time, 1'700'000'000'000'000'000);
  ASSERT_EQ(profile.comments.size(), 3U);
  EXPECT_EQ(profile.strings.at(static_cast<std::size_t>(profile.comments[0])), "target: engine");
}

TEST(FlamePprof, WaitsHaveOneValue) {
  FlameGraph graph = sample_graph();
  graph.kind = FlameKind::kOffCpu;
  const Result<std::string> gzipped = flame_pprof(graph, 0);
  ASSERT_TRUE(gzipped);
  const Profile profile = read_profile(gunzip(*gzipped));
  ASSERT_EQ(profile.sample_types.size(), 1U);
  EXPECT_EQ(profile.strings.at(static_cast<std::size_t>(profile.sample_types[0].first)), "waiting");
  EXPECT_EQ(profile.samples.at(1).second, (std::vector<std::int64_t>{3}));
  EXPECT_EQ(profile.period, 0);
}

}  // namespace
}  // namespace outrider
