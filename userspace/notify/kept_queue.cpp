// ChannelQueue as text, to survive the agent.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "userspace/model/json_number.h"
#include "userspace/model/notice_json.h"
#include "userspace/notify/channel_queue.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::milliseconds;
using Time = ChannelQueue::Time;

constexpr int kVersion = 1;
constexpr milliseconds kLongest = std::chrono::hours(24 * 3650);  // no sum of two of them overflows

std::string item(const Notice& notice, Time since, Time now) {
  const auto age = std::chrono::duration_cast<milliseconds>(now - since);
  return Json{{"age_ms", age.count()}, {"notice", to_json(notice)}}.dump();
}

struct Kept {
  Notice notice;
  Time since;
};

// None if one of them is not what it should be.
std::optional<std::vector<Kept>> read_items(const Json& items, milliseconds away, Time now) {
  std::vector<Kept> all;
  for (const Json& one : items) {
    auto notice = notice_from_json(one.at("notice"));
    if (!notice) return std::nullopt;
    const milliseconds age(kept_ms(one.at("age_ms")));
    all.push_back({*std::move(notice), now - std::clamp(age, milliseconds(0), kLongest) - away});
  }
  return all;
}

struct KeptQueue {
  std::vector<Kept> queue, incidents;
};

std::optional<KeptQueue> read_queue(const std::string& text, Time now, std::int64_t now_ms) {
  try {
    const Json json = Json::parse(text);
    if (whole_number<int>(json.at("version")) != kVersion) return std::nullopt;
    // A clock that was set back makes it no older.
    const auto saved_at = std::clamp<std::int64_t>(kept_ms(json.at("saved_at_ms")), 0, now_ms);
    const milliseconds away = std::min(milliseconds(now_ms - saved_at), kLongest);
    auto queue = read_items(json.at("queue"), away, now);
    auto incidents = read_items(json.at("incidents"), away, now);
    if (!queue || !incidents) return std::nullopt;
    return KeptQueue{*std::move(queue), *std::move(incidents)};
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace

std::string ChannelQueue::serialise(Time now, std::int64_t now_ms, std::size_t most_bytes) const {
  constexpr std::size_t kFrame = 200;  // for what surrounds the items
  std::size_t left = most_bytes - std::min(most_bytes, kFrame);
  const auto fits = [&left](const std::string& text) {
    const bool enough = text.size() < left;
    if (enough) left -= text.size() + 1;
    return enough;
  };
  std::vector<std::string> queue;
  queue.reserve(queue_.size());
  for (std::size_t i = queue_.size(); i > 0; --i) {
    std::string text = item(queue_[i - 1].notice, queue_[i - 1].since, now);
    if (!fits(text)) break;
    queue.push_back(std::move(text));
  }
  std::reverse(queue.begin(), queue.end());
  std::vector<std::string> incidents;
  incidents.reserve(incidents_.size());
  for (const auto& [id, incident] : incidents_) {
    std::string text = item(incident.newest, incident.said, now);
    if (!fits(text)) break;
    incidents.push_back(std::move(text));
  }
  return fmt::format(R"({{"version":{},"saved_at_ms":{},"queue":[{}],"incidents":[{}]}})", kVersion, now_ms,
                     fmt::join(queue, ","), fmt::join(incidents, ","));
}

Status ChannelQueue::restore(const std::string& text, Time now, std::int64_t now_ms) {
  auto kept = read_queue(text, now, now_ms);
  if (!kept) return Error{"the notices that were kept for an alert channel cannot be read; they are lost"};
  std::deque<Waiting> all;
  for (Kept& waiting : kept->queue) all.push_back({std::move(waiting.notice), waiting.since});
  std::move(queue_.begin(), queue_.end(), std::back_inserter(all));
  queue_ = std::move(all);
  for (Kept& incident : kept->incidents) {
    const std::string id = incident.notice.id;
    if (incidents_.size() < options_.limit)
      incidents_.emplace(id, Incident{std::move(incident.notice), incident.since});
  }
  drop_excess();
  return Ok{};
}

}  // namespace outrider
