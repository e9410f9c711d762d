// Any bytes as what a peer (InfluxDB, a webhook, Alertmanager) answers: over a real connection, for the client reads
// none other. The peer closes when it has said everything.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "tests/fuzz/fuzz_input.h"
#include "userspace/http/client.h"

namespace {

constexpr std::size_t kReplyLimit = 1024;

/// On loopback; answers one request after the other with the bytes it is given.
class Peer {
 public:
  Peer() : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const plain = reinterpret_cast<sockaddr*>(&address);
    outrider::demand(
        bind(socket_, plain, size) == 0 && listen(socket_, 1) == 0 && getsockname(socket_, plain, &size) == 0,
        "a port can be had");
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/write";
  }

  [[nodiscard]] const std::string& url() const { return url_; }

  void answer(std::string_view bytes) const {
    const int connection = accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
    char request[1024];
    if (read(connection, request, sizeof(request)) > 0) {
      while (!bytes.empty()) {
        const ssize_t written = send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (written <= 0) break;
        bytes.remove_prefix(static_cast<std::size_t>(written));
      }
    }
    close(connection);
  }

 private:
  int socket_;
  std::string url_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Peer kPeer;
  std::thread peer([&] { kPeer.answer(outrider::text_of(data, size)); });
  const auto reply = outrider::http_request({.url = kPeer.url(), .body = "x", .reply_limit = kReplyLimit});
  peer.join();
  if (!reply) {
    outrider::demand(reply.error().message.starts_with("GET http://127.0.0.1:"), "an error says whose");
    return 0;
  }
  outrider::demand(reply->status >= 0 && reply->status <= 999, "a status has three digits");
  outrider::demand(reply->body.size() <= kReplyLimit, "a body keeps to its limit");
  for (const auto& [name, value] : reply->headers) {
    outrider::demand((name + value).find_first_of("\r\n") == std::string::npos, "a header is one line");
  }
  return 0;
}
