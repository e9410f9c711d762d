// The agent's HTTP server: GET and HEAD for scrapers, scripts and the dashboard, built to outlive hostile clients.
// One own thread serves every connection asynchronously, and a second one calls the handler for what is slow; both give
// way to the agent's other threads. Header size, time and number of connections are bounded. Owns its threads, its
// sockets and the handler. All members may be called from any thread, except from the handler.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "userspace/base/result.h"
#include "userspace/http/message.h"
#include "userspace/http/server_options.h"

namespace outrider {

class ServerCore;

/// Counts since the start; each only grows.
struct HttpCounters {
  uint64_t requests = 0;         ///< requests that reached the handler
  uint64_t connections = 0;      ///< connections accepted
  uint64_t refused = 0;          ///< connections answered 503 or closed because max_connections were open
  uint64_t evicted = 0;          ///< idle or slow connections closed to make room for a new one
  uint64_t timeouts = 0;         ///< a request or response that missed its deadline
  uint64_t malformed = 0;        ///< 400: not HTTP, or a path that is not one
  uint64_t too_large = 0;        ///< 413 and 431
  uint64_t wrong_host = 0;       ///< 421
  uint64_t cross_site = 0;       ///< 403: a browser asked for a page of another site
  uint64_t wrong_method = 0;     ///< 405
  uint64_t unauthorized = 0;     ///< 401
  uint64_t handler_errors = 0;   ///< 500: the handler threw, or gave a header that cannot be sent
  uint64_t streams_dropped = 0;  ///< clients of a stream closed because they read too slowly
  uint64_t streams_refused = 0;  ///< 503: max_streams were open
  uint64_t busy = 0;             ///< 503: max_slow requests were waiting for a slow answer
  uint64_t accept_errors = 0;    ///< accept failed, e.g. no descriptors left; tried again after a pause
};

class HttpServer {
 public:
  /// Listens and serves until destroyed. Errors: an address beyond loopback that nothing protects, half a pair of
  /// credentials, a bad address, a port that is taken or forbidden. Without `is_slow` nothing is.
  static Result<std::unique_ptr<HttpServer>> start(const HttpServerOptions& options, HttpHandler handler,
                                                   HttpIsSlow is_slow = {});

  /// Closes all connections at once; then waits, but only for a handler that is just running.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] uint16_t port() const;
  [[nodiscard]] HttpCounters counters() const;
  [[nodiscard]] std::size_t connections() const;  ///< open now

  /// Secrets and names for the Host header as in `options` instead; returns before the next request is held to them.
  /// Connections stay, except for streams. Errors: as those of start(); nothing is changed then.
  Status change_access(const HttpServerOptions& options);

  /// Sends one event to every client of every stream, made once for each stream that has clients; returns at once.
  /// While the server is busy only the newest one is kept. `event_of` is destroyed on the server's thread, unless a
  /// newer one takes its place. A client whose buffer is full is closed and counted.
  void publish(HttpEventOf event_of);

 private:
  explicit HttpServer(std::unique_ptr<ServerCore> core);

  std::unique_ptr<ServerCore> core_;
};

}  // namespace outrider
