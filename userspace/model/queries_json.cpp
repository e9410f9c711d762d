#include "userspace/model/queries_json.h"

#include <fmt/format.h>

#include <cstddef>
#include <iterator>

#include "userspace/model/snapshot_json.h"
#include "userspace/model/utf8.h"
#include "userspace/model/wait_names.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

double seconds(std::uint64_t ns) { return static_cast<double>(ns) / 1e9; }

// Those that were waited for, named as in snapshots.
Json waits_json(const WaitNanoseconds& waits) {
  Json json = Json::object();
  for (std::size_t i = 0; i < waits.size(); ++i) {
    if (waits[i] > 0) json[fmt::format("{}_seconds", kWaitNames[i])] = seconds(waits[i]);
  }
  return json;
}

Json text_json(const std::string& text) { return text.empty() ? Json(nullptr) : Json(valid_utf8(text)); }

void add_session(Json& json, const ClientSession& session) {
  json["database"] = text_json(session.database);
  json["user"] = text_json(session.user);
  json["client"] = text_json(session.client);
}

Json state_json(const std::optional<outrider_run_state>& state) {
  if (!state) return nullptr;
  if (*state == OUTRIDER_ON_CPU) return "running";
  return *state == OUTRIDER_RUN_QUEUE ? "run_queue" : "waiting";
}

}  // namespace

Json to_json(const SlowQuery& query) {
  Json json = {{"type", query.type},           {"start", format_timestamp(query.start_ms)},
               {"start_ms", query.start_ms},   {"duration_seconds", seconds(query.duration_ns)},
               {"failed", query.failed},       {"process", query.process},
               {"thread", query.thread},       {"waits", query.waits ? waits_json(*query.waits) : Json(nullptr)},
               {"text", text_json(query.text)}};
  add_session(json, query.session);
  return json;
}

Json to_json(const InFlightQuery& query, const ThreadStack& stack) {
  Json json = {{"type", query.type},
               {"start", format_timestamp(query.start_ms)},
               {"start_ms", query.start_ms},
               {"seconds", seconds(query.age_ns)},
               {"process", query.process},
               {"thread", query.thread != 0 ? Json(query.thread) : Json(nullptr)},
               {"state", state_json(query.state)},
               {"state_seconds", query.state ? Json(seconds(query.state_ns)) : Json(nullptr)},
               {"wait", query.waits_for ? Json(kWaitNames[*query.waits_for]) : Json(nullptr)},
               {"waits", waits_json(query.waits)},
               {"text", text_json(query.text)},
               {"stack", stack.missing.empty() ? Json(stack.frames) : Json(nullptr)},
               {"stack_missing", stack.missing.empty() ? Json(nullptr) : Json(stack.missing)}};
  add_session(json, query.session);
  return json;
}

}  // namespace outrider
