#include "userspace/http/server.h"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "userspace/http/server_core.h"

namespace outrider {
namespace {

namespace asio = boost::asio;

Result<asio::ip::address> parse_address(const std::string& text) {
  if (text == "localhost") return asio::ip::address(asio::ip::address_v4::loopback());
  const bool bracketed = text.size() > 2 && text.front() == '[' && text.back() == ']';
  boost::system::error_code error;
  const auto address = asio::ip::make_address(bracketed ? text.substr(1, text.size() - 2) : text, error);
  if (error) return Error{"http: \"" + text + "\" is not an IP address; use 127.0.0.1, or the address of an interface"};
  return address;
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(const HttpServerOptions& options, HttpHandler handler,
                                                      HttpIsSlow is_slow) {
  auto address = parse_address(options.address);
  if (!address) return address.error();
  auto policy = AccessPolicy::make(options, address->is_loopback());
  if (!policy) return policy.error();
  auto core =
      std::make_unique<ServerCore>(options, RequestRules(std::move(*policy)), std::move(handler), std::move(is_slow));
  if (auto listening = core->listen(*address); !listening) return listening.error();
  if (auto running = core->run(); !running) return Error{"http: " + running.error().message, running.error().code};
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(core)));
}

Status HttpServer::change_access(const HttpServerOptions& options) {
  auto address = parse_address(core_->options.address);
  if (!address) return address.error();
  auto policy = AccessPolicy::make(options, address->is_loopback());
  if (!policy) return policy.error();
  core_->change_rules(RequestRules(std::move(*policy)));
  return Ok{};
}

HttpServer::HttpServer(std::unique_ptr<ServerCore> core) : core_(std::move(core)) {}
HttpServer::~HttpServer() = default;

uint16_t HttpServer::port() const { return core_->port; }

std::size_t HttpServer::connections() const { return core_->open; }

HttpCounters HttpServer::counters() const {
  const auto& live = core_->counters;
  HttpCounters now;
  now.requests = live.requests;
  now.connections = live.connections;
  now.refused = live.refused;
  now.evicted = live.evicted;
  now.timeouts = live.timeouts;
  now.malformed = live.malformed;
  now.too_large = live.too_large;
  now.wrong_host = live.wrong_host;
  now.cross_site = live.cross_site;
  now.wrong_method = live.wrong_method;
  now.unauthorized = live.unauthorized;
  now.handler_errors = live.handler_errors;
  now.streams_dropped = live.streams_dropped;
  now.streams_refused = live.streams_refused;
  now.busy = live.busy;
  now.accept_errors = live.accept_errors;
  return now;
}

void HttpServer::publish(HttpEventOf event_of) { core_->publish(std::move(event_of)); }

}  // namespace outrider
