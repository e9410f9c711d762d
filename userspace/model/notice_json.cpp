#include "userspace/model/notice_json.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>

#include "userspace/base/moment.h"
#include "userspace/model/snapshot_json.h"
#include "userspace/model/utf8.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array kEvents = {Notice::What::kFiring, Notice::What::kWorse, Notice::What::kResolved};
constexpr std::array kSeverities = {Severity::kInfo, Severity::kWarning, Severity::kCritical, Severity::kEmergency};

// JSON knows neither infinity nor NaN.
Json figure(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

std::optional<double> figure_of(const Json& json) {
  return json.is_null() ? std::nullopt : std::optional(json.get<double>());
}

/// Of those in `all`, the one with this name.
template <typename Values>
std::optional<typename Values::value_type> named(const Values& all, std::string_view name) {
  const auto found = std::find_if(all.begin(), all.end(), [name](auto one) { return name_of(one) == name; });
  return found == all.end() ? std::nullopt : std::optional(*found);
}

void read_texts(const Json& json, Notice& notice) {
  const std::pair<const char*, std::string*> texts[] = {{"id", &notice.id},         {"name", &notice.name},
                                                        {"rule", &notice.rule_id},  {"arm", &notice.arm},
                                                        {"target", &notice.target}, {"type", &notice.type},
                                                        {"metric", &notice.metric}, {"cause", &notice.cause},
                                                        {"text", &notice.text},     {"annotation", &notice.annotation}};
  for (const auto& [key, text] : texts) *text = json.at(key).get<std::string>();
  for (const auto& [key, value] : json.at("labels").items()) notice.labels[key] = value.get<std::string>();
}

std::optional<Notice> read_notice(const Json& json) {
  Notice notice;
  const auto what = named(kEvents, json.at("event").get<std::string>());
  const auto severity = named(kSeverities, json.at("severity").get<std::string>());
  const auto at = parse_moment(json.at("at").get<std::string>(), 0);
  const auto since = parse_moment(json.at("since").get<std::string>(), 0);
  if (!what || !severity || !at || !since) return std::nullopt;
  notice.what = *what;
  notice.severity = *severity;
  notice.at_ms = *at;
  notice.since_ms = *since;
  read_texts(json, notice);
  notice.value = figure_of(json.at("value"));
  notice.threshold = figure_of(json.at("threshold"));
  notice.expected = figure_of(json.at("expected"));
  notice.score = figure_of(json.at("score"));
  return notice;
}

}  // namespace

const char* name_of(Notice::What what) {
  switch (what) {
    case Notice::What::kFiring:
      return "firing";
    case Notice::What::kWorse:
      return "worse";
    case Notice::What::kResolved:
      break;
  }
  return "resolved";
}

Json to_json(const Notice& notice) {
  Json json = {{"at", format_timestamp(notice.at_ms)},
               {"event", name_of(notice.what)},
               {"id", valid_utf8(notice.id)},
               {"name", valid_utf8(notice.name)},
               {"rule", valid_utf8(notice.rule_id)},
               {"arm", valid_utf8(notice.arm)},
               {"severity", name_of(notice.severity)},
               {"target", valid_utf8(notice.target)},
               {"type", valid_utf8(notice.type)},
               {"metric", valid_utf8(notice.metric)},
               {"value", figure(notice.value)},
               {"threshold", figure(notice.threshold)},
               {"expected", figure(notice.expected)},
               {"effect_percent", figure(notice.effect_percent())},
               {"score", figure(notice.score)},
               {"since", format_timestamp(notice.since_ms)},
               {"cause", valid_utf8(notice.cause)},
               {"text", valid_utf8(notice.text)},
               {"annotation", valid_utf8(notice.annotation)}};
  Json& labels = json["labels"] = Json::object();
  for (const auto& [name, value] : notice.labels) labels[valid_utf8(name)] = valid_utf8(value);
  return json;
}

std::optional<Notice> notice_from_json(const Json& json) {
  try {
    return read_notice(json);
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace outrider
