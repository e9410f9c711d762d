// One connection of the HTTP server: reads a request, answers it, and again; or, from then on, is a stream of events.
// Private to this folder, used on the server's thread only. The operation under way owns the session: when none is,
// it is gone, and its socket with it.
#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/span_body.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "userspace/http/message.h"
#include "userspace/http/request_rules.h"

namespace outrider {

class ServerCore;

class Session : public std::enable_shared_from_this<Session> {
 public:
  enum class Phase { kReading, kIdle, kWaiting, kWriting, kStreaming, kClosing };

  Session(ServerCore& core, boost::asio::ip::tcp::socket socket);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Reads the first request.
  void start();
  /// Answers 503 without reading, and closes.
  void refuse();
  /// The answer to a slow request, if it comes in time.
  void on_answer(HttpResponse response);
  /// Somebody still waits for that answer. May be asked from any thread.
  [[nodiscard]] bool is_awaited() const { return awaited_; }
  [[nodiscard]] bool is_stream() const { return !stream_name_.empty(); }
  /// Closes at once.
  void drop();
  /// Queues `event` if this is a client of stream `name`.
  void publish(const std::string& name, const std::shared_ptr<const std::string>& event);

  [[nodiscard]] Phase phase() const { return phase_; }
  [[nodiscard]] std::chrono::steady_clock::duration time_in_phase() const;

 private:
  using ErrorCode = boost::beast::error_code;
  using Body = boost::beast::http::span_body<const char>;

  void enter_phase(Phase phase);
  void await_request();
  void read_request();
  void on_header(ErrorCode error);
  void answer_bad_header(ErrorCode error);
  [[nodiscard]] RequestHeader view_header() const;
  void answer_request();
  void answer_later(HttpRequest request);
  void answer(HttpResponse response);
  void refuse_busy(const char* text);
  void send(HttpResponse response, bool head, bool keep_alive);
  void on_sent(ErrorCode error, bool keep_alive);
  void finish();
  void drain();
  void watch_for_end();
  void write_event();
  void on_event_written(ErrorCode error);

  ServerCore& core_;
  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::empty_body>> parser_;
  boost::asio::steady_timer answer_timer_;
  std::atomic<bool> awaited_{false};
  unsigned version_;       // of the request that is being answered, as 10 * major + minor
  bool has_body_ = false;  // it has, which is not read
  std::string peer_;
  std::string local_address_;

  std::shared_ptr<const std::string> body_;
  std::optional<boost::beast::http::response<Body>> response_;
  std::optional<boost::beast::http::response_serializer<Body>> serializer_;

  Phase phase_ = Phase::kReading;
  std::chrono::steady_clock::time_point phase_start_;
  bool dropped_ = false;
  std::size_t drained_ = 0;

  std::string stream_name_;  // empty until this is a stream
  std::deque<std::shared_ptr<const std::string>> events_;
  std::size_t event_bytes_ = 0;
};

}  // namespace outrider
