// The service's HTTP server across reloads: a handler that takes its time holds up nobody, and a port that cannot be
// had takes down no server that works.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <thread>

#include "tests/unit/eventually.h"
#include "tests/unit/http_socket.h"
#include "userspace/service/web_server.h"

namespace outrider {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

// A port that somebody listens on.
class Taken {
 public:
  Taken() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    port_ = listen_on_loopback(socket_);
    EXPECT_NE(port_, 0);
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  Fd socket_;
  std::uint16_t port_ = 0;
};

class WebServerTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "outrider-web-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
    config_.port = 0;
  }
  void TearDown() override {
    open_.set_value();
    web_->stop();
    std::filesystem::remove_all(dir_);
  }

  HttpResponse answer(const HttpRequest& request) {
    if (request.path == "/slow" || request.path == "/quick-that-hangs") {
      begun_ = true;
      opened_.wait();
    }
    return HttpResponse::text(200, "fine");
  }

  // The handler is in the middle of `path`.
  std::unique_ptr<RawClient> hang_in(const std::string& path) {
    auto client = std::make_unique<RawClient>(*web_->port());
    EXPECT_TRUE(client->send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    EXPECT_TRUE(eventually([&] { return begun_.load(); }));
    return client;
  }
  // The status line of an answer; empty if nobody serves there, or no longer.
  static std::string get(std::uint16_t port, const std::string& token = {}) {
    RawClient client(port);
    if (!client.connected()) return {};
    const std::string authorization = token.empty() ? "" : "Authorization: Bearer " + token + "\r\n";
    const std::string request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + authorization + "\r\n";
    if (!client.send(request)) return {};
    return client.read_all().substr(0, 12);
  }
  std::string secret(const std::string& text) {
    const auto path = dir_ / text;
    std::ofstream(path) << text << "\n";
    ::chmod(path.c_str(), 0600);
    return path;
  }
  // A reload that has to return whatever the handler does: here it can only go on after this.
  void configure_at_once() {
    auto done = std::async(std::launch::async, [this] { web_->configure(config_); });
    const bool in_time = done.wait_for(20s) == std::future_status::ready;
    EXPECT_TRUE(in_time) << "the reload waits for a handler";
    if (!in_time) std::exchange(open_, std::promise<void>()).set_value();
  }

  std::filesystem::path dir_;
  HttpConfig config_;
  std::promise<void> open_;
  std::shared_future<void> opened_ = open_.get_future().share();
  std::atomic<bool> begun_{false};
  std::unique_ptr<WebServer> web_ =
      std::make_unique<WebServer>([this](const HttpRequest& request) { return answer(request); },
                                  [](const HttpRequest& request) { return request.path == "/slow"; }, 10ms);
};

TEST_F(WebServerTest, AReloadWaitsForNoHandler) {
  for (const auto* path : {"/slow", "/quick-that-hangs"}) {
    SCOPED_TRACE(path);
    begun_ = false;
    web_->configure(config_);
    ASSERT_TRUE(eventually([&] {
      web_->retry();
      return web_->port().has_value();
    }));
    const auto client = hang_in(path);
    config_.port = config_.port == 0 ? Taken().port() : 0;
    configure_at_once();
    EXPECT_EQ(get(*web_->port()), "HTTP/1.1 200");
    config_.enabled = false;
    configure_at_once();
    EXPECT_FALSE(web_->port());
    EXPECT_GE(web_->events().at("request"), 2U);
    config_.enabled = true;
  }
}

TEST_F(WebServerTest, APortThatIsTakenTakesDownNoServerThatWorks) {
  web_->configure(config_);
  const std::uint16_t first = *web_->port();
  EXPECT_EQ(get(first), "HTTP/1.1 200");
  auto taken = std::make_unique<Taken>();
  config_.port = taken->port();
  config_.bearer_token_file = secret("token");
  web_->configure(config_);
  EXPECT_THAT(web_->error(), HasSubstr(std::to_string(taken->port())));
  EXPECT_EQ(web_->port(), first);
  EXPECT_TRUE(eventually([&] { return get(first) == "HTTP/1.1 401"; }));  // who may ask is another matter
  EXPECT_EQ(get(first, "token"), "HTTP/1.1 200");
  taken.reset();
  EXPECT_TRUE(eventually([&] {
    web_->retry();
    return web_->port() == config_.port;
  }));
  EXPECT_THAT(web_->error(), IsEmpty());
  EXPECT_EQ(get(static_cast<std::uint16_t>(config_.port), "token"), "HTTP/1.1 200");
  EXPECT_TRUE(eventually([&] { return get(first).empty(); }));
  EXPECT_GE(web_->events().at("request"), 3U);
}

TEST_F(WebServerTest, AnAddressThatIsNotOursTakesDownNoServerThatWorks) {
  web_->configure(config_);
  config_.port = *web_->port();
  web_->configure(config_);
  config_.address = "192.0.2.1";  // for documentation: RFC 5737
  config_.allow_unauthenticated = true;
  web_->configure(config_);
  EXPECT_THAT(web_->error(), HasSubstr("192.0.2.1"));
  EXPECT_EQ(get(static_cast<std::uint16_t>(config_.port)), "HTTP/1.1 200");
}

// The same port of another address is somebody else's: that we close ours would not help.
TEST_F(WebServerTest, APortThatAnotherHoldsOnAnotherAddressTakesDownNoServerThatWorks) {
  web_->configure(config_);
  config_.port = *web_->port();
  web_->configure(config_);
  const Fd other(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto port = static_cast<std::uint16_t>(config_.port);
  ASSERT_EQ(listen_on_loopback(other, port, INADDR_LOOPBACK + 1), port);
  config_.address = "127.0.0.2";
  web_->configure(config_);
  EXPECT_THAT(web_->error(), HasSubstr("127.0.0.2"));
  EXPECT_EQ(web_->port(), port);
  EXPECT_EQ(get(port), "HTTP/1.1 200");
}

// Both ours and the other's are in the way of every address: ours is closed for nothing.
TEST_F(WebServerTest, EveryAddressOfAPortThatAnotherHoldsOnOneTakesDownNoServerForGood) {
  web_->configure(config_);
  config_.port = *web_->port();
  web_->configure(config_);
  Fd other(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto port = static_cast<std::uint16_t>(config_.port);
  ASSERT_EQ(listen_on_loopback(other, port, INADDR_LOOPBACK + 1), port);
  config_.address = "0.0.0.0";
  config_.bearer_token_file = secret("token");
  web_->configure(config_);
  ASSERT_TRUE(eventually([&] {
    web_->retry();
    return web_->port().has_value();
  }));
  EXPECT_EQ(web_->port(), port);
  EXPECT_THAT(web_->error(), HasSubstr("0.0.0.0"));
  EXPECT_EQ(get(port), "HTTP/1.1 401");  // who may ask is another matter
  EXPECT_EQ(get(port, "token"), "HTTP/1.1 200");
  for (int retries = 0; retries < 10; ++retries) {
    std::this_thread::sleep_for(20ms);
    web_->retry();
    EXPECT_TRUE(web_->port()) << "closed again";
  }
  other.reset();
  web_->configure(config_);
  EXPECT_TRUE(eventually([&] {
    web_->retry();
    return web_->port() && web_->error().empty();
  }));
  EXPECT_EQ(get(port, "token"), "HTTP/1.1 200");
}

TEST_F(WebServerTest, EveryAddressCanBeHadWithThePortThatWeHoldOnOne) {
  web_->configure(config_);
  config_.port = *web_->port();
  web_->configure(config_);
  config_.address = "0.0.0.0";
  config_.bearer_token_file = secret("token");
  web_->configure(config_);
  EXPECT_TRUE(eventually([&] {
    web_->retry();
    return web_->port() == config_.port;
  }));
  EXPECT_THAT(web_->error(), IsEmpty());
  EXPECT_EQ(get(static_cast<std::uint16_t>(config_.port), "token"), "HTTP/1.1 200");
}

TEST_F(WebServerTest, AnotherSecretKeepsTheConnections) {
  config_.bearer_token_file = secret("old");
  web_->configure(config_);
  const std::uint16_t port = *web_->port();
  RawClient client(port);
  const auto ask = [&](const std::string& token) {
    EXPECT_TRUE(client.send("GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token + "\r\n\r\n"));
  };
  ask("old");
  EXPECT_THAT(client.read_until("fine"), StartsWith("HTTP/1.1 200"));
  config_.bearer_token_file = secret("new");
  web_->configure(config_);
  EXPECT_EQ(web_->port(), port);
  EXPECT_TRUE(eventually([&] { return get(port, "new") == "HTTP/1.1 200"; }));
  EXPECT_EQ(get(port, "old"), "HTTP/1.1 401");
  ask("new");
  EXPECT_THAT(client.read_until("fine"), StartsWith("HTTP/1.1 200"));
}

}  // namespace
}  // namespace outrider
