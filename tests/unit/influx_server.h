// A scripted InfluxDB on loopback.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/unit/http_socket.h"

namespace outrider {

inline constexpr const char* kAccepted = "HTTP/1.1 204 No Content\r\n\r\n";

inline std::string refusal(const std::string& status, const std::string& body = "") {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// Answers each request with the next reply of its script, with 204 once that is over. An empty reply is none at all.
class InfluxServer {
 public:
  explicit InfluxServer(std::deque<std::string> replies = {}, uint16_t port = 0)
      : replies_(std::move(replies)), socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int on = 1;
    EXPECT_EQ(::setsockopt(socket_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    port_ = listen_on_loopback(socket_, port);
    EXPECT_NE(port_, 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~InfluxServer() {
    stop_ = true;
    thread_.join();
  }
  InfluxServer(const InfluxServer&) = delete;
  InfluxServer& operator=(const InfluxServer&) = delete;

  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] std::vector<std::string> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  /// All bodies, one after the other.
  [[nodiscard]] std::string bodies() {
    std::string all;
    for (const auto& request : requests()) all += request.substr(request.find("\r\n\r\n") + 4);
    return all;
  }

 private:
  bool readable(int socket) const {
    while (!stop_) {
      pollfd wait{socket, POLLIN, 0};
      if (::poll(&wait, 1, 20) > 0) return true;
    }
    return false;
  }

  std::string read_request(int client) const {
    constexpr std::string_view kLength = "Content-Length: ";
    std::string text;
    char buffer[65536];
    while (readable(client)) {
      const auto count = ::recv(client, buffer, sizeof(buffer), 0);
      if (count <= 0) return text;
      text.append(buffer, static_cast<std::size_t>(count));
      const auto body = text.find("\r\n\r\n");
      const auto length = text.find(kLength);
      if (body == std::string::npos || length == std::string::npos) continue;
      if (text.size() - body - 4 >= std::stoul(text.substr(length + kLength.size()))) return text;
    }
    return text;
  }

  void serve() {
    while (readable(socket_.get())) {
      const Fd client(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      auto request = read_request(client.get());
      std::string reply = kAccepted;
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(std::move(request));
        if (!replies_.empty()) {
          reply = replies_.front();
          replies_.pop_front();
        }
      }
      if (reply.empty()) {
        (void)readable(client.get());
      } else {
        (void)::send(client.get(), reply.data(), reply.size(), MSG_NOSIGNAL);
      }
    }
  }

  std::deque<std::string> replies_;
  std::vector<std::string> requests_;
  std::mutex mutex_;
  Fd socket_;
  uint16_t port_ = 0;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace outrider
