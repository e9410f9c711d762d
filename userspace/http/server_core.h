// What the server's thread owns: the listening socket, the open sessions, and the rules they answer by. Private to
// this folder. Everything here but the atomics is touched by the server's thread alone, once it runs.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <memory>
#include <string>
#include <thread>

#include "userspace/http/request_rules.h"
#include "userspace/http/server.h"
#include "userspace/http/server_options.h"

namespace outrider {

class Session;

class ServerCore {
 public:
  ServerCore(HttpServerOptions server_options, RequestRules request_rules);
  ~ServerCore();
  ServerCore(const ServerCore&) = delete;
  ServerCore& operator=(const ServerCore&) = delete;

  Status listen(const boost::asio::ip::address& address);
  void run();
  void publish(std::string name, std::shared_ptr<const std::string> event);

  /// A session enters when it opens and leaves when it is dropped or destroyed, whichever comes first.
  void enter(Session& session);
  void leave(Session& session);

  const HttpServerOptions options;
  const RequestRules rules;
  LiveCounters counters;
  std::atomic<std::size_t> open{0};
  uint16_t port = 0;
  unsigned streams = 0;

 private:
  using Socket = boost::asio::ip::tcp::socket;
  void accept();
  void admit(Socket socket);
  void refuse(Socket socket);
  [[nodiscard]] Session* least_missed() const;
  bool make_room();
  void pause_accepting();

  std::list<Session*> sessions_;  // oldest first; the operations under way own them
  // Destroying the context destroys the sessions, which then still find the list above.
  boost::asio::io_context context_{1};
  boost::asio::ip::tcp::acceptor acceptor_{context_};
  boost::asio::steady_timer pause_{context_};
  std::thread thread_;
};

}  // namespace outrider
