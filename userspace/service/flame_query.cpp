#include "userspace/service/flame_query.h"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <utility>

#include "userspace/base/units.h"
#include "userspace/export/flame_text.h"
#include "userspace/http/message.h"
#include "userspace/model/flame_difference.h"
#include "userspace/model/utf8.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;
using Query = std::map<std::string, std::string>;

Result<std::optional<std::int64_t>> recording_time(const Query& query, const char* name) {
  const auto found = query.find(name);
  if (found == query.end()) return std::optional<std::int64_t>();
  const std::string& text = found->second;
  std::int64_t time = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), time);
  if (error == std::errc() && end == text.data() + text.size() && time >= 0) return std::optional<std::int64_t>(time);
  return Error{fmt::format("{}: '{}' is no time in Unix milliseconds; /api/v1/flame/recordings lists them", name, text),
               EINVAL};
}

FlameAnswer done(const KeptFlame& kept) {
  FlameAnswer answer;
  answer.state = FlameAnswer::State::kDone;
  answer.graph = kept.graph;
  answer.time_ms = kept.time_ms;
  return answer;
}

}  // namespace

Result<FlameQuery> parse_flame_query(const Query& query, const std::string& target) {
  const std::string kind = parameter(query, "kind", "on_cpu");
  if (kind != "on_cpu" && kind != "off_cpu") {
    return Error{"kind: '" + kind + "' is neither on_cpu nor off_cpu", EINVAL};
  }
  const Result<std::chrono::milliseconds> length = parse_duration(parameter(query, "for", "10s"));
  if (!length) return Error{"for: " + length.error().message, EINVAL};
  if (*length < Flames::kShortest) return Error{"for: 1s is the shortest", EINVAL};
  if (*length > Flames::kLongest) return Error{"for: 30s is the longest", EINVAL};
  const Result<std::optional<std::int64_t>> at = recording_time(query, "at");
  if (!at) return at.error();
  const Result<std::optional<std::int64_t>> compare = recording_time(query, "compare");
  if (!compare) return compare.error();
  if (*at && *at == *compare) return Error{"compare: a recording differs from itself in nothing", EINVAL};
  FlameQuery asked;
  asked.question = {.target = target,
                    .type = parameter(query, "type"),
                    .kind = kind == "on_cpu" ? FlameKind::kOnCpu : FlameKind::kOffCpu,
                    .duration = *length};
  asked.at = *at;
  asked.compare = *compare;
  return asked;
}

Result<FlameAnswer> answer_flame(Flames& flames, const FlameQuery& asked, const std::optional<std::string>& mode) {
  const FlameSubject subject = asked.question.subject();
  std::optional<KeptFlame> before;
  if (asked.compare) {
    Result<KeptFlame> kept = flames.kept(subject, *asked.compare);
    if (!kept) return Error{"compare: " + kept.error().message, kept.error().code};
    before = std::move(*kept);
  }
  FlameAnswer answer;
  if (asked.at) {
    const Result<KeptFlame> kept = flames.kept(subject, *asked.at);
    if (!kept) return Error{"at: " + kept.error().message, kept.error().code};
    answer = done(*kept);
  } else {
    answer = flames.ask(asked.question, mode, before ? before->at : std::chrono::steady_clock::time_point());
  }
  if (!before || answer.state != FlameAnswer::State::kDone) return answer;
  answer.graph = std::make_shared<const FlameGraph>(
      compare_flames(*answer.graph, before->graph->tree, before->graph->seconds, before->time_ms));
  return answer;
}

Json recordings_json(const FlameSubject& subject, const std::vector<KeptFlame>& kept) {
  Json recordings = Json::array();
  for (const KeptFlame& flame : kept) {
    const FlameGraph& graph = *flame.graph;
    const std::uint64_t total = graph.tree.total();
    recordings.push_back({{"time", flame.time_ms},
                          {"seconds", graph.seconds},
                          {"stacks", graph.stacks},
                          {"total", graph.kind == FlameKind::kOnCpu ? Json(total) : Json(graph.in_unit(total))}});
  }
  return {{"target", valid_utf8(subject.target)},
          {"type", subject.type.empty() ? Json(nullptr) : Json(valid_utf8(subject.type))},
          {"kind", flame_kind_name(subject.kind)},
          {"recordings", std::move(recordings)}};
}

}  // namespace outrider
