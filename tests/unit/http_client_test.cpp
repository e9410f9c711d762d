// The HTTP client against our own server and against peers that misbehave.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>

#include "tests/unit/http_socket.h"
#include "userspace/http/client.h"
#include "userspace/http/server.h"
#include "userspace/http/url.h"

namespace outrider {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Accepts one connection, reads until `ending` has come, says `answer` and closes; with no answer it keeps silent.
class ScriptedPeer {
 public:
  ScriptedPeer(std::string ending, std::string answer) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    port_ = listen_on_loopback(socket_);
    EXPECT_NE(port_, 0);
    thread_ = std::thread([this, ending = std::move(ending), answer = std::move(answer)] { serve(ending, answer); });
  }
  ~ScriptedPeer() { join(); }
  ScriptedPeer(const ScriptedPeer&) = delete;
  ScriptedPeer& operator=(const ScriptedPeer&) = delete;

  [[nodiscard]] std::string url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  /// What the client sent; waits for its connection to end.
  const std::string& request() {
    join();
    return request_;
  }

 private:
  void join() {
    if (thread_.joinable()) thread_.join();
  }

  void serve(const std::string& ending, const std::string& answer) {
    const Fd client(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    char buffer[4096];
    while (answer.empty() || request_.find(ending) == std::string::npos) {
      const auto count = ::recv(client.get(), buffer, sizeof(buffer), 0);
      if (count <= 0) return;
      request_.append(buffer, static_cast<std::size_t>(count));
    }
    (void)::send(client.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
  }

  Fd socket_;
  uint16_t port_ = 0;
  std::string request_;
  std::thread thread_;
};

TEST(HttpClient, SendsMethodHeadersAndBodyAndReadsTheReply) {
  ScriptedPeer peer("cpu v=1\n", "HTTP/1.1 204 No Content\r\nX-Version: 1.6\r\n\r\n");
  HttpCall call;
  call.url = peer.url("/write?db=t");
  call.method = "POST";
  call.headers = {{"Authorization", "Token abc"}};
  call.body = "cpu v=1\n";
  const auto reply = http_request(call);
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->status, 204);
  EXPECT_TRUE(reply->ok());
  EXPECT_THAT(reply->headers, testing::Contains(testing::Pair("X-Version", "1.6")));
  EXPECT_THAT(peer.request(), StartsWith("POST /write?db=t HTTP/1.1\r\n"));
  EXPECT_THAT(peer.request(), HasSubstr("Authorization: Token abc\r\n"));
  EXPECT_THAT(peer.request(), HasSubstr("Content-Length: 8\r\n"));
}

TEST(HttpClient, ARefusalIsAReplyWithItsBody) {
  ScriptedPeer peer("\r\n\r\n", "HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\nno such");
  HttpCall call;
  call.url = peer.url("/");
  const auto reply = http_request(call);
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->status, 404);
  EXPECT_FALSE(reply->ok());
  EXPECT_EQ(reply->body, "no such");
}

TEST(HttpClient, ASilentPeerEndsWithTheDeadline) {
  ScriptedPeer peer("", "");
  HttpCall call;
  call.url = peer.url("/secret-path");
  call.total_timeout = 200ms;
  const auto reply = http_request(call);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ETIMEDOUT);
  EXPECT_THAT(reply.error().message, HasSubstr("no answer in time"));
  EXPECT_THAT(reply.error().message, Not(HasSubstr("secret")));
}

TEST(HttpClient, TheCallerMayGiveUp) {
  ScriptedPeer peer("", "");
  HttpCall call;
  call.url = peer.url("/");
  call.total_timeout = 60s;
  int asked = 0;
  call.give_up = [&asked] { return ++asked == 3; };
  const auto reply = http_request(call);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ECANCELED);
}

TEST(HttpClient, NobodyListening) {
  uint16_t port = 0;
  {
    HttpServerOptions options;
    options.port = 0;
    auto server = HttpServer::start(options, [](const HttpRequest&) { return HttpResponse(); });
    ASSERT_TRUE(server);
    port = (*server)->port();
  }
  HttpCall call;
  call.url = "http://127.0.0.1:" + std::to_string(port);
  const auto reply = http_request(call);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ECONNREFUSED);
}

// What is sent back for `answer`: the size of the body, or the error's message.
std::string size_or_error(const std::string& answer) {
  ScriptedPeer peer("\r\n\r\n", answer);
  HttpCall call;
  call.url = peer.url("/");
  const auto reply = http_request(call);
  return reply ? std::to_string(reply->body.size()) : reply.error().message;
}

TEST(HttpClient, ABodyOf64KibIsReadAndOneByteMoreIsAnError) {
  const std::string most(65536, 'x');
  const std::string header = "HTTP/1.1 200 OK\r\n";
  EXPECT_EQ(size_or_error(header + "Content-Length: 65536\r\n\r\n" + most), "65536");
  EXPECT_EQ(size_or_error(header + "Transfer-Encoding: chunked\r\n\r\n10000\r\n" + most + "\r\n0\r\n\r\n"), "65536");
  EXPECT_EQ(size_or_error(header + "\r\n" + most), "65536");
  for (const auto& answer : {header + "Content-Length: 65537\r\n\r\n" + most + "x",  //
                             header + "Content-Length: 65537\r\n\r\n",
                             header + "Transfer-Encoding: chunked\r\n\r\n10001\r\n" + most + "x\r\n0\r\n\r\n",
                             header + "\r\n" + most + "x"}) {
    EXPECT_THAT(size_or_error(answer), HasSubstr("larger than 64 KiB")) << answer.substr(0, 60);
  }
}

TEST(HttpClient, WhoTakesACutReplyGetsItsStatus) {
  const std::string more(65537, 'x');
  const std::string header = "HTTP/1.1 404 Not Found\r\n";
  for (const auto& answer :
       {header + "Content-Length: 65537\r\nX-Version: 1.6\r\n\r\n" + more,
        header + "Content-Length: 65537\r\nX-Version: 1.6\r\n\r\n",
        header + "Transfer-Encoding: chunked\r\nX-Version: 1.6\r\n\r\n10001\r\n" + more + "\r\n0\r\n\r\n",
        header + "X-Version: 1.6\r\n\r\n" + more}) {
    ScriptedPeer peer("\r\n\r\n", answer);
    HttpCall call;
    call.url = peer.url("/");
    call.cut_reply = true;
    const auto reply = http_request(call);
    ASSERT_TRUE(reply) << reply.error().message;
    EXPECT_EQ(reply->status, 404);
    EXPECT_LE(reply->body.size(), 65536U);
    EXPECT_THAT(reply->headers, testing::Contains(testing::Pair("X-Version", "1.6")));
  }
}

// Cut is what is too long, and nothing else.
TEST(HttpClient, WhoTakesACutReplyStillWantsAWholeOne) {
  for (const auto* answer : {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "HTTP/1.1 200 OK\r\nContent-Len"}) {
    ScriptedPeer peer("\r\n\r\n", answer);
    HttpCall call;
    call.url = peer.url("/");
    call.cut_reply = true;
    EXPECT_FALSE(http_request(call));
  }
}

TEST(HttpClient, WhoExpectsMoreGetsMore) {
  const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + std::string(1'000'000, 'x');
  ScriptedPeer peer("\r\n\r\n", answer);
  HttpCall call;
  call.url = peer.url("/");
  call.reply_limit = 1'000'000;
  const auto reply = http_request(call);
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->body.size(), 1'000'000U);
}

TEST(HttpClient, ABrokenReplyIsAnError) {
  EXPECT_THAT(size_or_error("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"), HasSubstr("no complete reply"));
  EXPECT_THAT(size_or_error("this is no HTTP\r\n\r\n"), HasSubstr("no complete reply"));
  EXPECT_THAT(size_or_error("HTTP/1.1 200 OK\r\nX: " + std::string(9000, 'x') + "\r\n\r\n"),
              HasSubstr("no complete reply"));
}

TEST(HttpClient, NothingIsSmuggledIn) {
  HttpCall call;
  call.url = "http://127.0.0.1:1/";
  call.headers = {{"X", "a\r\nY: b"}};
  EXPECT_FALSE(http_request(call));
  call.headers.clear();
  call.method = "GET / HTTP/1.1\r\n";
  EXPECT_FALSE(http_request(call));
}

TEST(HttpClient, TlsToAPlainPeerIsAnErrorAndNoFallback) {
  ScriptedPeer peer("\x03", "HTTP/1.1 200 OK\r\n\r\n");
  HttpCall call;
  call.url = "https" + peer.url("/").substr(4);
  const auto reply = http_request(call);
  ASSERT_FALSE(reply);
  EXPECT_THAT(reply.error().message, HasSubstr("no trusted TLS connection"));
}

TEST(Url, PartsAndDefaults) {
  const auto plain = parse_url("http://influx.example/write?db=t#part");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->host, "influx.example");
  EXPECT_EQ(plain->port, "80");
  EXPECT_EQ(plain->target, "/write?db=t");
  EXPECT_EQ(plain->authority(), "influx.example");
  const auto v6 = parse_url("https://[::1]:8443?q=1");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->host, "::1");
  EXPECT_EQ(v6->target, "/?q=1");
  EXPECT_EQ(v6->origin(), "https://[::1]:8443");
}

TEST(Url, ValuesInAQuery) {
  EXPECT_EQ(percent_encode("az-AZ_09.~"), "az-AZ_09.~");
  EXPECT_EQ(percent_encode("a b&c=d/\xC3\xA9+%"), "a%20b%26c%3Dd%2F%C3%A9%2B%25");
}

TEST(Url, WhatIsNone) {
  for (const auto* text : {"", "ftp://a/", "http://", "http://:80/", "http://a:0/", "http://a:65536/", "http://a:8x/",
                           "http://user:secret@a/", "http://a/b c", "http://a/\r\nX: y", "http://[::1/", "a.example"}) {
    const auto url = parse_url(text);
    ASSERT_FALSE(url) << text;
    EXPECT_THAT(url.error().message, Not(HasSubstr("secret")));
  }
}

}  // namespace
}  // namespace outrider
