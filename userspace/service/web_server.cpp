#include "userspace/service/web_server.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "userspace/config/load.h"
#include "userspace/service/aside.h"

namespace outrider {
namespace {

// What the socket of a server that was told to end may take to close.
constexpr std::chrono::milliseconds kUntilClosed{200};

std::string url_of(const std::string& address, std::uint32_t port) {
  const bool six = address.find(':') != std::string::npos;
  return fmt::format("http://{}{}{}:{}/", six ? "[" : "", address, six ? "]" : "", port);
}

std::map<std::string, std::uint64_t> by_name(const HttpCounters& counters) {
  return {{"request", counters.requests},
          {"connection", counters.connections},
          {"refused", counters.refused},
          {"evicted", counters.evicted},
          {"timeout", counters.timeouts},
          {"malformed", counters.malformed},
          {"too_large", counters.too_large},
          {"wrong_host", counters.wrong_host},
          {"cross_site", counters.cross_site},
          {"wrong_method", counters.wrong_method},
          {"unauthorized", counters.unauthorized},
          {"handler_error", counters.handler_errors},
          {"stream_dropped", counters.streams_dropped},
          {"stream_refused", counters.streams_refused},
          {"busy", counters.busy},
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
  if (same && (server_ || !config.enabled) && !next_try_) return;
  config_ = config;
  options_ = std::move(*options);
  error_.clear();
  next_try_.reset();
  in_vain_ = false;
  if (config_.enabled) {
    serve();
  } else {
    made_way_ = false;
    retire();
  }
}

void WebServer::serve() {
  if (server_) {
    // The new rules are for whoever comes to the old address too. They may not fit it (it can be reached from outside
    // and the new one can not); then it goes on by its own.
    const Status changed = change_access();
    const bool same_port = config_.port == serving_.port || config_.port == server_->port();
    if (config_.address == serving_.address && same_port) {
      if (!changed) spdlog::error("http: serving on as before: {}", changed.error().message);
      return;
    }
  }
  start();
}

Status WebServer::change_access() {
  Status changed = server_->change_access(options_);
  if (!changed) return changed;
  HttpServerOptions fresh = options_;
  fresh.address = serving_options_.address;
  fresh.port = serving_options_.port;
  serving_options_ = std::move(fresh);
  return changed;
}

// 0.0.0.0 cannot be had while we hold 127.0.0.1 with the same port, nor the other way round. Of two single addresses
// the other one is held by somebody else.
bool WebServer::is_in_our_way(const Error& error) const {
  const auto is_every = [](const std::string& address) { return address == "0.0.0.0" || address == "::"; };
  return server_ && !in_vain_ && error.code == EADDRINUSE && config_.port == server_->port() &&
         (is_every(config_.address) || is_every(serving_.address) || config_.address == serving_.address);
}

void WebServer::start() {
  Result<std::unique_ptr<HttpServer>> server = HttpServer::start(options_, handler_, is_slow_);
  if (server) {
    retire();
    server_ = std::move(*server);
    serving_ = config_;
    serving_options_ = options_;
    serving_options_.port = server_->port();
    made_way_ = false;
    error_.clear();
    next_try_.reset();
    spdlog::info("http: serving on {}", url_of(config_.address, server_->port()));
    return;
  }
  next_try_ = Clock::now() + retry_every_;
  if (is_in_our_way(server.error())) {
    spdlog::info("http: closing {} for {}", url_of(serving_.address, server_->port()),
                 url_of(config_.address, config_.port));
    retire();
    made_way_ = true;
    next_try_ = Clock::now() + kUntilClosed;
    return;
  }
  if (made_way_) go_back(server.error());
  const std::string& reason = server.error().message;
  if (reason == error_) return;
  error_ = reason;
  const std::string meanwhile =
      server_ ? "still serving on " + url_of(serving_.address, server_->port()) : "not serving";
  spdlog::error("http: {}, and {}: {}", meanwhile, in_vain_ ? "a reload tries again" : "trying again", reason);
}

// Somebody else is in the way as well. By the new rules, if they fit the old address.
void WebServer::go_back(const Error& error) {
  Result<std::unique_ptr<HttpServer>> server = HttpServer::start(serving_options_, handler_, is_slow_);
  if (!server) {
    next_try_ = Clock::now() + kUntilClosed;
    return;
  }
  server_ = std::move(*server);
  made_way_ = false;
  in_vain_ = error.code == EADDRINUSE;
  (void)change_access();
}

// A handler may be running, which nobody here shall wait for.
void WebServer::retire() {
  if (!server_) return;
  past_ = events();
  // The last copy of the closure may go here, so it is the call that has to end the server.
  const auto old = std::make_shared<std::unique_ptr<HttpServer>>(std::move(server_));
  ending_.push_back(do_aside([old] { old->reset(); }));
}

void WebServer::retry() {
  ending_.erase(std::remove_if(ending_.begin(), ending_.end(), has_ended), ending_.end());
  if (next_try_ && Clock::now() >= *next_try_) start();
}

void WebServer::stop() {
  next_try_.reset();
  retire();
  ending_.clear();
}

std::optional<std::uint16_t> WebServer::port() const { return server_ ? std::optional(server_->port()) : std::nullopt; }

void WebServer::publish(HttpEventOf event_of) {
  if (server_) server_->publish(std::move(event_of));
}

std::map<std::string, std::uint64_t> WebServer::events() const {
  std::map<std::string, std::uint64_t> events = past_;
  if (!server_) return events;
  for (const auto& [name, times] : by_name(server_->counters())) events[name] += times;
  return events;
}

}  // namespace outrider
