#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "userspace/base/background_thread.h"
#include "userspace/base/moment.h"
#include "userspace/cli/stop_flag.h"
#include "userspace/cli/top_source.h"
#include "userspace/http/client.h"
#include "userspace/http/url.h"
#include "userspace/tui/board_json.h"

namespace outrider {
namespace {

constexpr std::size_t kReplyLimit = 64U << 20U;  // some hundred targets with a thousand types each
constexpr int kNotYet = 503;

class ServiceSource : public TopSource {
 public:
  ServiceSource(TopServiceOptions options, BoardBox& box) : options_(std::move(options)), box_(box) {}

  ~ServiceSource() override {
    stop_.set();
    if (thread_.joinable()) thread_.join();
  }

  void want_past(const std::string& target, const std::string& type) override {
    const std::lock_guard lock(mutex_);
    wanted_ = {target, type, {}};
  }

  Status start() {
    auto thread = start_background_thread("outrider-ask", Privileges::kOfTheAgent, [this] { run(); });
    if (!thread) return thread.error();
    thread_ = *std::move(thread);
    return Ok{};
  }

 private:
  using Clock = std::chrono::steady_clock;

  void run() {
    auto deadline = Clock::now();
    for (bool first = true;; first = false) {
      Status status = look();
      if (stop_.is_set()) return;
      // An address that is wrong from the beginning is no service that comes back.
      if (!status && first && status.error().code != kNotYet) return box_.end(explained(status.error()));
      note(status);
      box_.put(std::make_shared<const Board>(board_));
      deadline = std::max(deadline + options_.interval, Clock::now());
      if (stop_.wait_until(deadline)) return;
    }
  }

  [[nodiscard]] Error explained(const Error& error) const {
    if (error.code != 0) return Error{options_.url + ": " + error.message};
    return Error{options_.url + ": " + error.message +
                 "; is `outrider run` there? --url names another, --pid needs none" +
                 (options_.url.starts_with("https:") ? ", --ca-file says whose certificates to trust" : "")};
  }

  void note(const Status& status) {
    board_.source = options_.url;
    board_.time_ms = unix_ms();
    if (!status && board_.trouble.empty()) board_.trouble_since_ms = board_.time_ms;
    board_.trouble = status ? std::string() : status.error().message;
  }

  /// The body of a good answer. The code of an error is the HTTP status, if there was one.
  Result<std::string> ask(const std::string& path) {
    HttpCall call;
    call.url = options_.url + path;
    call.reply_limit = kReplyLimit;
    call.ca_file = options_.ca_file;
    call.give_up = [this] { return stop_.is_set(); };
    if (!options_.token.empty()) call.headers.emplace_back("Authorization", "Bearer " + options_.token);
    Result<HttpReply> reply = http_request(call);
    if (!reply) {
      // Behind "GET http://HOST:PORT: ", which the title says.
      const std::string& message = reply.error().message;
      const std::size_t colon = message.find(": ");
      return Error{colon == std::string::npos ? message : message.substr(colon + 2)};
    }
    if (reply->ok()) return std::move(reply->body);
    if (reply->status == 401) {
      return Error{"it wants a token that is right; --token-file FILE names the file that holds it", 401};
    }
    return Error{fmt::format("it answers {}: {}", reply->status, error_from_json(reply->body)), reply->status};
  }

  /// Asks for everything; a board that could not be had leaves the one before.
  Status look() {
    Board next;
    if (Status status = look_at_targets(next); !status) return status;
    if (Status status = look_at_alerts(next); !status) return status;
    if (Status status = look_at_agent(next); !status) return status;
    look_at_past(next);
    next.trouble = board_.trouble;
    board_ = std::move(next);
    return Ok{};
  }

  Status look_at_targets(Board& board) {
    const Result<std::string> list = ask("/api/v1/targets");
    if (!list) return list.error();
    auto targets = targets_from_json(*list);
    if (!targets) return targets.error();
    const Result<std::string> figures = ask("/api/v1/snapshot?format=json");
    if (!figures) return figures.error();
    const auto snapshots = snapshots_from_json(*figures);
    if (!snapshots) return snapshots.error();
    board.targets = *std::move(targets);
    for (const SharedSnapshot& snapshot : *snapshots) {
      const auto same = [&](const BoardTarget& target) { return target.name == snapshot->target; };
      const auto found = std::find_if(board.targets.begin(), board.targets.end(), same);
      if (found != board.targets.end()) found->snapshot = snapshot;
    }
    return Ok{};
  }

  Status look_at_alerts(Board& board) {
    const Result<std::string> text = ask("/api/v1/alerts");
    if (!text && text.error().code == kNotYet) {
      board.no_alerts = "not judged: [agent] enable_alerting is false, or it has just begun";
      return Ok{};
    }
    if (!text) return text.error();
    auto alerts = alerts_from_json(*text);
    if (!alerts) return alerts.error();
    board.alerts = *std::move(alerts);
    return Ok{};
  }

  Status look_at_agent(Board& board) {
    const Result<std::string> text = ask("/api/v1/agent");
    if (!text) return text.error();
    const auto use = agent_from_json(*text);
    if (!use) return use.error();
    board.agent.resident_bytes = use->resident_bytes;
    const double seconds = use->uptime_seconds - before_.uptime_seconds;
    // It is told once a round: between two looks it may be the same.
    if (before_.uptime_seconds > 0 && seconds > 0) {
      board.agent.cpu_percent = 100 * (use->cpu_seconds - before_.cpu_seconds) / seconds;
    } else if (seconds == 0) {
      board.agent.cpu_percent = board_.agent.cpu_percent;
    }
    before_ = *use;
    return Ok{};
  }

  // Once for each type that is wanted. A service that keeps no history has none: the charts begin now.
  void look_at_past(Board& board) {
    TypePast wanted;
    {
      const std::lock_guard lock(mutex_);
      wanted = wanted_;
    }
    board.past = board_.past;
    if (wanted.type.empty() || (wanted.target == board.past.target && wanted.type == board.past.type)) return;
    const Result<std::string> text =
        ask("/api/v1/history?metric=qps,p99&since=5m&step=1s&target=" + percent_encode(wanted.target) +
            "&type=" + percent_encode(wanted.type));
    auto points = text ? past_from_json(*text) : Result<std::vector<SeriesPoint>>(text.error());
    if (points) wanted.points = *std::move(points);
    board.past = std::move(wanted);
  }

  const TopServiceOptions options_;
  BoardBox& box_;
  Board board_;      // the last good one, and the trouble since
  AgentUse before_;  // at the last look
  std::mutex mutex_;
  TypePast wanted_;  // guarded by it
  StopFlag stop_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<TopSource>> start_service_source(const TopServiceOptions& options, BoardBox& box) {
  auto source = std::make_unique<ServiceSource>(options, box);
  if (Status status = source->start(); !status) return status.error();
  return std::unique_ptr<TopSource>(std::move(source));
}

}  // namespace outrider
