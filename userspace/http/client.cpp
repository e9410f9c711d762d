#include "userspace/http/client.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>

#include "userspace/http/resolve.h"
#include "userspace/http/url.h"

namespace outrider {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using beast::error_code;
using std::chrono::steady_clock;

constexpr uint32_t kAnswerHeaderLimit = 8192;
constexpr std::size_t kReadAtOnce = 64 * 1024;
constexpr std::chrono::milliseconds kAskInterval{50};  // how often the caller may give up
using Request = http::request<http::string_body>;
using Parser = http::response_parser<http::string_body>;

// The token of RFC 9110, and a value without line breaks: neither may smuggle in a header or a second request.
bool is_token(const std::string& text) {
  constexpr const char* kTokenCharacters =
      "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  return !text.empty() && text.find_first_not_of(kTokenCharacters) == std::string::npos;
}

bool is_value(const std::string& text) { return text.find_first_of(std::string("\r\n\0", 3)) == std::string::npos; }

Result<Request> make_request(const HttpCall& call, const Url& url) {
  if (!is_token(call.method)) return Error{"HTTP request: the method is not a word like GET or POST"};
  Request request;
  request.version(11);
  request.method_string(call.method);
  request.target(url.target);
  request.set(http::field::host, url.authority());
  request.set(http::field::user_agent, "outrider");
  request.set(http::field::accept, "*/*");
  for (const auto& [name, value] : call.headers) {
    if (!is_token(name) || !is_value(value)) {
      return Error{"HTTP request: a header name or value has characters that cannot be sent; check the settings"};
    }
    request.set(name, value);
  }
  request.body() = call.body;
  request.prepare_payload();
  request.keep_alive(false);
  return request;
}

// One request in the caller's thread: each step is asynchronous and carries the deadline; the context runs until it is
// done, or the deadline has closed the connection.
class Exchange {
 public:
  Exchange(const HttpCall& call, Url url)
      : call_(call),
        url_(std::move(url)),
        deadline_(steady_clock::now() + call.total_timeout),
        connect_deadline_(std::min(deadline_, steady_clock::now() + call.connect_timeout)),
        tls_(asio::ssl::context::tls_client),
        stream_(context_, tls_) {}

  Result<HttpReply> run(Request& request) {
    if (auto connected = connect(); !connected) return connected.error();
    if (url_.https) {
      if (auto secured = secure(); !secured) return secured.error();
      return exchange(stream_, request);
    }
    return exchange(stream_.next_layer(), request);
  }

 private:
  beast::tcp_stream& tcp() { return stream_.next_layer(); }

  // Starts an operation with the handler that it is given and waits for its end.
  template <typename Start>
  error_code wait(steady_clock::time_point deadline, Start start) {
    error_code result;
    tcp().expires_at(deadline);
    start([&result](error_code error, auto&&...) { result = error; });
    context_.restart();
    while (!context_.stopped()) {
      context_.run_for(kAskInterval);
      if (!context_.stopped() && call_.give_up && call_.give_up()) tcp().close();
    }
    return result;
  }

  [[nodiscard]] Error failure(const std::string& step, const error_code& error) const {
    const bool late = error == beast::error::timeout;
    return Error{call_.method + " " + url_.origin() + ": " + step + ": " +
                     (late ? "no answer in time; check that the peer is up, or raise the timeout" : error.message()),
                 late ? ETIMEDOUT : error.value()};
  }

  Status connect() {
    auto endpoints = resolve(url_.host, url_.port, connect_deadline_);
    if (!endpoints) return Error{call_.method + " " + url_.origin() + ": " + endpoints.error().message};
    const auto error =
        wait(connect_deadline_, [&](auto handler) { tcp().async_connect(*endpoints, std::move(handler)); });
    if (error) return failure("cannot connect", error);
    return Ok{};
  }

  Status secure() {
    error_code error;
    if (call_.ca_file.empty()) {
      tls_.set_default_verify_paths(error);
    } else {
      tls_.load_verify_file(call_.ca_file, error);
    }
    if (error) return failure("cannot read the trusted certificates " + call_.ca_file, error);
    auto* ssl = stream_.native_handle();
    // The stream was made before its context knew these, so they are set on the stream itself.
    SSL_set_min_proto_version(ssl, TLS1_2_VERSION);
    error_code not_an_address;
    asio::ip::make_address(url_.host, not_an_address);
    if (not_an_address) {
      // What SSL_set_tlsext_host_name is, without the macro's cast of C; the name is copied.
      SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, const_cast<char*>(url_.host.c_str()));
    }
    stream_.set_verify_mode(asio::ssl::verify_peer);
    stream_.set_verify_callback(asio::ssl::host_name_verification(url_.host));
    error = wait(connect_deadline_,
                 [&](auto handler) { stream_.async_handshake(asio::ssl::stream_base::client, std::move(handler)); });
    if (error) return failure("no trusted TLS connection", error);
    return Ok{};
  }

  template <typename Stream>
  Result<HttpReply> exchange(Stream& stream, Request& request) {
    auto error = wait(deadline_, [&](auto handler) { http::async_write(stream, request, std::move(handler)); });
    // A peer may answer, e.g. 413, and close before it has read everything: its answer says more than our error.
    const auto write_error = error;
    if (error == beast::error::timeout) return failure("sending", error);
    Parser parser;
    parser.header_limit(kAnswerHeaderLimit);
    parser.body_limit(call_.reply_limit);
    parser.skip(call_.method == "HEAD");
    error = read(stream, parser);
    const bool too_large = error == http::error::body_limit;
    if (too_large && !call_.cut_reply) {
      return failure("the reply is larger than " + std::to_string(call_.reply_limit / 1024) + " KiB", error);
    }
    // What is too large is so behind a complete header, so the status is known.
    if (error && !too_large) return write_error ? failure("sending", write_error) : failure("no complete reply", error);
    auto& message = parser.get();
    HttpReply reply{static_cast<int>(message.result_int()), std::move(message.body()), {}};
    for (const auto& field : message) {
      reply.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    }
    return reply;
  }

  // The header by itself first: Beast 1.74 forgets that Content-Length is over the limit when it parses on into a body
  // that came with the header.
  template <typename Stream>
  error_code read(Stream& stream, Parser& parser) {
    const auto error =
        wait(deadline_, [&](auto handler) { http::async_read_header(stream, buffer_, parser, std::move(handler)); });
    if (error || parser.is_done()) return error;
    return wait(deadline_, [&](auto handler) { http::async_read(stream, buffer_, parser, std::move(handler)); });
  }

  const HttpCall& call_;
  const Url url_;
  const steady_clock::time_point deadline_;
  const steady_clock::time_point connect_deadline_;
  asio::io_context context_{1};
  asio::ssl::context tls_;
  beast::ssl_stream<beast::tcp_stream> stream_;
  beast::flat_buffer buffer_{kAnswerHeaderLimit + kReadAtOnce};
};

}  // namespace

Result<HttpReply> http_request(const HttpCall& call) {
  auto url = parse_url(call.url);
  if (!url) return url.error();
  auto request = make_request(call, *url);
  if (!request) return request.error();
  try {
    return Exchange(call, *url).run(*request);
  } catch (const std::exception& error) {
    return Error{call.method + " " + url->origin() + ": " + error.what()};
  }
}

}  // namespace outrider
