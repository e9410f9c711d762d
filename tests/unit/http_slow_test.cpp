// Slow answers of the HTTP server: nobody waits for somebody else's, and how many may wait, and how long, is bounded.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/unit/eventually.h"
#include "tests/unit/http_socket.h"
#include "userspace/http/server.h"

namespace outrider {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

// The handler for /slow waits until it is opened.
class Gate {
 public:
  HttpResponse answer(const HttpRequest& request) {
    if (request.path != "/slow") return HttpResponse::text(200, "quick");
    std::unique_lock lock(mutex_);
    ++begun_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
    return HttpResponse::text(200, "at last");
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  bool wait_for_begun(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, [&] { return begun_ >= count; });
  }
  int begun() {
    const std::lock_guard lock(mutex_);
    return begun_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int begun_ = 0;
};

class HttpSlowTest : public testing::Test {
 protected:
  void SetUp() override { options_.port = 0; }
  void TearDown() override {
    gate_->open();
    server_.reset();
  }

  void start() {
    auto server = HttpServer::start(
        options_, [gate = gate_](const HttpRequest& request) { return gate->answer(request); },
        [](const HttpRequest& request) { return request.path == "/slow"; });
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
  }

  std::unique_ptr<RawClient> ask(const std::string& path, const std::string& headers = "Connection: close\r\n") {
    auto client = std::make_unique<RawClient>(server_->port());
    EXPECT_TRUE(client->send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n"));
    return client;
  }
  std::string get(const std::string& path, const std::string& headers = "Connection: close\r\n") {
    return ask(path, headers)->read_all();
  }

  HttpServerOptions options_;
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpSlowTest, NobodyElseWaitsForASlowAnswer) {
  start();
  const auto slow = ask("/slow", "");
  ASSERT_TRUE(gate_->wait_for_begun(1));
  EXPECT_THAT(get("/quick"), StartsWith("HTTP/1.1 200 "));
  gate_->open();
  EXPECT_THAT(slow->read_until("at last"), StartsWith("HTTP/1.1 200 "));
  ASSERT_TRUE(slow->send("GET /quick HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));  // the same one
  EXPECT_THAT(slow->read_all(), HasSubstr("quick"));
  EXPECT_EQ(server_->counters().requests, 3U);
  EXPECT_EQ(server_->counters().connections, 2U);
}

TEST_F(HttpSlowTest, NoMoreThanSomeMayWait) {
  options_.max_slow = 2;
  start();
  const auto running = ask("/slow");
  ASSERT_TRUE(gate_->wait_for_begun(1));
  const auto waiting = ask("/slow");
  ASSERT_TRUE(eventually([&] { return server_->connections() == 2; }));
  const auto refused = get("/slow");
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(refused, HasSubstr("Retry-After: 1\r\n"));
  EXPECT_EQ(server_->counters().busy, 1U);
  gate_->open();
  EXPECT_THAT(running->read_all(), HasSubstr("at last"));
  EXPECT_THAT(waiting->read_all(), HasSubstr("at last"));
  EXPECT_THAT(get("/slow"), HasSubstr("at last"));
}

TEST_F(HttpSlowTest, TheDeadlineHoldsForThemToo) {
  options_.answer_timeout = 1s;
  start();
  const auto running = ask("/slow", "");
  ASSERT_TRUE(gate_->wait_for_begun(1));
  const auto waiting = ask("/slow", "");
  for (const auto& client : {running.get(), waiting.get()}) {
    const auto answer = client->read_all();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
    EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  }
  EXPECT_EQ(server_->counters().timeouts, 2U);
  gate_->open();
  EXPECT_THAT(get("/slow"), HasSubstr("at last"));
  EXPECT_EQ(gate_->begun(), 2);  // the one that nobody waited for was not asked for
}

TEST_F(HttpSlowTest, TheEndWaitsForNoneThatHasNotBegun) {
  start();
  const std::uint16_t port = server_->port();
  std::vector<std::unique_ptr<RawClient>> clients;
  clients.reserve(3);
  for (int i = 0; i < 3; ++i) clients.push_back(ask("/slow"));
  ASSERT_TRUE(gate_->wait_for_begun(1));
  ASSERT_TRUE(eventually([&] { return server_->connections() == 3; }));
  auto end = std::async(std::launch::async, [this] { server_.reset(); });
  // While the handler still runs, the connections are closed and the port is free.
  for (const auto& client : clients) EXPECT_EQ(client->read_all(), "");
  EXPECT_TRUE(eventually([&] { return !RawClient(port).connected(); }));
  EXPECT_EQ(end.wait_for(0s), std::future_status::timeout);
  gate_->open();
  end.get();
  EXPECT_EQ(gate_->begun(), 1);
}

TEST_F(HttpSlowTest, OtherSecretsNeedNoOtherServer) {
  options_.bearer_token = "old";
  start();
  const auto kept = ask("/quick", "Authorization: Bearer old\r\n");
  EXPECT_THAT(kept->read_until("quick"), StartsWith("HTTP/1.1 200 "));
  options_.bearer_token = "new";
  ASSERT_TRUE(server_->change_access(options_));
  const auto with = [&](const std::string& token) {
    return "Connection: close\r\nAuthorization: Bearer " + token + "\r\n";
  };
  EXPECT_TRUE(eventually([&] { return get("/quick", with("new")).starts_with("HTTP/1.1 200 "); }));
  EXPECT_THAT(get("/quick", with("old")), StartsWith("HTTP/1.1 401 "));
  ASSERT_TRUE(kept->send("GET /quick HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer old\r\n\r\n"));
  EXPECT_THAT(kept->read_until("\r\n\r\n"), StartsWith("HTTP/1.1 401 "));
  options_.basic_user = "only a name";
  EXPECT_FALSE(server_->change_access(options_));
  EXPECT_THAT(get("/quick", with("new")), StartsWith("HTTP/1.1 200 "));
}

}  // namespace
}  // namespace outrider
