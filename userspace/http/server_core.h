// What the server's thread owns: the listening socket, the open sessions, and the rules they answer by. Private to
// this folder. Everything here but the atomics and what is published is touched by the server's thread alone, once it
// runs; the second thread only calls the handler, and hands the answer to the first.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "userspace/http/request_rules.h"
#include "userspace/http/server.h"
#include "userspace/http/server_options.h"

namespace outrider {

class Session;

class ServerCore {
 public:
  ServerCore(HttpServerOptions server_options, RequestRules request_rules, HttpHandler request_handler,
             HttpIsSlow is_slow_request);
  ~ServerCore();
  ServerCore(const ServerCore&) = delete;
  ServerCore& operator=(const ServerCore&) = delete;

  Status listen(const boost::asio::ip::address& address);
  /// Errors: no thread to be had.
  Status run();
  void publish(HttpEventOf event_of);
  void change_rules(RequestRules request_rules);
  /// Asks the handler on the second thread, and hands the answer to Session::on_answer.
  void ask_aside(std::shared_ptr<Session> session, HttpRequest request);

  /// A session enters when it opens and leaves when it is dropped or destroyed, whichever comes first.
  void enter(Session& session);
  void leave(Session& session);

  /// A client of the stream `name` more, or one less.
  void open_stream(const std::string& name);
  void close_stream(const std::string& name);

  const HttpServerOptions options;
  const HttpHandler handler;
  const HttpIsSlow is_slow;  // may be empty
  RequestRules rules;
  LiveCounters counters;
  std::atomic<std::size_t> open{0};
  uint16_t port = 0;
  unsigned streams = 0;
  unsigned asked_aside = 0;  // and not answered yet

 private:
  using Socket = boost::asio::ip::tcp::socket;
  void accept();
  void admit(Socket socket);
  void refuse(Socket socket);
  [[nodiscard]] Session* least_missed() const;
  bool make_room();
  void pause_accepting();

  void tell_published();
  void tell(const std::string& stream, const HttpEventOf& event_of);

  std::mutex publish_mutex_;  // never held during work
  HttpEventOf published_;     // and not told yet; empty: nothing is

  std::map<std::string, unsigned> stream_clients_;  // by stream, none with 0
  std::list<Session*> sessions_;                    // oldest first; the operations under way own them
  // Destroying the context destroys the sessions, which then still find the list above.
  boost::asio::io_context context_{1};
  boost::asio::ip::tcp::acceptor acceptor_{context_};
  boost::asio::steady_timer pause_{context_};
  std::thread thread_;
  // Its jobs own sessions, so it goes before the context.
  boost::asio::io_context aside_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> aside_open_{aside_.get_executor()};
  std::thread aside_thread_;
};

}  // namespace outrider
