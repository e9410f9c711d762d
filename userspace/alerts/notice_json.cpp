#include "userspace/alerts/notice_json.h"

#include <array>
#include <string>
#include <utility>

namespace outrider {
namespace {

using Json = nlohmann::json;

constexpr std::array<std::pair<const char*, std::string Notice::*>, 10> kTexts = {
    {{"id", &Notice::id},
     {"name", &Notice::name},
     {"rule_id", &Notice::rule_id},
     {"arm", &Notice::arm},
     {"target", &Notice::target},
     {"type", &Notice::type},
     {"metric", &Notice::metric},
     {"cause", &Notice::cause},
     {"text", &Notice::text},
     {"annotation", &Notice::annotation}}};
constexpr std::array<std::pair<const char*, std::optional<double> Notice::*>, 4> kFigures = {
    {{"value", &Notice::value},
     {"threshold", &Notice::threshold},
     {"expected", &Notice::expected},
     {"score", &Notice::score}}};

}  // namespace

Json notice_to_json(const Notice& notice) {
  Json json = {{"what", static_cast<int>(notice.what)},
               {"severity", name_of(notice.severity)},
               {"at_ms", notice.at_ms},
               {"since_ms", notice.since_ms},
               {"labels", notice.labels}};
  for (const auto& [key, text] : kTexts) json[key] = notice.*text;
  for (const auto& [key, figure] : kFigures) {
    if (notice.*figure) json[key] = *(notice.*figure);
  }
  return json;
}

Notice notice_from_json(const Json& json) {
  Notice notice;
  notice.what = static_cast<Notice::What>(json.at("what").get<int>());
  notice.severity = severity_of(json.at("severity").get<std::string>()).value_or(Severity::kWarning);
  notice.at_ms = json.at("at_ms").get<std::int64_t>();
  notice.since_ms = json.at("since_ms").get<std::int64_t>();
  notice.labels = json.at("labels").get<std::map<std::string, std::string>>();
  for (const auto& [key, text] : kTexts) notice.*text = json.at(key).get<std::string>();
  for (const auto& [key, figure] : kFigures) {
    if (json.contains(key)) notice.*figure = json.at(key).get<double>();
  }
  return notice;
}

}  // namespace outrider
