#include "userspace/service/alerts_json.h"

#include "userspace/model/notice_json.h"
#include "userspace/model/utf8.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const AlertLine& line) {
  Json json = {{"state", line.pending ? "pending" : "firing"}, {"held", line.held}};
  json.update(to_json(line.notice));
  json.erase("at");
  json.erase("event");
  return json;
}

}  // namespace

Json to_json(const ChannelCounters& channel) {
  return {{"name", channel.name},
          {"sent", channel.sent},
          {"failed", channel.failed},
          {"dropped", channel.dropped},
          {"queued", channel.queued},
          {"failing", channel.failing},
          {"last_error", channel.last_error.empty() ? Json(nullptr) : Json(valid_utf8(channel.last_error))}};
}

Json active_alerts_json(const AlertStatus& status, const std::string& target) {
  Json all = Json::array();
  for (const bool pending : {false, true}) {
    for (const AlertLine& line : status.alerts) {
      if (line.pending == pending && (target.empty() || line.notice.target == target)) all.push_back(to_json(line));
    }
  }
  return all;
}

Json to_json(const AlertStatus& status, const std::string& target) {
  Json recent = Json::array();
  for (const Notice& notice : *status.recent) {
    if (target.empty() || notice.target == target) recent.push_back(to_json(notice));
  }
  Json channels = Json::array();
  for (const ChannelCounters& channel : status.channels) channels.push_back(to_json(channel));
  return {{"alerts", active_alerts_json(status, target)},
          {"recent", std::move(recent)},
          {"channels", std::move(channels)},
          {"told", status.told},
          {"untracked_breaches", status.untracked_breaches},
          {"detector_bytes", status.detector_bytes}};
}

}  // namespace outrider
