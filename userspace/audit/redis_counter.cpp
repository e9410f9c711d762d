#include <fmt/format.h>
#include <hiredis/hiredis.h>
#include <sys/time.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "userspace/audit/engine_counter.h"

namespace outrider {
namespace {

constexpr std::string_view kUnix = "unix://";
constexpr std::string_view kTcp = "redis://";
constexpr int kDefaultPort = 6379;
constexpr timeval kTimeout{.tv_sec = EngineCounter::kPatience.count() / 2, .tv_usec = 0};  // of one step
constexpr std::size_t kMostBytes = 4U << 20U;  // of an answer, some 10 KiB of which are usual

struct FreeContext {
  void operator()(redisContext* context) const { redisFree(context); }
};
struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Context = std::unique_ptr<redisContext, FreeContext>;
using Reply = std::unique_ptr<redisReply, FreeReply>;

class RedisCounter : public EngineCounter {
 public:
  /// `port` 0: `place` is a socket's path, else a host.
  RedisCounter(std::string place, int port) : place_(std::move(place)), port_(port) {}

  Result<EngineCount> read() override {
    const Context context(port_ == 0 ? redisConnectUnixWithTimeout(place_.c_str(), kTimeout)
                                     : redisConnectWithTimeout(place_.c_str(), port_, kTimeout));
    if (!context) return Error{"out of memory", ENOMEM};
    const Reply reply(context->err == 0 ? ask(*context) : nullptr);
    if (!reply) {
      return Error{fmt::format("Redis at {}: {}", place_, context->err == 0 ? "no answer in time" : context->errstr)};
    }
    if (reply->type == REDIS_REPLY_ERROR) {
      return Error{fmt::format("Redis at {} refuses INFO: {}", place_, std::string_view(reply->str, reply->len))};
    }
    if (reply->type != REDIS_REPLY_STRING) return Error{"an answer to INFO that is no text"};
    return parse_redis_info({reply->str, reply->len});
  }

  [[nodiscard]] bool counts_failed() const override { return true; }

 private:
  // redisCommand() would wait for as long as a byte comes now and then, and keep all of them.
  static redisReply* ask(redisContext& context) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    redisSetTimeout(&context, kTimeout);
    redisAppendCommand(&context, "INFO all");
    for (int written = 0; written == 0;) {
      if (redisBufferWrite(&context, &written) != REDIS_OK) return nullptr;
    }
    void* reply = nullptr;
    while (redisGetReplyFromReader(&context, &reply) == REDIS_OK && reply == nullptr) {
      if (std::chrono::steady_clock::now() > deadline || context.reader->len > kMostBytes) return nullptr;
      if (redisBufferRead(&context) != REDIS_OK) return nullptr;
    }
    return static_cast<redisReply*>(reply);
  }

  std::string place_;
  int port_;
};

}  // namespace

Result<std::unique_ptr<EngineCounter>> make_redis_counter(const std::string& source) {
  if (source.starts_with(kUnix)) {
    return std::unique_ptr<EngineCounter>(std::make_unique<RedisCounter>(source.substr(kUnix.size()), 0));
  }
  std::string host = source.substr(kTcp.size());
  int port = kDefaultPort;
  const std::size_t colon = host.find(':', host.rfind(']') == std::string::npos ? 0 : host.rfind(']'));
  if (colon != std::string::npos) {
    std::uint16_t number = 0;
    const char* const last = host.data() + host.size();
    const auto [end, error] = std::from_chars(host.data() + colon + 1, last, number);
    if (error != std::errc{} || end != last || number == 0) return Error{"no port: " + source, EINVAL};
    port = number;
    host.resize(colon);
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return std::unique_ptr<EngineCounter>(std::make_unique<RedisCounter>(std::move(host), port));
}

}  // namespace outrider
