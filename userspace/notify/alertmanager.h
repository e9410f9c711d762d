// Alerts for Prometheus Alertmanager by POST /api/v2/alerts (its openapi.yaml): labels tell one alert from another,
// `endsAt` in the future says that it goes on until then, in the past that it is over.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/notify/channels.h"
#include "userspace/notify/post.h"

namespace outrider {

class AlertmanagerChannel : public Channel {
 public:
  /// Errors: a bad URL or token.
  static Result<std::unique_ptr<Channel>> make(AlertmanagerOptions options);

  /// One request, or as many as it takes for the begin and the end of an incident to come one after the other.
  Delivery deliver(const std::vector<Notice>& group, const GiveUp& give_up) override;
  [[nodiscard]] bool knows_by_labels() const override { return true; }

 private:
  AlertmanagerChannel(AlertmanagerOptions options, Post post) : options_(std::move(options)), post_(std::move(post)) {}
  [[nodiscard]] std::int64_t now_ms() const;

  AlertmanagerOptions options_;
  Post post_;
};

}  // namespace outrider
