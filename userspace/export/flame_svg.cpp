#include "userspace/export/flame_svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "userspace/base/units.h"
#include "userspace/export/flame_text.h"
#include "userspace/model/flame_difference.h"

namespace outrider {
namespace {

constexpr double kWidth = 1200;
constexpr double kMargin = 10;
constexpr double kRow = 17;
constexpr double kHead = 58;
constexpr double kNarrowest = 0.2;     // pixels; what is narrower cannot be seen
constexpr double kCharacter = 7.3;     // pixels of one in the text's size
constexpr double kNarrowestText = 24;  // pixels

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

/// At most `most` characters, cut between characters.
std::string shorten(const std::string& text, std::size_t most) {
  std::size_t characters = 0;
  std::size_t cut = text.size();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0U) == 0x80U) continue;
    if (characters++ == most - 2) cut = i;
  }
  return characters <= most ? text : text.substr(0, cut) + "..";
}

// The same name has the same colour in every graph.
std::string colour(const std::string& name, FlameKind kind) {
  unsigned hash = 2166136261U;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  const unsigned vary = hash >> 16U;
  if (name.starts_with('[')) return "hsl(0,0%,78%)";
  if (name.ends_with("_[k]")) return fmt::format("hsl({},70%,{}%)", 28 + vary % 10, 66 + vary / 16 % 10);
  if (kind == FlameKind::kOffCpu) return fmt::format("hsl({},60%,{}%)", 200 + vary % 30, 70 + vary / 32 % 10);
  return fmt::format("hsl({},85%,{}%)", 42 + vary % 14, 62 + vary / 16 % 12);
}

// By how much a frame changed: blue is less, orange is more, which the colour-blind tell apart too; the more the
// darker, and never too dark for the text on it.
constexpr std::array<const char*, 7> kChangeColours = {"#4d94d6", "#8dbbe6", "#c3dbf1", "#e4e4e4",
                                                       "#fbd9ae", "#f5b35c", "#e08a1e"};
constexpr std::array<const char*, 7> kChangeNames = {"-10 or more", "-3 to -10", "-0.5 to -3", "about the same",
                                                     "+0.5 to +3",  "+3 to +10", "+10 or more"};

const char* change_colour(int band) {
  const int step = band + 3;
  return kChangeColours.at(static_cast<std::size_t>(step));
}

class Drawing {
 public:
  explicit Drawing(const FlameGraph& graph) : graph_(graph) {
    if (graph.tree.total() > 0) scale_ = (kWidth - 2 * kMargin) / static_cast<double>(graph.tree.total());
    depth_ = depth_of(graph.tree.root());
    head_ = graph.baseline ? kHead + 2 * kRow : kHead;
    height_ = head_ + kRow * (depth_ + 1) + kMargin;
  }

  std::string draw() {
    head();
    frame(graph_.type.empty() ? "all" : graph_.type, graph_.tree.root(), kMargin, 0);
    if (graph_.tree.total() == 0)
      out_ += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\">nothing was seen</text>\n", kMargin, head_ - 4);
    return out_ + "</svg>\n";
  }

 private:
  [[nodiscard]] bool visible(const FlameNode& node) const {
    return static_cast<double>(node.total) * scale_ >= kNarrowest;
  }

  [[nodiscard]] unsigned depth_of(const FlameNode& node) const {
    unsigned deepest = 0;
    for (const auto& [name, child] : node.children) {
      if (visible(*child)) deepest = std::max(deepest, 1 + depth_of(*child));
    }
    return deepest;
  }

  [[nodiscard]] std::string amount(std::uint64_t value) const {
    const double share =
        100 * static_cast<double>(value) / static_cast<double>(std::max<std::uint64_t>(1, graph_.tree.total()));
    if (graph_.kind == FlameKind::kOnCpu) return fmt::format("{} samples, {:.2f} %", value, share);
    return fmt::format("{} waited, {:.2f} %", format_seconds(graph_.in_unit(value)), share);
  }

  // What a frame was before and by how much it changed, in what is compared: see compare_flames().
  [[nodiscard]] std::string change(const FlameNode& node) const {
    if (!graph_.baseline) return {};
    const double points = 100 * flame_change(graph_, node);
    if (graph_.kind == FlameKind::kOnCpu) {
      const std::uint64_t all = std::max<std::uint64_t>(1, graph_.tree.root().before_total);
      const double share = 100 * static_cast<double>(node.before_total) / static_cast<double>(all);
      return fmt::format("; before {:.2f} %: {:+.1f} percentage points", share, points);
    }
    const double before = graph_.before_in_unit(node.before_total);
    const double seconds = graph_.seconds > 0 ? graph_.seconds : 1;
    const double difference = (graph_.in_unit(node.total) - before) / seconds;
    return fmt::format("; per second {}, before {}: {}{}, {:+.1f} percentage points",
                       format_seconds(graph_.in_unit(node.total) / seconds), format_seconds(before / seconds),
                       difference < 0 ? "-" : "+", format_seconds(std::abs(difference)), points);
  }

  void legend() {
    const double y = kHead - 6;
    out_ += fmt::format(
        "<text x=\"{:.0f}\" y=\"{:.0f}\">Widths are of this recording, colours the change in percentage points "
        "against the earlier one; {:.1f} % of that is in frames that are no more.</text>\n",
        kMargin, y + 10, 100 * flame_gone(graph_));
    double x = kMargin;
    for (std::size_t i = 0; i < kChangeColours.size(); ++i) {
      out_ += fmt::format(
          "<rect x=\"{:.0f}\" y=\"{:.0f}\" width=\"14\" height=\"12\" fill=\"{}\"/><text x=\"{:.0f}\" "
          "y=\"{:.0f}\">{}</text>\n",
          x, y + 18, kChangeColours[i], x + 19, y + 28, kChangeNames[i]);
      x += 40 + kCharacter * static_cast<double>(std::string_view(kChangeNames[i]).size());
    }
  }

  void head() {
    const std::string what = graph_.kind == FlameKind::kOnCpu ? "on-CPU" : "off-CPU";
    const std::string title = fmt::format("{}: {}, {}", printable_frame(graph_.target),
                                          graph_.type.empty() ? "all query types" : printable_frame(graph_.type), what);
    std::uint64_t lost = 0;
    for (const auto& [reason, count] : graph_.losses) lost += count;
    const std::string line =
        fmt::format("{} in {:.0f} s; {:.1f} % with truncated stacks; {} losses", amount(graph_.tree.total()),
                    graph_.seconds, 100 * graph_.broken_share(), lost);
    out_ += fmt::format(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} "
        "{1:.0f}\" "
        "role=\"img\" font-family=\"monospace\" font-size=\"12\">\n<title>{2}</title>\n<desc>{3}</desc>\n"
        "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        "<text x=\"{4:.0f}\" y=\"22\" font-size=\"16\">{2}</text>\n<text x=\"{4:.0f}\" y=\"40\">{3}</text>\n",
        kWidth, height_, escape(title), escape(line), kMargin);
    if (graph_.baseline) legend();
  }

  void frame(const std::string& raw_name, const FlameNode& node, double x, unsigned depth) {
    const std::string name = printable_frame(raw_name);
    const double width = static_cast<double>(node.total) * scale_;
    const double y = height_ - kMargin - kRow * (depth + 1);
    out_ += fmt::format(
        "<g><title>{} ({}{})</title><rect x=\"{:.2f}\" y=\"{:.0f}\" width=\"{:.2f}\" height=\"{:.0f}\" "
        "fill=\"{}\" stroke=\"#fff\" stroke-width=\"0.5\"/>",
        escape(name), amount(node.total), change(node), x, y, width, kRow - 1,
        graph_.baseline ? change_colour(flame_change_band(flame_change(graph_, node))) : colour(name, graph_.kind));
    if (width >= kNarrowestText) {
      const auto room = static_cast<std::size_t>((width - 4) / kCharacter);
      if (room > 2)
        out_ += fmt::format(R"(<text x="{:.2f}" y="{:.0f}">{}</text>)", x + 3, y + 12, escape(shorten(name, room)));
    }
    out_ += "</g>\n";
    for (const auto& [child_name, child] : node.children) {
      if (visible(*child)) frame(child_name, *child, x, depth + 1);
      x += static_cast<double>(child->total) * scale_;
    }
  }

  const FlameGraph& graph_;
  double scale_ = 0;
  unsigned depth_ = 0;
  double head_ = 0, height_ = 0;
  std::string out_;
};

}  // namespace

std::string flame_svg(const FlameGraph& graph) { return Drawing(graph).draw(); }

}  // namespace outrider
