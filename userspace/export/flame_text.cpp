#include "userspace/export/flame_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "userspace/model/flame_difference.h"
#include "userspace/model/utf8.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

std::string folded_frame(const std::string& name) {
  std::string frame = printable_frame(name);
  std::replace(frame.begin(), frame.end(), ';', ':');
  return frame;
}

void fold(const FlameGraph& graph, const FlameNode& node, const std::string& path, std::string& out) {
  if (graph.baseline) {
    const auto before =
        static_cast<std::uint64_t>(std::llround(static_cast<double>(node.before_self) * graph.baseline->scale));
    if (node.self + before > 0 && !path.empty()) out += fmt::format("{} {} {}\n", path, before, node.self);
  } else if (node.self > 0 && !path.empty()) {
    out += fmt::format("{} {}\n", path, node.self);
  }
  for (const auto& [name, child] : node.children) {
    const std::string frame = folded_frame(name);
    fold(graph, *child, path.empty() ? frame : path + ';' + frame, out);
  }
}

Json value_json(const FlameGraph& graph, std::uint64_t value) {
  return graph.kind == FlameKind::kOnCpu ? Json(value) : Json(graph.in_unit(value));
}

Json node_json(const FlameGraph& graph, const std::string& name, const FlameNode& node) {
  Json json = {{"name", valid_utf8(name)}, {"value", value_json(graph, node.total)}};
  if (graph.baseline) json["before"] = graph.before_in_unit(node.before_total);
  Json children = Json::array();
  for (const auto& [child_name, child] : node.children) children.push_back(node_json(graph, child_name, *child));
  if (!children.empty()) json["children"] = std::move(children);
  return json;
}

Json tree_json(const FlameGraph& graph) {
  return node_json(graph, graph.type.empty() ? "all" : graph.type, graph.tree.root());
}

Json baseline_json(const FlameGraph& graph) {
  if (!graph.baseline) return nullptr;
  return {{"time", graph.baseline->time_ms},
          {"seconds", graph.baseline->seconds},
          {"total", value_json(graph, graph.tree.root().before_total)},
          {"scale", graph.baseline->scale},
          {"gone_share", flame_gone(graph)}};
}

}  // namespace

const char* flame_kind_name(FlameKind kind) { return kind == FlameKind::kOnCpu ? "on_cpu" : "off_cpu"; }

std::string printable_frame(const std::string& name) {
  std::string text = valid_utf8(name);
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  std::replace_if(text.begin(), text.end(), is_control, '?');
  // U+FFFE and U+FFFF are no characters, and an SVG with one is no XML.
  for (const char* none : {"\xef\xbf\xbe", "\xef\xbf\xbf"}) {
    for (auto at = text.find(none); at != std::string::npos; at = text.find(none, at)) text.replace(at, 3, 1, '?');
  }
  return text.empty() ? "?" : text;
}

std::string flame_folded(const FlameGraph& graph) {
  std::string out;
  fold(graph, graph.tree.root(), "", out);
  return out;
}

std::string flame_tree_json(const FlameGraph& graph) { return tree_json(graph).dump() + '\n'; }

std::string flame_json(const FlameGraph& graph, std::int64_t time_ms) {
  Json losses = Json::object();
  for (const auto& [reason, count] : graph.losses) losses[reason] = count;
  const Json json = {{"target", valid_utf8(graph.target)},
                     {"type", graph.type.empty() ? Json(nullptr) : Json(valid_utf8(graph.type))},
                     {"kind", flame_kind_name(graph.kind)},
                     {"unit", graph.unit()},
                     {"time", time_ms},
                     {"seconds", graph.seconds},
                     {"total", value_json(graph, graph.tree.total())},
                     {"broken_share", graph.broken_share()},
                     {"losses", std::move(losses)},
                     {"before", baseline_json(graph)},
                     {"flame", tree_json(graph)}};
  return json.dump();
}

}  // namespace outrider
