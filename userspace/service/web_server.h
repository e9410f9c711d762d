// The HTTP server as the configuration wants it: started, stopped, and tried again while its port is taken. Other
// secrets are given to the server that runs; another address gets a server of its own, and the one before serves until
// that works. Where it is in the way itself it is closed first, and serves again if that did not help. Not thread-safe:
// it belongs to the thread that samples, and never makes it wait for a handler, but in stop().
#pragma once

#include <chrono>
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "userspace/base/fault_notice.h"
#include "userspace/config/config.h"
#include "userspace/http/server.h"

namespace outrider {

class WebServer {
 public:
  static constexpr std::chrono::milliseconds kRetryEvery{5'000};

  explicit WebServer(HttpHandler handler, HttpIsSlow is_slow = {}, std::chrono::milliseconds retry_every = kRetryEvery)
      : handler_(std::move(handler)), is_slow_(std::move(is_slow)), retry_every_(retry_every) {}

  /// Serves as `config` says; connections stay unless the address or port changed.
  void configure(const HttpConfig& config);
  /// Tries again if it does not run as it should.
  void retry();
  /// Waits for handlers that are just running.
  void stop();

  /// As HttpServer::publish; nothing happens while nothing is served.
  void publish(HttpEventOf event_of);

  /// What happened since the agent's start, by name; empty if it never ran.
  [[nodiscard]] std::map<std::string, std::uint64_t> events() const;
  /// The port that is served on; none: not serving.
  [[nodiscard]] std::optional<std::uint16_t> port() const;
  /// Why it does not run where it should; empty: it does, or shall not.
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  using Clock = std::chrono::steady_clock;
  void serve();
  void start();
  void go_back(const Error& error);
  Status change_access();
  void retire();
  [[nodiscard]] bool is_in_our_way(const Error& error) const;

  const HttpHandler handler_;
  const HttpIsSlow is_slow_;
  const std::chrono::milliseconds retry_every_;
  HttpConfig config_;
  HttpServerOptions options_;  ///< with the secrets of the files
  std::unique_ptr<HttpServer> server_;
  HttpConfig serving_;                            ///< where server_ serves, or served until it made way
  HttpServerOptions serving_options_;             ///< the same, with the port that it has and the newest secrets
  bool made_way_ = false;                         ///< server_ was closed for another address, which is not served yet
  bool in_vain_ = false;                          ///< that did not help: it would not now
  std::vector<std::shared_future<void>> ending_;  ///< servers that were replaced
  std::map<std::string, std::uint64_t> past_;     ///< events of servers that were replaced
  std::string error_;
  std::optional<Clock::time_point> next_try_;
};

}  // namespace outrider
