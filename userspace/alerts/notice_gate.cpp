#include "userspace/alerts/notice_gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "userspace/model/json_number.h"
#include "userspace/model/notice_json.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kDownArm = "down";
constexpr const char* kDropArm = "drop";

/// What can flap: the same rule or arm on the same target and type. Zero bytes are in none of them.
std::string kind_of(const Notice& notice) {
  const std::string zero(1, '\0');
  return (notice.rule_id.empty() ? notice.arm : notice.rule_id) + zero + notice.target + zero + notice.type;
}

bool is_traffic(const std::string& metric) {
  return metric.starts_with("query_metrics.queries_per_second") || metric == "query_metrics.interval_queries";
}

/// That nothing comes, or that a figure cannot be had: what is to be expected of a target that is down.
bool is_of_silence(const Notice& notice) {
  if (notice.rule_id.empty()) return notice.arm == kDropArm;
  const bool absent = !notice.threshold;
  return absent || (is_traffic(notice.metric) && notice.value && *notice.value < *notice.threshold);
}

}  // namespace

bool NoticeGate::follows_from_another(const Notice& notice) const {
  return is_of_silence(notice) && std::any_of(open_.begin(), open_.end(), [&](const auto& entry) {
           return entry.second.notice.arm == kDownArm && entry.second.notice.target == notice.target;
         });
}

bool NoticeGate::is_silenced(const Notice& notice, std::int64_t now_ms) const {
  return std::any_of(silences_.begin(), silences_.end(),
                     [&](const Silence& silence) { return silences(silence, notice, now_ms); });
}

bool NoticeGate::flaps(const Notice& notice, std::int64_t now_ms) const {
  const auto begins = begins_.find(kind_of(notice));
  return begins != begins_.end() && begins->second.flaps && now_ms - begins->second.times.back() < kQuietMs;
}

bool NoticeGate::is_held(const Notice& notice, std::int64_t now_ms) const {
  return is_silenced(notice, now_ms) || follows_from_another(notice) || flaps(notice, now_ms);
}

void NoticeGate::tell(Open& open, std::vector<Notice>& told) {
  open.told = true;
  told.push_back(open.notice);
  const auto found = begins_.find(kind_of(open.notice));
  if (found == begins_.end()) return;
  Begins& begins = found->second;
  if (begins.flaps) {  // it has been quiet for long enough
    begins = {{begins.times.back()}, false};
  } else if (begins.times.size() > kMostBegins) {
    begins.flaps = true;
    told.back().text += fmt::format(
        "; it comes and goes, {} times within an hour, and is not told again until it has "
        "been quiet for {} minutes",
        begins.times.size(), kQuietMs / 60'000);
  }
}

void NoticeGate::begin(const Notice& notice, std::int64_t now_ms, std::vector<Notice>& told) {
  if (open_.size() >= kMostOpen && !open_.contains(notice.id)) {
    told.push_back(notice);
    return;
  }
  const auto [entry, is_new] = open_.try_emplace(notice.id, Open{notice, false, false});
  if (!is_new) return;
  Begins& begins = begins_[kind_of(notice)];
  if (begins.flaps && now_ms - begins.times.back() >= kQuietMs) begins = {};
  std::vector<std::int64_t>& times = begins.times;
  std::erase_if(times, [now_ms](std::int64_t time) { return now_ms - time >= kFlapWindowMs; });
  if (times.size() > kMostBegins) times.erase(times.begin());
  times.push_back(now_ms);
}

void NoticeGate::go_on(const Notice& notice, std::int64_t now_ms, std::vector<Notice>& told) {
  const auto found = open_.find(notice.id);
  if (found == open_.end() || (found->second.told && !is_silenced(notice, now_ms))) told.push_back(notice);
  if (found == open_.end()) return;
  found->second.notice = notice;  // when it is told, then as it is now
  if (!found->second.told) found->second.notice.what = Notice::What::kFiring;
}

// "Over" as the last word about something that comes and goes would be wrong.
void NoticeGate::end(const Notice& notice, std::int64_t now_ms, std::vector<Notice>& told) {
  const auto found = open_.find(notice.id);
  const bool was_told = found == open_.end() || found->second.told;
  if (found != open_.end() && was_told && flaps(notice, now_ms)) {
    found->second.notice = notice;
    found->second.over = true;
    return;
  }
  if (was_told) told.push_back(notice);
  if (found != open_.end()) open_.erase(found);
}

void NoticeGate::release(std::int64_t now_ms, std::vector<Notice>& told) {
  for (auto open = open_.begin(); open != open_.end();) {
    Open& one = open->second;
    if (one.over && !flaps(one.notice, now_ms)) {
      told.push_back(std::move(one.notice));
      open = open_.erase(open);
      continue;
    }
    if (!one.told && !is_held(one.notice, now_ms)) tell(one, told);
    ++open;
  }
  std::erase_if(begins_, [now_ms](const auto& entry) { return now_ms - entry.second.times.back() >= kFlapWindowMs; });
}

// What lies ahead of a clock that was set back began now.
void NoticeGate::follow_clock(std::int64_t now_ms) {
  for (auto& [kind, begins] : begins_) {
    for (std::int64_t& time : begins.times) time = std::min(time, now_ms);
  }
}

void NoticeGate::end_orphans(const std::set<std::string>& going_on, std::int64_t now_ms,
                             std::vector<Notice>& found) const {
  std::set<std::string> ended;
  for (const Notice& notice : found) {
    if (notice.what == Notice::What::kResolved) ended.insert(notice.id);
  }
  for (const auto& [id, open] : open_) {
    if (open.over || going_on.contains(id) || ended.contains(id)) continue;
    found.push_back(open.notice);
    found.back().what = Notice::What::kResolved;
    found.back().at_ms = now_ms;
    found.back().text += "; over, for nothing watches it any more";
  }
}

std::vector<Notice> NoticeGate::told() const {
  std::vector<Notice> all;
  for (const auto& [id, open] : open_) {
    if (!open.told) continue;
    all.push_back(open.notice);
    all.back().what = open.over ? Notice::What::kResolved : Notice::What::kFiring;
  }
  return all;
}

std::set<std::string> NoticeGate::silenced(std::int64_t now_ms) const {
  std::set<std::string> ids;
  for (const auto& [id, open] : open_) {
    if (open.told && is_silenced(open.notice, now_ms)) ids.insert(id);
  }
  return ids;
}

// All begins are noted before any is told: of two that come together, one may be the reason to hold the other.
void NoticeGate::pass(const std::vector<Notice>& found, std::int64_t now_ms, std::vector<Notice>& told) {
  follow_clock(now_ms);
  for (const Notice& notice : found) {
    if (notice.what == Notice::What::kFiring) begin(notice, now_ms, told);
  }
  for (const Notice& notice : found) {
    if (notice.what == Notice::What::kWorse) go_on(notice, now_ms, told);
  }
  release(now_ms, told);
  for (const Notice& notice : found) {
    if (notice.what == Notice::What::kResolved) end(notice, now_ms, told);
  }
}

std::size_t NoticeGate::held() const {
  return static_cast<std::size_t>(
      std::count_if(open_.begin(), open_.end(), [](const auto& entry) { return !entry.second.told; }));
}

bool NoticeGate::holds(const std::string& id) const {
  const auto open = open_.find(id);
  return open != open_.end() && !open->second.told;
}

std::string NoticeGate::serialise() const {
  Json open = Json::array();
  for (const auto& [id, entry] : open_) {
    open.push_back({{"told", entry.told}, {"over", entry.over}, {"notice", to_json(entry.notice)}});
  }
  Json begins = Json::array();
  for (const auto& [kind, entry] : begins_) {
    begins.push_back({{"kind", kind}, {"times", entry.times}, {"flaps", entry.flaps}});
  }
  return Json{{"version", 1}, {"open", std::move(open)}, {"begins", std::move(begins)}}.dump(
      -1, ' ', false, Json::error_handler_t::replace);
}

Status NoticeGate::restore(std::string_view text) {
  const Error damaged{"the kept state of what was told is damaged; of what goes on now only the end will be told"};
  std::map<std::string, Open> open;
  std::map<std::string, Begins> begins;
  try {
    const Json json = Json::parse(text);
    if (whole_number<int>(json.at("version")) != 1) return damaged;
    for (const Json& entry : json.at("open")) {
      std::optional<Notice> notice = notice_from_json(entry.at("notice"));
      if (!notice) return damaged;
      const std::string id = notice->id;
      open[id] = {*std::move(notice), entry.at("told").get<bool>(), entry.at("over").get<bool>()};
    }
    for (const Json& entry : json.at("begins")) {
      std::vector<std::int64_t> times;
      for (const Json& time : entry.at("times")) times.push_back(kept_ms(time));
      if (times.empty()) return damaged;
      begins[entry.at("kind").get<std::string>()] = {std::move(times), entry.at("flaps").get<bool>()};
    }
  } catch (const Json::exception&) {
    return damaged;
  }
  open_ = std::move(open);
  begins_ = std::move(begins);
  return Ok{};
}

}  // namespace outrider
