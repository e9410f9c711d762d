// A plain blocking client socket for tests of the HTTP server: what it sends is exactly what the test says.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "userspace/base/fd.h"

namespace outrider {

inline sockaddr_in loopback(uint16_t port, in_addr_t host = INADDR_LOOPBACK) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(host);
  return address;
}

/// Lets `socket` listen on a port of loopback, a free one if it is 0; returns the port, 0 if that failed.
inline uint16_t listen_on_loopback(const Fd& socket, uint16_t port = 0, in_addr_t host = INADDR_LOOPBACK) {
  auto address = loopback(port, host);
  socklen_t size = sizeof(address);
  const bool listens = ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                       ::listen(socket.get(), 16) == 0 &&
                       ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0;
  return listens ? ntohs(address.sin_port) : 0;
}

class RawClient {
 public:
  explicit RawClient(uint16_t port, in_addr_t host = INADDR_LOOPBACK)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const auto address = loopback(port, host);
    connected_ = ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }

  [[nodiscard]] bool connected() const { return connected_; }

  /// False once the server has closed the connection.
  [[nodiscard]] bool send(std::string_view text) const {
    while (!text.empty()) {
      const auto sent = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  /// All that comes until `ending` has come, the server closes, or ten seconds have passed.
  [[nodiscard]] std::string read_until(std::string_view ending) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    std::string text;
    while (ending.empty() || text.find(ending) == std::string::npos) {
      const auto left = deadline - std::chrono::steady_clock::now();
      pollfd wait{socket_.get(), POLLIN, 0};
      const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(left).count();
      if (milliseconds <= 0 || ::poll(&wait, 1, static_cast<int>(milliseconds)) <= 0) return text + "<test timeout>";
      char buffer[4096];
      const auto count = ::recv(socket_.get(), buffer, sizeof(buffer), 0);
      if (count <= 0) break;
      text.append(buffer, static_cast<std::size_t>(count));
    }
    return text;
  }

  [[nodiscard]] std::string read_all() { return read_until(""); }

 private:
  Fd socket_;
  bool connected_ = false;
};

}  // namespace outrider
