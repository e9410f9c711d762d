#include "userspace/notify/alertmanager.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>

#include "userspace/base/moment.h"
#include "userspace/model/notice_json.h"
#include "userspace/model/snapshot_json.h"
#include "userspace/model/utf8.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kPath = "/api/v2/alerts";

void set(Json& object, const char* key, const std::string& text) {
  if (!text.empty()) object[key] = valid_utf8(text);
}

void set(Json& object, const char* key, const std::optional<double>& figure) {
  if (figure) object[key] = fmt::format("{:g}", *figure);
}

// [a-zA-Z_][a-zA-Z0-9_]*: Alertmanager refuses any other name.
std::string label_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  std::string label(name);
  std::replace_if(
      label.begin(), label.end(), [&](char c) { return !fits(c); }, '_');
  return label.empty() || (label.front() >= '0' && label.front() <= '9') ? "_" + label : label;
}

Json labels_of(const Notice& notice) {
  Json labels = Json::object();
  for (const auto& [name, value] : notice.labels) set(labels, label_name(name).c_str(), value);
  set(labels, "alertname", notice.name);
  set(labels, "severity", std::string(name_of(notice.severity)));
  set(labels, "target", notice.target);
  set(labels, "query_type", notice.type);
  set(labels, "metric", notice.metric);
  set(labels, "rule", notice.rule_id);
  set(labels, "arm", notice.arm);
  return labels;
}

Json annotations_of(const Notice& notice) {
  Json annotations = Json::object();
  set(annotations, "summary", notice.text.empty() ? notice.name : notice.text);
  set(annotations, "description", notice.annotation);
  set(annotations, "cause", notice.cause);
  set(annotations, "value", notice.value);
  set(annotations, "threshold", notice.threshold);
  set(annotations, "expected", notice.expected);
  set(annotations, "effect_percent", notice.effect_percent());
  set(annotations, "id", notice.id);
  return annotations;
}

// It takes no alert that ends before it began, which a clock that was set back could make of it.
Json alert_of(const Notice& notice, std::int64_t now_ms, std::int64_t valid_ms) {
  const bool over = notice.what == Notice::What::kResolved;
  const std::int64_t ends = over ? notice.at_ms : now_ms + valid_ms;
  const std::int64_t starts = std::min(notice.since_ms, over ? ends : now_ms);
  return {{"labels", labels_of(notice)},
          {"annotations", annotations_of(notice)},
          {"startsAt", format_timestamp(starts)},
          {"endsAt", format_timestamp(ends)}};
}

std::string url_of(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url + kPath;
}

}  // namespace

Result<std::unique_ptr<Channel>> AlertmanagerChannel::make(AlertmanagerOptions options) {
  if (options.post.url.find_first_of("?#") != std::string::npos) {
    return Error{
        "Alertmanager: the URL has a query; give only scheme, host, port and path, like http://127.0.0.1:9093"};
  }
  options.post.url = url_of(options.post.url);
  auto post = Post::make(options.post);
  if (!post) return Error{"Alertmanager: " + post.error().message};
  return std::unique_ptr<Channel>(new AlertmanagerChannel(std::move(options), *std::move(post)));
}

std::int64_t AlertmanagerChannel::now_ms() const { return options_.now_ms ? options_.now_ms() : unix_ms(); }

// Of two alerts with the same labels in one request it would not be sure which is the later one.
Delivery AlertmanagerChannel::deliver(const std::vector<Notice>& group, const GiveUp& give_up) {
  Json request = Json::array();
  std::set<std::string> in_request;
  for (const Notice& notice : group) {
    Json alert = alert_of(notice, now_ms(), options_.valid_for.count());
    std::string labels = alert["labels"].dump();
    if (!in_request.insert(labels).second) {
      if (auto sent = post_.send(request.dump(), give_up); sent.fate != Delivery::Fate::kDelivered) return sent;
      request.clear();
      in_request = {std::move(labels)};
    }
    request.push_back(std::move(alert));
  }
  return post_.send(request.dump(), give_up);
}

}  // namespace outrider
