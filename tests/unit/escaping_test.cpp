// Every output with the same nasty names, read back as its format's specification says: each name arrives as one name,
// and nothing else does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <protozero/pbf_reader.hpp>
#include <set>
#include <sstream>

#include "tests/unit/influx_server.h"
#include "tests/unit/nasty_strings.h"
#include "tests/unit/tui_board.h"
#include "userspace/cli/logging.cpp"  // NOLINT(bugprone-suspicious-include): the commands are a program, and no library
#include "userspace/export/flame_pprof.h"
#include "userspace/export/flame_svg.h"
#include "userspace/export/flame_text.h"
#include "userspace/export/folded_reader.h"
#include "userspace/export/influx_line.h"
#include "userspace/export/openmetrics.h"
#include "userspace/export/prometheus_text.h"
#include "userspace/model/snapshot_json.h"
#include "userspace/model/utf8.h"
#include "userspace/notify/channels.h"
#include "userspace/notify/mail.h"
#include "userspace/notify/notice_text.h"
#include "userspace/tui/screen.h"

namespace outrider {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::Not;

using Names = std::multiset<std::string>;

/// What a reader should see: the names, with what is no UTF-8 replaced.
Names expected_names() {
  Names names;
  for (const std::string& name : nasty_strings()) names.insert(valid_utf8(name));
  return names;
}

/// A snapshot with a type of each name, of a user and a database of that name too, and one of them as the target's.
Snapshot nasty_snapshot() {
  Snapshot snapshot = two_types();
  snapshot.target = nasty_strings().at(2);
  auto& types = snapshot.query_metrics.query_type_breakdown;
  types.clear();
  for (const std::string& name : nasty_strings()) {
    TypeMetrics& type = types[valid_utf8(name)] = type_of(10, 0.001, 0.002, 0.003, 1);
    type.session = std::make_shared<const ClientSession>(ClientSession{valid_utf8(name), valid_utf8(name), ""});
    snapshot.query_metrics.phases[valid_utf8(name)] = {3, 0.25, 9, 1.0};
  }
  return snapshot;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

/// One sample by the text format 0.0.4: name, labels, value. Fails the test where it is none.
struct Sample {
  std::string name;
  std::map<std::string, std::string> labels;
  std::string value;
};

class SampleReader {
 public:
  explicit SampleReader(const std::string& line) : line_(line) {}

  Sample read() {
    Sample sample;
    sample.name =
        take_while([](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == ':'; });
    EXPECT_FALSE(sample.name.empty()) << line_;
    if (peek() == '{') {
      do {
        ++at_;
        if (peek() == '}') break;
        const std::string key =
            take_while([](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; });
        expect('=');
        sample.labels[key] = quoted();
      } while (peek() == ',');
      expect('}');
    }
    expect(' ');
    sample.value = line_.substr(at_);
    EXPECT_EQ(sample.value.find_first_not_of("0123456789.eE+-InfNa"), std::string::npos) << line_;
    return sample;
  }

 private:
  [[nodiscard]] char peek() const { return at_ < line_.size() ? line_[at_] : '\0'; }
  void expect(char c) {
    EXPECT_EQ(peek(), c) << line_.substr(0, at_ + 20);
    ++at_;
  }
  template <typename Is>
  std::string take_while(Is is) {
    const std::size_t begin = at_;
    while (at_ < line_.size() && is(line_[at_])) ++at_;
    return line_.substr(begin, at_ - begin);
  }
  std::string quoted() {
    std::string value;
    expect('"');
    while (at_ < line_.size() && line_[at_] != '"') {
      if (line_[at_] != '\\') {
        value += line_[at_++];
        continue;
      }
      const char escaped = at_ + 1 < line_.size() ? line_[at_ + 1] : '\0';
      EXPECT_THAT("n\\\"", HasSubstr(std::string(1, escaped)));
      value += escaped == 'n' ? '\n' : escaped;
      at_ += 2;
    }
    expect('"');
    return value;
  }

  const std::string& line_;
  std::size_t at_ = 0;
};

/// The types and targets of all samples of this metric.
std::pair<Names, Names> read_metric(const std::string& text, const std::string& metric) {
  Names types, targets;
  EXPECT_EQ(valid_utf8(text), text);
  for (const std::string& line : lines_of(text)) {
    if (line.starts_with('#') || line.empty()) {
      EXPECT_TRUE(line.empty() || line.starts_with("# HELP ") || line.starts_with("# TYPE ") ||
                  line.starts_with("# UNIT ") || line == "# EOF")
          << line;
      continue;
    }
    const Sample sample = SampleReader(line).read();
    if (sample.name != metric) continue;
    types.insert(sample.labels.at("type"));
    EXPECT_EQ(sample.labels.at("usename"), sample.labels.at("type"));
    EXPECT_EQ(sample.labels.at("datname"), sample.labels.at("type"));
    targets.insert(sample.labels.at("target"));
  }
  return {types, targets};
}

TEST(Escaping, PrometheusText) {
  const auto [types, targets] = read_metric(prometheus_text({nasty_snapshot()}), "llmkg_query_type_failed_total");
  EXPECT_EQ(types, expected_names());
  EXPECT_THAT(targets, Each(nasty_strings().at(2)));
}

TEST(Escaping, OpenMetrics) {
  const auto [types, targets] = read_metric(openmetrics_text({nasty_snapshot()}), "llmkg_query_type_failed_total");
  EXPECT_EQ(types, expected_names());
  EXPECT_THAT(targets, Each(nasty_strings().at(2)));
}

/// Splits at `mark` where no backslash is before it and no quotes are around it, as InfluxDB's reference says.
std::vector<std::string> split_line(const std::string& text, char mark, bool quotes) {
  std::vector<std::string> parts(1);
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      parts.back() += text[i];
      parts.back() += text[++i];
      continue;
    }
    if (quotes && text[i] == '"') quoted = !quoted;
    if (text[i] == mark && !quoted) {
      parts.emplace_back();
    } else {
      parts.back() += text[i];
    }
  }
  return parts;
}

TEST(Escaping, LineProtocol) {
  std::set<std::string> types;
  for (const std::string& line : lines_of(influx_lines({nasty_snapshot()}))) {
    EXPECT_TRUE(std::none_of(line.begin(), line.end(), is_control)) << line;
    // Quotes are plain in measurement and tags, and mean something in the fields behind them.
    const std::string tag_part = split_line(line, ' ', false).front();
    ASSERT_LT(tag_part.size(), line.size()) << line;
    auto parts = split_line(line.substr(tag_part.size() + 1), ' ', true);
    parts.insert(parts.begin(), tag_part);
    ASSERT_EQ(parts.size(), 3U) << line;  // measurement and tags, fields, time
    EXPECT_EQ(parts[2].find_first_not_of("0123456789"), std::string::npos) << line;
    const auto tags = split_line(parts[0], ',', false);
    EXPECT_THAT(tags[0], testing::StartsWith("outrider_"));
    for (std::size_t i = 1; i < tags.size(); ++i) {
      const auto pair = split_line(tags[i], '=', false);
      ASSERT_EQ(pair.size(), 2U) << line;
      EXPECT_THAT((std::set<std::string>{"target", "type", "phase", "rule", "datname", "usename"}),
                  testing::Contains(pair[0]));
      if (pair[0] == "type") types.insert(pair[1]);
    }
    for (const std::string& field : split_line(parts[1], ',', true)) {
      EXPECT_EQ(split_line(field, '=', true).size(), 2U) << line;
    }
  }
  EXPECT_EQ(types.size(), nasty_strings().size());  // none of them was taken for another one
}

TEST(Escaping, Json) {
  const Snapshot snapshot = nasty_snapshot();
  const std::string line = to_json_line(snapshot);
  EXPECT_TRUE(std::none_of(line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }));
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json.at("target"), nasty_strings().at(2));
  Names types;
  for (const auto& [name, type] : json.at("query_metrics").at("query_type_breakdown").items()) {
    types.insert(name);
    EXPECT_EQ(type.at("user"), name);
    EXPECT_EQ(type.at("database"), name);
  }
  EXPECT_EQ(types, expected_names());
}

FlameGraph nasty_flame() {
  FlameGraph graph;
  graph.target = nasty_strings().at(8);
  graph.type = nasty_strings().at(6);
  graph.seconds = 1;
  graph.frequency = 99;
  for (const std::string& name : nasty_strings()) graph.tree.add(std::vector<std::string>{"main", name}, 7);
  return graph;
}

/// Names as flame graphs show them.
Names frame_names() {
  Names names;
  for (const std::string& name : nasty_strings()) names.insert(printable_frame(name));
  return names;
}

TEST(Escaping, FlameGraphAsSvgIsReadByAParserOfXml) {
  const std::filesystem::path dir =
      std::filesystem::temp_directory_path() / ("outrider-svg-" + std::to_string(getpid()));
  std::filesystem::create_directory(dir);
  std::ofstream(dir / "flame.svg") << flame_svg(nasty_flame());
  const std::string script = std::string(OUTRIDER_SOURCE_DIR) + "/tests/unit/data/check_svg.py";
  FILE* pipe = popen(("/usr/bin/python3 " + script + " <" + (dir / "flame.svg").string() + " 2>&1").c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string out;
  std::array<char, 4096> part{};
  while (const std::size_t got = std::fread(part.data(), 1, part.size(), pipe)) out.append(part.data(), got);
  EXPECT_EQ(pclose(pipe), 0) << out;
  std::filesystem::remove_all(dir);
  Names titles;
  for (const std::string& line : lines_of(out)) {
    const std::string title = nlohmann::json::parse(line);
    if (const auto end = title.find(" (7 samples"); end != std::string::npos) titles.insert(title.substr(0, end));
  }
  EXPECT_EQ(titles, frame_names());
}

TEST(Escaping, FlameGraphAsFoldedStacks) {
  const std::string folded = flame_folded(nasty_flame());
  const auto lines = lines_of(folded);
  EXPECT_EQ(lines.size(), nasty_strings().size());
  for (const std::string& line : lines) {
    EXPECT_TRUE(line.starts_with("main;") && line.ends_with(" 7")) << line;
    EXPECT_EQ(std::count(line.begin(), line.end(), ';'), 1) << line;
    EXPECT_TRUE(std::none_of(line.begin(), line.end(), is_control)) << line;
  }
  const auto read = parse_folded(folded, "folded");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->total(), 7 * nasty_strings().size());
}

TEST(Escaping, FlameGraphAsJson) {
  const auto json = nlohmann::json::parse(flame_json(nasty_flame(), 0));
  Names names;
  for (const auto& child : json.at("flame").at("children").at(0).at("children")) names.insert(child.at("name"));
  EXPECT_EQ(names, expected_names());
}

std::string unzipped(const std::string& data) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
  std::string out(1U << 20U, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

TEST(Escaping, FlameGraphAsPprof) {
  constexpr protozero::pbf_tag_type kStringTable = 6;  // of profile.proto
  const auto pprof = flame_pprof(nasty_flame(), 0);
  ASSERT_TRUE(pprof);
  const std::string bytes = unzipped(*pprof);
  Names strings;
  protozero::pbf_reader reader(bytes);
  while (reader.next(kStringTable)) strings.insert(reader.get_string());
  for (const std::string& text : strings) EXPECT_EQ(valid_utf8(text), text) << "proto3 strings are UTF-8";
  for (const std::string& name : frame_names()) EXPECT_EQ(strings.count(name), 1U) << name;
}

/// What may steer a terminal, or hide or turn round what it shows.
bool misleads(const std::string& text) {
  const std::array<const char*, 9> bad = {"\xc2\x9b",     "\xe2\x80\xa8", "\xe2\x80\xa9",
                                          "\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x80\x8b",
                                          "\xef\xbb\xbf", "\xc2\x80",     "\xc2\x85"};
  return std::any_of(text.begin(), text.end(), is_control) ||
         std::any_of(bad.begin(), bad.end(), [&](const char* one) { return text.find(one) != std::string::npos; });
}

TEST(Escaping, TerminalText) {
  Names shown;
  for (const std::string& name : nasty_strings()) {
    const std::string text = without_controls(name);
    EXPECT_FALSE(misleads(text)) << text;
    EXPECT_EQ(valid_utf8(text), text);
    shown.insert(text);
  }
  EXPECT_EQ(std::set<std::string>(shown.begin(), shown.end()).size(), nasty_strings().size());
  EXPECT_EQ(without_controls("\x1b]0;a\x07\n\xe2\x80\xae\xc2\x9b caf\xc3\xa9 \xf0\x9f\x99\x82"),
            "\\x1b]0;a\\x07\\x0a\\u202e\\x9b caf\xc3\xa9 \xf0\x9f\x99\x82");
  EXPECT_EQ(without_controls(std::string_view("a\0b\xff", 4)), "a\\x00b\xEF\xBF\xBD");
}

TEST(Escaping, LogLines) {
  for (const std::string& name : nasty_strings()) {
    const auto lines = lines_of("<3>" + log_text("the target " + name + " is gone", "<3>") + "\n");
    for (std::size_t i = 0; i < lines.size(); ++i) {
      EXPECT_FALSE(misleads(lines[i])) << lines[i];
      // What looks like a line of its own is seen to be none, and has the entry's priority.
      EXPECT_TRUE(lines[i].starts_with(i == 0 ? "<3>the target " : "<3>  ")) << lines[i];
    }
  }
  EXPECT_EQ(log_text("a\nb\n"), "a\n  b\n  ");
}

TEST(Escaping, JsonLog) {
  const auto formatter = formatter_of("json");
  for (const std::string& name : nasty_strings()) {
    const std::string text = "the target " + name + " is gone";
    spdlog::memory_buf_t buffer;
    formatter->format(spdlog::details::log_msg("outrider", spdlog::level::warn, text), buffer);
    const std::string line(buffer.data(), buffer.size());
    ASSERT_TRUE(line.ends_with('\n')) << line;
    EXPECT_TRUE(std::all_of(line.begin(), line.end() - 1, [](char c) { return c >= 0x20 && c < 0x7f; })) << line;
    const auto json = nlohmann::json::parse(line);
    EXPECT_EQ(json.at("message"), valid_utf8(text));
    EXPECT_EQ(json.at("level"), "warning");
    EXPECT_EQ(json.size(), 3U) << line;  // and the time
  }
}

class EscapingOnAScreen : public TuiTest {};

TEST_F(EscapingOnAScreen, OfTheTerminalView) {
  Snapshot snapshot = nasty_snapshot();
  snapshot.target = nasty_strings().at(16);
  Board board = board_of(snapshot);
  for (const std::string& name : nasty_strings()) {
    board.alerts.push_back({.target = name, .name = name, .type = name, .since_ms = 1});
    board.trouble = board.no_alerts = board.news = name;
    for (const Page page : {Page::kTable, Page::kType}) {
      View view;
      view.page = page;
      view.type = name;
      for (const Line& line : draw(view, board, {}, {60, 200}, true)) EXPECT_FALSE(misleads(text_of(line)));
    }
  }
}

std::vector<Notice> nasty_notices() {
  std::vector<Notice> notices;
  notices.reserve(nasty_strings().size());
  for (const std::string& name : nasty_strings()) {
    Notice notice;
    notice.id = notice.name = notice.target = notice.type = notice.cause = notice.text = notice.annotation = name;
    notice.labels["label"] = name;
    notices.push_back(notice);
  }
  return notices;
}

TEST(Escaping, NoticesAsJson) {
  const auto json = nlohmann::json::parse(group_json(nasty_notices()));
  Names names;
  for (const auto& alert : json.at("alerts")) names.insert(alert.at("name"));
  EXPECT_EQ(names, expected_names());
}

TEST(Escaping, Alertmanager) {
  InfluxServer server;  // takes any request
  AlertmanagerOptions options;
  options.post.url = "http://127.0.0.1:" + std::to_string(server.port());
  const auto channel = make_channel(options);
  ASSERT_TRUE(channel) << channel.error().message;
  const Delivery sent = (*channel)->deliver(nasty_notices(), [] { return false; });
  ASSERT_EQ(sent.fate, Delivery::Fate::kDelivered) << sent.reason;
  const std::string body = server.bodies();
  EXPECT_TRUE(std::none_of(body.begin(), body.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }));
  Names names;
  for (const auto& alert : nlohmann::json::parse(body)) {
    const auto& labels = alert.at("labels");
    const auto& annotations = alert.at("annotations");
    const std::string name = labels.at("alertname");
    for (const char* key : {"label", "target", "query_type"}) EXPECT_EQ(labels.at(key), name) << key;
    for (const char* key : {"summary", "description", "cause", "id"}) EXPECT_EQ(annotations.at(key), name) << key;
    names.insert(name);
  }
  EXPECT_EQ(names, expected_names());
}

TEST(Escaping, NoticesAsMail) {
  for (const Notice& notice : nasty_notices()) {
    const std::string mail = mail_message({.to = {"a@example.org"}, .from = "b@example.org"}, {notice});
    const auto lines = lines_of(mail);
    EXPECT_TRUE(std::all_of(mail.begin(), mail.end(), [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); }));
    for (const std::string& line : lines) {
      if (line.empty()) break;  // the header's end
      const std::string key = line.substr(0, line.find(':'));
      EXPECT_TRUE(line.starts_with(' ') ||
                  (std::set<std::string>{"To", "From", "Subject", "Auto-Submitted", "MIME-Version", "Content-Type",
                                         "Content-Transfer-Encoding"}
                       .contains(key)))
          << line;
    }
  }
}

}  // namespace
}  // namespace outrider
