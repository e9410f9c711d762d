// The HTTP server over real sockets on loopback: what it answers, whom it refuses, and what it survives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/http_socket.h"
#include "userspace/http/server.h"

namespace outrider {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* kHost = "Host: localhost\r\n";

HttpResponse echo(const HttpRequest& request) {
  if (request.path == "/throw") throw std::runtime_error("secret detail");
  if (request.path == "/split") {
    auto response = HttpResponse::text(200, "x");
    response.headers.emplace_back("X-Name", "a\r\nX-Injected: b");
    return response;
  }
  if (request.path == "/page") {
    auto response = HttpResponse::text(200, "page");
    response.headers.emplace_back("Content-Security-Policy", "default-src 'self'");
    return response;
  }
  if (request.path == "/large") return HttpResponse::text(200, std::string(8 << 20, 'x'));
  if (request.path == "/events") {
    HttpResponse response;
    response.stream = "snapshots";
    return response;
  }
  std::string text = request.method + " " + request.path;
  for (const auto& [key, value] : request.query) text += " " + key + "=" + value;
  return HttpResponse::text(200, text);
}

class HttpServerTest : public testing::Test {
 protected:
  void SetUp() override { options_.port = 0; }

  void start() {
    auto server = HttpServer::start(options_, echo);
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
  }

  // One request on a connection of its own, and everything the server says until it closes.
  std::string exchange(const std::string& text) {
    RawClient client(server_->port());
    EXPECT_TRUE(client.connected());
    EXPECT_TRUE(client.send(text));
    return client.read_all();
  }

  std::string get(const std::string& target, const std::string& headers = kHost) {
    return exchange("GET " + target + " HTTP/1.1\r\n" + headers + "Connection: close\r\n\r\n");
  }

  void publish(const std::string& data) {
    server_->publish([data](const std::string&) { return data; });
  }

  template <typename Condition>
  bool eventually(Condition condition) {
    for (int i = 0; i < 1000 && !condition(); ++i) std::this_thread::sleep_for(10ms);
    return condition();
  }

  HttpServerOptions options_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersGetWithBodyLengthAndSecurityHeaders) {
  start();
  const auto answer = get("/api?window=2h&type=SELECT%20x+y");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\n\r\nGET /api type=SELECT x y window=2h"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 34\r\n"));  // "GET /api" 8, " type=SELECT x y" 16, " window=2h" 10
  EXPECT_THAT(answer, HasSubstr("X-Content-Type-Options: nosniff\r\n"));
  EXPECT_THAT(answer, HasSubstr("Cache-Control: no-store\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Security-Policy: default-src 'none'\r\n"));
  EXPECT_THAT(answer, Not(HasSubstr("Access-Control")));
  EXPECT_EQ(server_->counters().requests, 1U);
}

TEST_F(HttpServerTest, AHandlerReplacesADefaultHeader) {
  start();
  const auto answer = get("/page");
  EXPECT_THAT(answer, HasSubstr("Content-Security-Policy: default-src 'self'\r\n"));
  EXPECT_THAT(answer, Not(HasSubstr("'none'")));
}

TEST_F(HttpServerTest, HeadHasTheLengthButNoBody) {
  start();
  const auto answer = exchange("HEAD /abc HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 9\r\n"));  // "HEAD /abc"
  EXPECT_THAT(answer, testing::EndsWith("\r\n\r\n"));
}

TEST_F(HttpServerTest, OtherMethodsAndBodiesAreRefused) {
  start();
  for (const auto* method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"}) {
    const auto answer = exchange(std::string(method) + " / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 405 ")) << method;
    EXPECT_THAT(answer, HasSubstr("Allow: GET, HEAD\r\n")) << method;
  }
  EXPECT_THAT(get("/", "Host: localhost\r\nContent-Length: 3\r\n"), StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(get("/", "Host: localhost\r\nTransfer-Encoding: chunked\r\n"), StartsWith("HTTP/1.1 413 "));
  EXPECT_EQ(server_->counters().wrong_method, 6U);
  EXPECT_EQ(server_->counters().too_large, 2U);
}

TEST_F(HttpServerTest, BadPathsAndBadHttpAre400) {
  start();
  for (const auto* target : {"//etc", "/a/../b", "/%2e%2e/b", "/a%00b", "/a%2", "/a%zz", "abc", "/?a=1&a=2", "/a//b"}) {
    EXPECT_THAT(get(target), StartsWith("HTTP/1.1 400 ")) << target;
  }
  EXPECT_THAT(exchange("\x16\x03\x01 TLS to a plain port\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_EQ(server_->counters().malformed, 10U);
  EXPECT_EQ(server_->counters().requests, 0U);
}

TEST_F(HttpServerTest, HostMustBeOnTheList) {
  options_.allowed_hosts = {"metrics.example"};
  start();
  const auto port = std::to_string(server_->port());
  for (const auto& host : {std::string("localhost"), "LOCALHOST:" + port, "127.0.0.1:" + port, std::string("[::1]"),
                           std::string("metrics.example")}) {
    EXPECT_THAT(get("/", "Host: " + host + "\r\n"), StartsWith("HTTP/1.1 200 ")) << host;
  }
  for (const auto* host : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "localhost:x", ""}) {
    EXPECT_THAT(get("/", std::string("Host: ") + host + "\r\n"), StartsWith("HTTP/1.1 421 ")) << host;
  }
  EXPECT_THAT(get("http://evil.example/"), StartsWith("HTTP/1.1 421 "));
  EXPECT_THAT(get("http://localhost/"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(get("/", ""), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(get("/", "Host: localhost\r\nHost: evil.example\r\n"), StartsWith("HTTP/1.1 400 "));
}

TEST_F(HttpServerTest, PagesOfOtherSitesMayOnlyLinkHere) {
  start();
  const auto with = [&](const char* target, const std::string& site, const char* mode) {
    return get(target, std::string(kHost) + "Sec-Fetch-Site: " + site + "\r\nSec-Fetch-Mode: " + mode + "\r\n");
  };
  for (const auto* site : {"cross-site", "same-site"}) {
    EXPECT_THAT(with("/api/v1/flame", site, "no-cors"), StartsWith("HTTP/1.1 403 ")) << site;
    EXPECT_THAT(with("/api/v1/flame", site, "navigate"), StartsWith("HTTP/1.1 403 ")) << site;
    EXPECT_THAT(with("/metrics", site, "no-cors"), StartsWith("HTTP/1.1 403 ")) << site;
    EXPECT_THAT(with("/", site, "navigate"), StartsWith("HTTP/1.1 200 ")) << site;
  }
  EXPECT_EQ(server_->counters().cross_site, 6U);
  EXPECT_THAT(with("/api/v1/flame", "same-origin", "cors"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(with("/api/v1/flame", "none", "navigate"), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(server_->counters().cross_site, 6U);
}

TEST_F(HttpServerTest, BearerAndBasicOpen) {
  options_.bearer_token = "t0ken";
  options_.basic_user = "Aladdin";
  options_.basic_password = "open sesame";
  start();
  const auto with = [&](const std::string& value) {
    return get("/", std::string(kHost) + "Authorization: " + value + "\r\n");
  };
  EXPECT_THAT(with("Bearer t0ken"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(with("bearer t0ken"), StartsWith("HTTP/1.1 200 "));
  // The example of RFC 7617, section 2.
  EXPECT_THAT(with("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), StartsWith("HTTP/1.1 200 "));
  for (const auto* value : {"Bearer t0ke", "Bearer t0kenn", "Bearer ", "Bearer", "Basic t0ken", "t0ken",
                            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZR==", "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}) {
    const auto answer = with(value);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 401 ")) << value;
    EXPECT_THAT(answer, HasSubstr("WWW-Authenticate: Bearer")) << value;
    EXPECT_THAT(answer, HasSubstr("WWW-Authenticate: Basic")) << value;
  }
  EXPECT_THAT(get("/"), StartsWith("HTTP/1.1 401 "));
  EXPECT_EQ(server_->counters().unauthorized, 9U);
  EXPECT_EQ(server_->counters().requests, 3U);
}

TEST_F(HttpServerTest, BeyondLoopbackNeedsASecretOrAnExplicitWord) {
  options_.address = "0.0.0.0";
  const auto open = HttpServer::start(options_, echo);
  ASSERT_FALSE(open);
  EXPECT_THAT(open.error().message, HasSubstr("bearer_token"));
  EXPECT_THAT(open.error().message, HasSubstr("allow_unauthenticated"));
  options_.basic_user = "only a name";
  EXPECT_FALSE(HttpServer::start(options_, echo));
  options_.basic_user.clear();
  options_.address = "not an address";
  EXPECT_FALSE(HttpServer::start(options_, echo));
}

TEST_F(HttpServerTest, WhoComesByIpv4MayNameThatAddressAlsoWhereIpv6IsServed) {
  options_.address = "::";
  options_.allow_unauthenticated = true;
  auto server = HttpServer::start(options_, echo);
  if (!server && server.error().code == EAFNOSUPPORT) GTEST_SKIP() << "no IPv6 here";
  ASSERT_TRUE(server) << server.error().message;
  RawClient client((*server)->port(), INADDR_LOOPBACK + 1);
  EXPECT_TRUE(client.send("GET / HTTP/1.1\r\nHost: 127.0.0.2\r\nConnection: close\r\n\r\n"));
  EXPECT_THAT(client.read_all(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, APortThatIsTakenIsNamed) {
  start();
  options_.port = server_->port();
  const auto second = HttpServer::start(options_, echo);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr("127.0.0.1:" + std::to_string(options_.port)));
  EXPECT_THAT(second.error().message, HasSubstr("set another port"));
  EXPECT_EQ(second.error().code, EADDRINUSE);
}

TEST_F(HttpServerTest, KeepAliveAndPipelining) {
  start();
  RawClient client(server_->port());
  const std::string one = std::string("GET /1 HTTP/1.1\r\n") + kHost + "\r\n";
  ASSERT_TRUE(client.send(one));
  EXPECT_THAT(client.read_until("GET /1"), StartsWith("HTTP/1.1 200 "));
  ASSERT_TRUE(client.send(one + "GET /2 HTTP/1.1\r\n" + kHost + "\r\nGET /3 HTTP/1.1\r\n" + kHost +
                          "Connection: close\r\n\r\n"));
  const auto answers = client.read_all();
  EXPECT_LT(answers.find("GET /1"), answers.find("GET /2"));
  EXPECT_LT(answers.find("GET /2"), answers.find("GET /3"));
  EXPECT_THAT(answers, HasSubstr("GET /3"));
  EXPECT_EQ(server_->counters().requests, 4U);
  EXPECT_EQ(server_->counters().connections, 1U);
}

TEST_F(HttpServerTest, EndlessHeadersEndIn431) {
  start();
  RawClient client(server_->port());
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\n"));
  const std::string line = "X-Filler: " + std::string(500, 'x') + "\r\n";
  for (int i = 0; i < 1000 && client.send(line); ++i) {
  }
  EXPECT_TRUE(eventually([&] { return server_->counters().too_large == 1; }));
  EXPECT_THAT(exchange("GET / HTTP/1.1\r\nX: " + std::string(9000, 'x') + "\r\n\r\n"), StartsWith("HTTP/1.1 431 "));
}

TEST_F(HttpServerTest, ASlowHeaderIsCutOffHoweverItDripsIn) {
  options_.read_timeout = 300ms;
  start();
  RawClient client(server_->port());
  // A byte each 20 ms: a deadline per read would never end it, one for the whole header does.
  bool open = true;
  for (int i = 0; i < 500 && open; ++i) {
    open = client.send("x");
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_FALSE(open);
  EXPECT_EQ(server_->counters().timeouts, 1U);
  EXPECT_TRUE(eventually([&] { return server_->connections() == 0; }));
}

TEST_F(HttpServerTest, AClientThatDoesNotReadIsCutOff) {
  options_.write_timeout = 300ms;
  start();
  RawClient client(server_->port());
  ASSERT_TRUE(client.send(std::string("GET /large HTTP/1.1\r\n") + kHost + "\r\n"));
  EXPECT_TRUE(eventually([&] { return server_->counters().timeouts == 1; }));
  EXPECT_TRUE(eventually([&] { return server_->connections() == 0; }));
}

TEST_F(HttpServerTest, SlowClientsDoNotLockAScraperOut) {
  options_.read_timeout = 10s;
  start();
  std::vector<std::unique_ptr<RawClient>> slow;
  for (int i = 0; i < 60; ++i) {
    slow.push_back(std::make_unique<RawClient>(server_->port()));
    ASSERT_TRUE(slow.back()->send("GET / HT"));
  }
  EXPECT_TRUE(eventually([&] { return server_->connections() == 60; }));
  for (int i = 0; i < 20; ++i) EXPECT_THAT(get("/metrics"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, WhenFullIdleThenSlowConnectionsGiveWay) {
  options_.max_connections = 4;
  options_.read_timeout = 10s;
  options_.idle_timeout = 60s;
  start();
  std::vector<std::unique_ptr<RawClient>> idle;
  for (int i = 0; i < 4; ++i) {
    idle.push_back(std::make_unique<RawClient>(server_->port()));
    ASSERT_TRUE(idle.back()->send(std::string("GET /i HTTP/1.1\r\n") + kHost + "\r\n"));
    EXPECT_THAT(idle.back()->read_until("GET /i"), StartsWith("HTTP/1.1 200 "));
  }
  EXPECT_THAT(get("/scrape"), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(server_->counters().evicted, 1U);
  EXPECT_EQ(idle.front()->read_all(), "");  // the one that was idle for longest

  std::vector<std::unique_ptr<RawClient>> slow;
  for (int i = 0; i < 4; ++i) {
    slow.push_back(std::make_unique<RawClient>(server_->port()));
    ASSERT_TRUE(slow.back()->send("GET / HT"));
  }
  EXPECT_TRUE(eventually([&] { return server_->counters().connections == 9; }));
  // All four have just begun: a newcomer is told to come back, and after a quarter of the deadline it is let in.
  EXPECT_THAT(get("/scrape"), StartsWith("HTTP/1.1 503 "));
  EXPECT_EQ(server_->counters().refused, 1U);
  std::this_thread::sleep_for(2600ms);
  EXPECT_THAT(get("/scrape"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, AHandlerThatFailsIs500AndShowsNothing) {
  start();
  const auto thrown = get("/throw");
  EXPECT_THAT(thrown, StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(thrown, Not(HasSubstr("secret")));
  const auto split = get("/split");
  EXPECT_THAT(split, StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(split, Not(HasSubstr("X-Injected")));
  EXPECT_EQ(server_->counters().handler_errors, 2U);
  EXPECT_THAT(get("/"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, StreamsCarryWhatIsPublishedUnderTheirName) {
  options_.max_streams = 1;
  start();
  RawClient client(server_->port());
  ASSERT_TRUE(client.send(std::string("GET /events HTTP/1.1\r\n") + kHost + "\r\n"));
  const auto header = client.read_until("\r\n\r\n");
  EXPECT_THAT(header, HasSubstr("Content-Type: text/event-stream\r\n"));
  EXPECT_THAT(header, Not(HasSubstr("Content-Length")));
  publish("{\"a\":1}");
  EXPECT_THAT(get("/"), StartsWith("HTTP/1.1 200 ")) << "in order: what was published before is told by now";
  server_->publish([](const std::string&) -> std::string { throw std::runtime_error("a secret"); });
  EXPECT_THAT(get("/"), StartsWith("HTTP/1.1 200 "));
  server_->publish([](const std::string&) { return std::string(); });
  EXPECT_THAT(get("/"), StartsWith("HTTP/1.1 200 "));
  publish("two\nlines");
  EXPECT_EQ(client.read_until("lines\n\n"), "data: {\"a\":1}\n\ndata: two\ndata: lines\n\n");
  EXPECT_EQ(server_->counters().handler_errors, 1U);
  EXPECT_THAT(get("/events"), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(get("/"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, EventsAreMadeOnceForEachStreamThatSomebodyListensTo) {
  start();
  std::atomic<int> made = 0;
  std::atomic<bool> only_snapshots = true;
  const auto event_of = [&](const std::string& stream) {
    only_snapshots = only_snapshots && stream == "snapshots";
    return "event " + std::to_string(++made);
  };
  const auto told = [&] {  // the server works off what it is given in order
    server_->publish(event_of);
    RawClient client(server_->port());
    return client.send(std::string("GET / HTTP/1.1\r\n") + kHost + "\r\n") && !client.read_until("\r\n\r\n").empty();
  };
  EXPECT_TRUE(told());
  EXPECT_EQ(made, 0);
  {
    RawClient first(server_->port()), second(server_->port());
    for (RawClient* client : {&first, &second}) {
      ASSERT_TRUE(client->send(std::string("GET /events HTTP/1.1\r\n") + kHost + "\r\n"));
      EXPECT_THAT(client->read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
    }
    server_->publish(event_of);
    for (RawClient* client : {&first, &second}) EXPECT_EQ(client->read_until("\n\n"), "data: event 1\n\n");
  }
  EXPECT_TRUE(eventually([&] { return server_->connections() == 0; }));
  EXPECT_TRUE(told());
  EXPECT_EQ(made, 1);
  EXPECT_TRUE(only_snapshots);
}

// Whoever publishes never waits, and what the server could not tell in time is replaced by what is newer.
TEST_F(HttpServerTest, WhileTheServerIsBusyOnlyTheNewestEventIsKept) {
  start();
  RawClient client(server_->port());
  ASSERT_TRUE(client.send(std::string("GET /events HTTP/1.1\r\n") + kHost + "\r\n"));
  EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  std::promise<void> busy;
  std::promise<void> free;
  const std::shared_future<void> freed = free.get_future().share();
  server_->publish([&busy, freed](const std::string&) {
    busy.set_value();
    freed.wait();
    return std::string("first");
  });
  busy.get_future().wait();
  const auto begin = std::chrono::steady_clock::now();
  std::atomic<int> made = 0;
  for (int number = 2; number <= 100; ++number) {
    server_->publish([&made, number](const std::string&) {
      ++made;
      return "event " + std::to_string(number);
    });
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
  free.set_value();
  EXPECT_EQ(client.read_until("event 100\n\n"), "data: first\n\ndata: event 100\n\n");
  EXPECT_EQ(made, 1);
  publish("after");
  EXPECT_EQ(client.read_until("after\n\n"), "data: after\n\n");
}

// proc(5): the name of a thread is in parentheses, and its nice value the 17th field behind them.
TEST_F(HttpServerTest, ItsThreadsGiveWayToTheOthers) {
  const auto nice_of = [](const std::filesystem::path& task) {
    std::ifstream file(task / "stat");
    std::string stat((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    std::istringstream fields(stat.substr(stat.rfind(')') + 1));
    std::string field;
    for (int i = 0; i < 17; ++i) fields >> field;
    return std::stoi(field);
  };
  const auto of_server = [&] {
    std::map<std::string, int> found;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::string name;
      std::getline(std::ifstream(task.path() / "comm"), name);
      if (name.starts_with("outrider-")) found[name] = nice_of(task.path());
    }
    return found;
  };
  auto server = HttpServer::start(options_, echo, [](const HttpRequest&) { return true; });
  ASSERT_TRUE(server) << server.error().message;
  server_ = std::move(*server);
  const int ours = nice_of("/proc/thread-self");
  const int theirs = std::min(ours + 5, 19);
  const std::map<std::string, int> wanted = {{"outrider-http", theirs}, {"outrider-ask", theirs}};
  EXPECT_TRUE(eventually([&] { return of_server() == wanted; }));
  EXPECT_EQ(nice_of("/proc/thread-self"), ours);
}

TEST_F(HttpServerTest, AStreamClientThatDoesNotReadIsDroppedAndFreesItsPlace) {
  start();
  RawClient client(server_->port());
  ASSERT_TRUE(client.send(std::string("GET /events HTTP/1.1\r\n") + kHost + "\r\n"));
  EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  const std::string data(100 * 1024, 'x');
  EXPECT_TRUE(eventually([&] {
    publish(data);
    return server_->counters().streams_dropped == 1;
  }));
  EXPECT_TRUE(eventually([&] { return server_->connections() == 0; }));
}

TEST_F(HttpServerTest, StopsWithConnectionsOpenAndCanStartAgainOnItsPort) {
  start();
  options_.port = server_->port();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (const auto* text : {"", "GET / HT", "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n",
                           "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"}) {
    clients.push_back(std::make_unique<RawClient>(server_->port()));
    ASSERT_TRUE(clients.back()->send(text));
  }
  EXPECT_TRUE(eventually([&] { return server_->counters().requests == 2; }));
  server_.reset();
  start();
  EXPECT_THAT(get("/"), StartsWith("HTTP/1.1 200 "));
}

}  // namespace
}  // namespace outrider
