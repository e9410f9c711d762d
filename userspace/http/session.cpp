#include "userspace/http/session.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <utility>
#include <variant>

#include "userspace/http/parsed_header.h"
#include "userspace/http/server_core.h"

namespace outrider {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr unsigned kHttp11 = 11;
// Room for a header and what a client pipelines behind it; past this a read waits until it is answered.
constexpr std::size_t kBufferLimit = 2 * kHeaderLimit;
// After the last answer the client's remaining bytes are read for a moment: closing with bytes unread would reset the
// connection, and the client might never see why it was refused.
constexpr std::chrono::milliseconds kDrainTime{500};
constexpr std::size_t kDrainBytes = 256 * 1024;

// With "::" those who come by IPv4 have addresses of IPv6, which nobody writes into a Host header.
asio::ip::address as_written(const asio::ip::address& address) {
  if (!address.is_v6() || !address.to_v6().is_v4_mapped()) return address;
  return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
}

}  // namespace

Session::Session(ServerCore& core, asio::ip::tcp::socket socket)
    : core_(core),
      stream_(std::move(socket)),
      buffer_(kBufferLimit),
      answer_timer_(stream_.get_executor()),
      version_(kHttp11),
      phase_start_(std::chrono::steady_clock::now()) {
  ErrorCode ignored;
  const auto remote = stream_.socket().remote_endpoint(ignored);
  const auto address = as_written(remote.address());
  const std::string text = address.to_string();
  peer_ = (address.is_v6() ? "[" + text + "]" : text) + ":" + std::to_string(remote.port());
  local_address_ = as_written(stream_.socket().local_endpoint(ignored).address()).to_string();
  core_.enter(*this);
}

Session::~Session() {
  if (!dropped_) core_.leave(*this);
  if (!stream_name_.empty()) core_.close_stream(stream_name_);
}

void Session::enter_phase(Phase phase) {
  phase_ = phase;
  phase_start_ = std::chrono::steady_clock::now();
}

std::chrono::steady_clock::duration Session::time_in_phase() const {
  return std::chrono::steady_clock::now() - phase_start_;
}

void Session::drop() {
  if (dropped_) return;
  dropped_ = true;
  awaited_ = false;
  answer_timer_.cancel();
  core_.leave(*this);
  stream_.close();
}

void Session::start() { read_request(); }

void Session::refuse() {
  auto response = HttpResponse::text(503, "Too many connections are open; try again in a moment.\n");
  response.headers.emplace_back("Retry-After", "1");
  send(std::move(response), false, false);
}

void Session::await_request() {
  if (buffer_.size() > 0) {
    read_request();
    return;
  }
  enter_phase(Phase::kIdle);
  stream_.expires_after(core_.options.idle_timeout);
  stream_.async_read_some(buffer_.prepare(kHeaderLimit),
                          [self = shared_from_this()](ErrorCode error, std::size_t count) {
                            if (error || self->dropped_) return;
                            self->buffer_.commit(count);
                            self->read_request();
                          });
}

void Session::read_request() {
  enter_phase(Phase::kReading);
  version_ = kHttp11;
  parser_.emplace();
  set_limits(*parser_);
  // Set once for however many reads it takes: a client that sends a byte now and then gains nothing by it.
  stream_.expires_after(core_.options.read_timeout);
  http::async_read_header(stream_, buffer_, *parser_, [self = shared_from_this()](ErrorCode error, std::size_t) {
    if (!self->dropped_) self->on_header(error);
  });
}

void Session::on_header(ErrorCode error) {
  if (!error) {
    answer_request();
  } else if (error == beast::error::timeout) {
    ++core_.counters.timeouts;
  } else {
    answer_bad_header(error);
  }
}

void Session::answer_bad_header(ErrorCode error) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    ++core_.counters.too_large;
    send(HttpResponse::text(431, "The header is larger than 8192 bytes.\n"), false, false);
  } else if (error == http::error::body_limit) {
    ++core_.counters.too_large;
    send(HttpResponse::text(413, "This server takes no request bodies.\n"), false, false);
  } else if (error != http::error::end_of_stream && error != http::error::partial_message &&
             error.category() == http::make_error_code(http::error::bad_method).category()) {
    ++core_.counters.malformed;
    send(HttpResponse::text(400, "That is not an HTTP/1.1 request.\n"), false, false);
  }
}

RequestHeader Session::view_header() const {
  RequestHeader header = parsed_header(*parser_);
  header.peer = peer_;
  header.local_address = local_address_;
  return header;
}

void Session::answer_request() {
  const auto header = view_header();
  has_body_ = header.has_body;
  version_ = parser_->get().version();
  auto checked = core_.rules.check(header, core_.counters);
  if (auto* refusal = std::get_if<HttpResponse>(&checked)) {
    answer(std::move(*refusal));
    return;
  }
  auto& request = std::get<HttpRequest>(checked);
  if (!core_.is_slow || !core_.is_slow(request)) {
    answer(call_handler(core_.handler, request, core_.counters));
  } else if (core_.asked_aside < core_.options.max_slow) {
    answer_later(std::move(request));
  } else {
    ++core_.counters.busy;
    refuse_busy("Too many requests for history are waiting; try again in a moment.\n");
  }
}

void Session::answer_later(HttpRequest request) {
  enter_phase(Phase::kWaiting);
  awaited_ = true;
  answer_timer_.expires_after(core_.options.answer_timeout);
  answer_timer_.async_wait([self = shared_from_this()](ErrorCode error) {
    if (error || self->dropped_ || self->phase_ != Phase::kWaiting) return;
    self->awaited_ = false;
    ++self->core_.counters.timeouts;
    self->refuse_busy("The answer takes too long; ask for less, or try again in a moment.\n");
  });
  core_.ask_aside(shared_from_this(), std::move(request));
}

void Session::on_answer(HttpResponse response) {
  if (dropped_ || phase_ != Phase::kWaiting) return;
  awaited_ = false;
  answer_timer_.cancel();
  answer(std::move(response));
}

// The connection ends with it, so that an answer that comes too late is not taken for that to a later request.
void Session::refuse_busy(const char* text) {
  auto response = HttpResponse::text(503, text);
  response.headers.emplace_back("Retry-After", "1");
  send(std::move(response), parser_->get().method() == http::verb::head, false);
}

void Session::answer(HttpResponse response) {
  const auto& request = parser_->get();
  if (!response.stream.empty() && core_.streams >= core_.options.max_streams) {
    ++core_.counters.streams_refused;
    response = HttpResponse::text(503, "Too many event streams are open; close one and try again.\n");
  }
  // A body stays unread and would be taken for the next request.
  send(std::move(response), request.method() == http::verb::head, request.keep_alive() && !has_body_);
}

void Session::send(HttpResponse response, bool head, bool keep_alive) {
  enter_phase(Phase::kWriting);
  const bool stream = !response.stream.empty();
  if (stream) {
    keep_alive = false;
    response.status = 200;
    response.content_type = "text/event-stream";
    if (!head) {
      stream_name_ = std::move(response.stream);
      core_.open_stream(stream_name_);
    }
  }
  body_ = stream ? nullptr : std::move(response.body);
  auto& message = response_.emplace(http::int_to_status(static_cast<unsigned>(response.status)), version_);
  if (body_) message.body() = {body_->data(), body_->size()};
  message.keep_alive(keep_alive);
  if (!response.content_type.empty()) message.set(http::field::content_type, response.content_type);
  for (const auto& [name, value] : response.headers) message.insert(name, value);
  constexpr std::pair<const char*, const char*> kDefaults[] = {{"X-Content-Type-Options", "nosniff"},
                                                               {"Cache-Control", "no-store"},
                                                               {"Content-Security-Policy", "default-src 'none'"}};
  for (const auto& [name, value] : kDefaults) {
    if (message.find(name) == message.end()) message.set(name, value);
  }
  // A stream ends when the connection does, so it has no length.
  if (!stream) message.prepare_payload();
  auto& serializer = serializer_.emplace(message);
  stream_.expires_after(core_.options.write_timeout);
  auto sent = [self = shared_from_this(), keep_alive](ErrorCode error, std::size_t) {
    if (!self->dropped_) self->on_sent(error, keep_alive);
  };
  if (head || stream) {
    http::async_write_header(stream_, serializer, std::move(sent));
  } else {
    http::async_write(stream_, serializer, std::move(sent));
  }
}

void Session::on_sent(ErrorCode error, bool keep_alive) {
  body_.reset();
  if (error) {
    if (error == beast::error::timeout) ++core_.counters.timeouts;
  } else if (!stream_name_.empty()) {
    enter_phase(Phase::kStreaming);
    stream_.expires_never();
    watch_for_end();
    if (!events_.empty()) write_event();
  } else if (keep_alive) {
    await_request();
  } else {
    finish();
  }
}

void Session::finish() {
  enter_phase(Phase::kClosing);
  ErrorCode error;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, error);
  if (error) return;
  buffer_.clear();
  stream_.expires_after(kDrainTime);
  drain();
}

void Session::drain() {
  stream_.async_read_some(buffer_.prepare(kHeaderLimit),
                          [self = shared_from_this()](ErrorCode error, std::size_t count) {
                            self->drained_ += count;
                            if (!error && !self->dropped_ && self->drained_ < kDrainBytes) self->drain();
                          });
}

// A client of a stream has nothing more to say; reading only tells when it leaves.
void Session::watch_for_end() {
  buffer_.clear();
  stream_.async_read_some(buffer_.prepare(kHeaderLimit), [self = shared_from_this()](ErrorCode error, std::size_t) {
    if (self->dropped_) return;
    if (error) {
      self->drop();
    } else {
      self->watch_for_end();
    }
  });
}

void Session::publish(const std::string& name, const std::shared_ptr<const std::string>& event) {
  if (stream_name_.empty() || stream_name_ != name || dropped_) return;
  if (event_bytes_ + event->size() > core_.options.stream_buffer) {
    ++core_.counters.streams_dropped;
    drop();
    return;
  }
  const bool writing = !events_.empty() || phase_ != Phase::kStreaming;
  events_.push_back(event);
  event_bytes_ += event->size();
  if (!writing) write_event();
}

void Session::write_event() {
  stream_.expires_after(core_.options.write_timeout);
  asio::async_write(stream_, asio::buffer(*events_.front()), [self = shared_from_this()](ErrorCode error, std::size_t) {
    if (!self->dropped_) self->on_event_written(error);
  });
}

void Session::on_event_written(ErrorCode error) {
  if (error) {
    if (error == beast::error::timeout) ++core_.counters.streams_dropped;
    drop();
    return;
  }
  event_bytes_ -= events_.front()->size();
  events_.pop_front();
  if (!events_.empty()) write_event();
}

}  // namespace outrider
