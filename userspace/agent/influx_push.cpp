#include "userspace/agent/influx_push.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "userspace/base/retry_pause.h"
#include "userspace/base/units.h"
#include "userspace/http/url.h"
#include "userspace/model/utf8.h"

namespace outrider {
namespace {

// Proxies in front of a server often take no more than 1 MB.
constexpr std::size_t kBatchBytes = 900'000;
constexpr std::size_t kReasonBytes = 300;
constexpr int kServerError = 500;
constexpr int kTooManyRequests = 429;

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

Status check(const InfluxPushOptions& options) {
  if (options.url.find_first_of("?#") != std::string::npos) {
    return Error{"InfluxDB: the URL has a query; give only scheme, host, port and path, like http://127.0.0.1:8086"};
  }
  if (options.version != 1 && options.version != 2) {
    return Error{fmt::format("InfluxDB: version {} is not known; set 1 or 2", options.version)};
  }
  if (options.version == 1 && options.database.empty()) return Error{"InfluxDB: version 1 needs a database; set it"};
  if (options.version == 2 && (options.org.empty() || options.bucket.empty())) {
    return Error{"InfluxDB: version 2 needs org and bucket; set both"};
  }
  if (has_control(options.token)) {
    return Error{"InfluxDB: the token has a line break or another control character; check its file"};
  }
  return Ok{};
}

std::string write_url(const InfluxPushOptions& options) {
  std::string url = options.url;
  while (url.ends_with('/')) url.pop_back();
  if (options.version == 1) return url + "/write?db=" + percent_encode(options.database) + "&precision=ns";
  return url + "/api/v2/write?org=" + percent_encode(options.org) + "&bucket=" + percent_encode(options.bucket) +
         "&precision=ns";
}

// InfluxDB says {"error": "..."} (1.x) or {"message": "..."} (2.x); a proxy says whatever it likes.
std::string reason_of(const std::string& body) {
  const auto json = nlohmann::json::parse(body, nullptr, false);
  for (const auto* key : {"error", "message"}) {
    if (json.is_object() && json.contains(key) && json[key].is_string()) return json[key].get<std::string>();
  }
  return body;
}

// Fit for a line of the log.
std::string sentence(int status, const std::string& reason) {
  std::string text = reason.substr(0, kReasonBytes);
  std::replace_if(
      text.begin(), text.end(),
      [](char c) {
        return has_control({&c, 1});
      },
      ' ');
  while (text.ends_with(' ')) text.pop_back();
  return fmt::format("HTTP {}{}{}", status, text.empty() ? "" : ": ", valid_utf8(text));
}

// Only these say something of the points, which would be refused again; every other status is about how we get in, and
// somebody will mend that: a token was changed, the database is not made yet, a proxy is in the way.
bool is_final(int status) {
  constexpr int kFinal[] = {400, 413, 422};
  return std::find(std::begin(kFinal), std::end(kFinal), status) != std::end(kFinal);
}

const char* advice_for(int status) {
  if (status == 401 || status == 403) return "check its token";
  if (status == 404) return "create its database or bucket, or check their names";
  if (status == kTooManyRequests || status >= kServerError) return "see what its log says";
  return "check the URL";
}

// How many of `points` a refusal cost. InfluxDB 1.x keeps the good points of a batch and says "partial write: REASON
// dropped=N", but N is 0 for lines that it could not read: then none is counted as kept.
std::size_t rejected_points(const std::string& reason, std::size_t points) {
  constexpr std::string_view kDropped = " dropped=";
  const auto at = reason.rfind(kDropped);
  if (!reason.starts_with("partial write") || at == std::string::npos) return points;
  std::size_t dropped = 0;
  const char* const begin = reason.data() + at + kDropped.size();
  const auto [end, error] = std::from_chars(begin, reason.data() + reason.size(), dropped);
  if (error != std::errc() || dropped == 0) return points;
  return std::min(dropped, points);
}

}  // namespace

Result<std::unique_ptr<InfluxPushSink>> InfluxPushSink::make(InfluxPushOptions options) {
  if (auto status = check(options); !status) return status.error();
  HttpCall call;
  call.url = write_url(options);
  auto url = parse_url(call.url);
  if (!url) return Error{"InfluxDB: " + url.error().message};
  call.method = "POST";
  call.headers.emplace_back("Content-Type", "text/plain; charset=utf-8");
  if (!options.token.empty()) call.headers.emplace_back("Authorization", "Token " + options.token);
  call.cut_reply = true;  // its status says whether the points were taken
  call.ca_file = options.ca_file;
  call.total_timeout = options.request_timeout;
  call.connect_timeout = std::min(call.connect_timeout, options.request_timeout);
  auto name = "InfluxDB at " + url->origin();
  return std::unique_ptr<InfluxPushSink>(new InfluxPushSink(std::move(options), std::move(call), std::move(name)));
}

InfluxPushSink::InfluxPushSink(InfluxPushOptions options, HttpCall call, std::string name)
    : options_(std::move(options)), call_(std::move(call)), name_(std::move(name)) {
  call_.give_up = [this] { return time_is_up(); };
}

bool InfluxPushSink::time_is_up() const { return Clock::now().time_since_epoch().count() >= deadline_; }

std::optional<PointCounters> InfluxPushSink::points() const {
  return PointCounters{sent_, rejected_, dropped_, queued_};
}

void InfluxPushSink::drop_oldest() {
  queue_bytes_ -= queue_.front().size();
  queue_.pop_front();
  ++dropped_;
}

void InfluxPushSink::enqueue(std::string_view lines) {
  while (!lines.empty()) {
    const auto end = std::min(lines.find('\n'), lines.size() - 1) + 1;
    queue_.emplace_back(lines.substr(0, end));
    queue_bytes_ += end;
    lines.remove_prefix(end);
    while (queue_.size() > options_.queue_points || queue_bytes_ > options_.queue_bytes) {
      too_large_ = queue_bytes_ > options_.queue_bytes;
      drop_oldest();
    }
  }
  queued_ = queue_.size();
}

// The keys are those of [export.influxdb].
std::string InfluxPushSink::full(std::size_t dropped) const {
  const std::string bound = too_large_ ? fmt::format("queue_size = \"{}\"", format_size(options_.queue_bytes))
                                       : fmt::format("queue = {}", options_.queue_points);
  return fmt::format("the queue is full ({}; raise it to keep more), so {} of the oldest points were dropped", bound,
                     dropped);
}

InfluxPushSink::Batch InfluxPushSink::next_batch() const {
  Batch batch;
  for (const auto& line : queue_) {
    const bool full = batch.points >= options_.batch_points || batch.body.size() + line.size() > kBatchBytes;
    if (full && batch.points > 0) break;
    batch.body += line;
    ++batch.points;
  }
  return batch;
}

void InfluxPushSink::remove(const Batch& batch) {
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(batch.points));
  queue_bytes_ -= batch.body.size();
  queued_ = queue_.size();
}

InfluxPushSink::Outcome InfluxPushSink::send(const Batch& batch) {
  call_.body = batch.body;
  const auto reply = http_request(call_);
  if (!reply) return {Fate::kRetry, reply.error().message, "see that it runs and can be reached", 0};
  if (reply->ok()) return {};
  const auto reason = reason_of(reply->body);
  return {is_final(reply->status) ? Fate::kRejected : Fate::kRetry, sentence(reply->status, reason),
          advice_for(reply->status), rejected_points(reason, batch.points)};
}

Error InfluxPushSink::pause(const Outcome& outcome) {
  const double chance = std::uniform_real_distribution<double>()(random_);
  next_try_ = Clock::now() + retry_pause(++failures_, chance, options_.retry_first, options_.retry_most);
  reason_ = outcome.reason;
  away_ = Error{fmt::format("{} takes no points, which wait to be sent again; {}: {}", name_, outcome.advice, reason_)};
  return *away_;
}

Status InfluxPushSink::send_all() {
  std::size_t refused = 0;
  std::string refusal;
  while (!queue_.empty()) {
    const auto batch = next_batch();
    const auto outcome = send(batch);
    if (outcome.fate == Fate::kRetry) {
      const auto error = pause(outcome);
      return refused == 0 ? error
                          : Error{fmt::format("{}. Before, it refused {} points: {}", error.message, refused, refusal)};
    }
    failures_ = 0;
    remove(batch);
    sent_ += batch.points - outcome.rejected;
    rejected_ += outcome.rejected;
    refused += outcome.rejected;
    if (outcome.fate == Fate::kRejected) refusal = outcome.reason;
  }
  away_.reset();
  if (refused == 0) return Ok{};
  return Error{fmt::format("{} refused {} points, which are lost: {}", name_, refused, refusal)};
}

Status InfluxPushSink::write(const Report& report) {
  kept_all_ = false;
  const std::uint64_t lost = rejected_ + dropped_;
  const std::uint64_t dropped = dropped_;
  enqueue(influx_lines(report, options_.lines));
  const std::uint64_t overflow = dropped_ - dropped;
  Status status = away_ && Clock::now() < next_try_ ? Status(*away_) : send_all();
  kept_all_ = rejected_ + dropped_ == lost;
  if (overflow == 0) return status;
  return Error{(status ? name_ + ": " : status.error().message + "; ") + full(overflow)};
}

void InfluxPushSink::become(Sink& fresh) {
  auto& other = dynamic_cast<InfluxPushSink&>(fresh);
  options_ = other.options_;
  name_ = other.name_;
  std::function<bool()> give_up = std::move(call_.give_up);  // ours, for the other one's deadline is not set
  call_ = other.call_;
  call_.give_up = std::move(give_up);
  away_.reset();
  failures_ = 0;
}

Status InfluxPushSink::finish() {
  auto status = send_all();
  if (queue_.empty()) return status;
  const auto left = queue_.size();
  while (!queue_.empty()) drop_oldest();
  queued_ = 0;
  return Error{fmt::format("{}: {} points were not sent before the end and are lost: {}", name_, left, reason_)};
}

}  // namespace outrider
