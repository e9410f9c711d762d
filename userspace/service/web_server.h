// The HTTP server as the configuration wants it: started, stopped, and tried again while its port is taken. Not
// thread-safe: it belongs to the thread that samples.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "userspace/base/fault_notice.h"
#include "userspace/config/config.h"
#include "userspace/http/server.h"

namespace outrider {

class WebServer {
 public:
  explicit WebServer(HttpHandler handler) : handler_(std::move(handler)) {}

  /// Serves as `config` says; connections stay if neither that nor the secrets changed.
  void configure(const HttpConfig& config);
  /// Tries again if it does not run though it should.
  void retry();
  void stop() { server_.reset(); }

  /// What happened since the agent's start, by name; empty if it never ran.
  [[nodiscard]] std::map<std::string, std::uint64_t> events() const;
  /// Why it does not run; empty: it does, or shall not.
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  using Clock = std::chrono::steady_clock;
  void start();

  HttpHandler handler_;
  HttpConfig config_;
  HttpServerOptions options_;  ///< with the secrets of the files
  std::unique_ptr<HttpServer> server_;
  std::map<std::string, std::uint64_t> past_;  ///< events of servers that were replaced
  std::string error_;
  Clock::time_point next_try_;
};

}  // namespace outrider
