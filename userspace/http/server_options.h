// Where the HTTP server listens, whom it answers, and what a client may cost it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace outrider {

struct HttpServerOptions {
  std::string address = "127.0.0.1";  ///< an IP address, or "localhost"
  uint16_t port = 9717;               ///< 0: the kernel chooses, see HttpServer::port
  std::string bearer_token;           ///< with basic_user too, either one opens
  std::string basic_user;
  std::string basic_password;
  bool allow_unauthenticated = false;      ///< needed to listen beyond loopback with neither token nor password
  std::vector<std::string> allowed_hosts;  ///< names in the Host header, besides localhost and the server's addresses
  unsigned max_connections = 128;
  unsigned max_streams = 64;  ///< of max_connections, how many may be event streams
  unsigned max_slow = 8;      ///< of max_connections, how many may wait for a slow answer

  std::chrono::milliseconds read_timeout{3000};     ///< from the first wait to the last byte of a request's header
  std::chrono::milliseconds write_timeout{3000};    ///< for a whole response, or one event of a stream
  std::chrono::milliseconds answer_timeout{10000};  ///< for a slow answer, with the time that it waits for its turn
  std::chrono::milliseconds idle_timeout{30000};    ///< between two requests of one connection
  std::size_t stream_buffer = 256 * 1024;           ///< bytes that one slow client of a stream may leave waiting
};

}  // namespace outrider
