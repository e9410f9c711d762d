#include "userspace/service/web_server.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "userspace/config/load.h"

namespace outrider {
namespace {

constexpr std::chrono::seconds kRetryEvery{5};

std::map<std::string, std::uint64_t> by_name(const HttpCounters& counters) {
  return {{"request", counters.requests},
          {"connection", counters.connections},
          {"refused", counters.refused},
          {"evicted", counters.evicted},
          {"timeout", counters.timeouts},
          {"malformed", counters.malformed},
          {"too_large", counters.too_large},
          {"wrong_host", counters.wrong_host},
          {"wrong_method", counters.wrong_method},
          {"unauthorized", counters.unauthorized},
          {"handler_error", counters.handler_errors},
          {"stream_dropped", counters.streams_dropped},
          {"stream_refused", counters.streams_refused},
          {"accept_error", counters.accept_errors}};
}

Result<HttpServerOptions> options_of(const HttpConfig& config) {
  HttpServerOptions options;
  options.address = config.address;
  options.port = static_cast<std::uint16_t>(config.port);
  options.basic_user = config.basic_user;
  options.allow_unauthenticated = config.allow_unauthenticated;
  options.allowed_hosts = config.allowed_hosts;
  for (const auto& [file, secret] : {std::pair(&config.bearer_token_file, &options.bearer_token),
                                     std::pair(&config.basic_password_file, &options.basic_password)}) {
    if (file->empty()) continue;
    Result<std::string> read = read_secret(*file);
    if (!read) return read.error();
    *secret = std::move(*read);
  }
  return options;
}

}  // namespace

void WebServer::configure(const HttpConfig& config) {
  Result<HttpServerOptions> options = options_of(config);
  if (!options) {
    // Serving on with the old secret is better than serving without one, or not at all.
    spdlog::error("http: nothing was changed: {}", options.error().message);
    return;
  }
  const bool same = config == config_ && options->bearer_token == options_.bearer_token &&
                    options->basic_password == options_.basic_password;
  if (same && (server_ || !config.enabled)) return;
  past_ = events();
  server_.reset();
  config_ = config;
  options_ = std::move(*options);
  error_.clear();
  if (config_.enabled) start();
}

void WebServer::start() {
  Result<std::unique_ptr<HttpServer>> server = HttpServer::start(options_, handler_);
  if (!server) {
    const std::string& reason = server.error().message;
    if (reason != error_) spdlog::error("http: not serving, and trying again: {}", reason);
    error_ = reason;
    next_try_ = Clock::now() + kRetryEvery;
    return;
  }
  server_ = std::move(*server);
  error_.clear();
  const bool six = config_.address.find(':') != std::string::npos;
  spdlog::info("http: serving on http://{}{}{}:{}/", six ? "[" : "", config_.address, six ? "]" : "", server_->port());
}

void WebServer::retry() {
  if (!server_ && config_.enabled && !error_.empty() && Clock::now() >= next_try_) start();
}

std::map<std::string, std::uint64_t> WebServer::events() const {
  std::map<std::string, std::uint64_t> events = past_;
  if (!server_) return events;
  for (const auto& [name, times] : by_name(server_->counters())) events[name] += times;
  return events;
}

}  // namespace outrider
