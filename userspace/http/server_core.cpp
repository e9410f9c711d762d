#include "userspace/http/server_core.h"

#include <fcntl.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <exception>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "userspace/base/background_thread.h"
#include "userspace/http/session.h"

namespace outrider {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr int kBacklog = 128;
// A scraper's request arrives in one piece; who needs a quarter of the deadline is slow, and gives way when it is full.
constexpr int kSlowPart = 4;
// Connections that are being told 503; more than that are closed without a word.
constexpr unsigned kMaxRefusing = 16;
constexpr std::chrono::milliseconds kAcceptPause{100};

// Asio opens sockets without it, and a program started by the agent would inherit them.
void close_on_exec(int descriptor) { ::fcntl(descriptor, F_SETFD, FD_CLOEXEC); }

// The event as the wire wants it: each line of the data with its own "data: ".
std::string event_text(std::string_view data) {
  std::string text;
  text.reserve(data.size() + 16);
  for (bool more = true; more;) {
    const auto end = std::min(data.find_first_of("\r\n"), data.size());
    text.append("data: ").append(data.substr(0, end)).append("\n");
    more = end < data.size();
    const bool pair = data.substr(end, 2) == "\r\n";
    data.remove_prefix(std::min(end + (pair ? 2 : 1), data.size()));
  }
  return text + "\n";
}

Error listen_error(const std::string& where, const boost::system::error_code& error) {
  std::string advice = "choose another address or port";
  if (error.value() == EADDRINUSE) advice = "another program has this port: stop it or set another port";
  if (error.value() == EACCES) advice = "ports below 1024 need CAP_NET_BIND_SERVICE: set a higher port";
  if (error.value() == EADDRNOTAVAIL) advice = "no interface of this host has that address: set one that exists";
  return Error{"http: cannot listen on " + where + ": " + error.message() + "; " + advice, error.value()};
}

}  // namespace

ServerCore::ServerCore(HttpServerOptions server_options, RequestRules request_rules, HttpHandler request_handler,
                       HttpIsSlow is_slow_request)
    : options(std::move(server_options)),
      handler(std::move(request_handler)),
      is_slow(std::move(is_slow_request)),
      rules(std::move(request_rules)) {}

// First what others see, the port and the connections; then the wait for a slow answer that nobody wants any more.
ServerCore::~ServerCore() {
  context_.stop();
  if (thread_.joinable()) thread_.join();
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  const std::vector<Session*> sessions(sessions_.begin(), sessions_.end());
  for (auto* session : sessions) session->drop();
  aside_.stop();
  if (aside_thread_.joinable()) aside_thread_.join();
}

Status ServerCore::listen(const asio::ip::address& address) {
  const tcp::endpoint endpoint(address, options.port);
  const auto text = address.to_string();
  const auto where = (address.is_v6() ? "[" + text + "]" : text) + ":" + std::to_string(options.port);
  boost::system::error_code error;
  acceptor_.open(endpoint.protocol(), error);
  if (error) return listen_error(where, error);
  close_on_exec(acceptor_.native_handle());
  // Else a restarted agent waits for the connections of its predecessor to time out.
  acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(kBacklog, error);
  if (error) return listen_error(where, error);
  port = acceptor_.local_endpoint(error).port();
  return Ok{};
}

// What fifty pages are told and ask at once may come late; a reading may not.
Status ServerCore::run() {
  accept();
  if (is_slow) {
    Result<std::thread> asked = start_background_thread("outrider-ask", Privileges::kNone, [this] {
      give_way();
      aside_.run();
    });
    if (!asked) return asked.error();
    aside_thread_ = *std::move(asked);
  }
  Result<std::thread> served = start_background_thread("outrider-http", Privileges::kNone, [this] {
    give_way();
    context_.run();
  });
  if (!served) return served.error();
  thread_ = *std::move(served);
  return Ok{};
}

void ServerCore::accept() {
  acceptor_.async_accept([this](boost::system::error_code error, Socket socket) {
    if (error) {
      ++counters.accept_errors;
      pause_accepting();
      return;
    }
    admit(std::move(socket));
    accept();
  });
}

// Without descriptors accept fails at once, again and again; the pause keeps that from eating a CPU.
void ServerCore::pause_accepting() {
  pause_.expires_after(kAcceptPause);
  pause_.async_wait([this](boost::system::error_code) { accept(); });
}

void ServerCore::admit(Socket socket) {
  ++counters.connections;
  close_on_exec(socket.native_handle());
  if (make_room()) {
    std::make_shared<Session>(*this, std::move(socket))->start();
    return;
  }
  ++counters.refused;
  refuse(std::move(socket));
}

void ServerCore::refuse(Socket socket) {
  if (open < options.max_connections + kMaxRefusing) std::make_shared<Session>(*this, std::move(socket))->refuse();
}

// The connection that is missed least: one that is done, else one between requests, else one whose request is taking
// its time; of several the one that has been so for longest. None if all are being served.
Session* ServerCore::least_missed() const {
  const auto slow = options.read_timeout / kSlowPart;
  for (const auto phase : {Session::Phase::kClosing, Session::Phase::kIdle, Session::Phase::kReading}) {
    Session* found = nullptr;
    for (auto* session : sessions_) {
      if (session->phase() != phase) continue;
      if (phase == Session::Phase::kReading && session->time_in_phase() < slow) continue;
      if (found == nullptr || session->time_in_phase() > found->time_in_phase()) found = session;
    }
    if (found != nullptr) return found;
  }
  return nullptr;
}

bool ServerCore::make_room() {
  while (open >= options.max_connections) {
    auto* session = least_missed();
    if (session == nullptr) return false;
    if (session->phase() != Session::Phase::kClosing) ++counters.evicted;
    session->drop();
  }
  return true;
}

void ServerCore::enter(Session& session) {
  sessions_.push_back(&session);
  open = sessions_.size();
}

void ServerCore::leave(Session& session) {
  sessions_.remove(&session);
  open = sessions_.size();
}

void ServerCore::open_stream(const std::string& name) {
  ++streams;
  ++stream_clients_[name];
}

void ServerCore::close_stream(const std::string& name) {
  --streams;
  const auto found = stream_clients_.find(name);
  if (found != stream_clients_.end() && --found->second == 0) stream_clients_.erase(found);
}

void ServerCore::ask_aside(std::shared_ptr<Session> session, HttpRequest request) {
  ++asked_aside;
  asio::post(aside_, [this, session = std::move(session), request = std::move(request)]() mutable {
    HttpResponse response;
    if (session->is_awaited()) response = call_handler(handler, request, counters);
    // The session goes back with it, for it must end on the server's thread.
    asio::post(context_, [this, session = std::move(session), response = std::move(response)]() mutable {
      --asked_aside;
      session->on_answer(std::move(response));
    });
  });
}

// A stream was opened with an older secret, and never shows another one.
void ServerCore::change_rules(RequestRules request_rules) {
  asio::post(context_, [this, changed = std::move(request_rules)]() mutable {
    rules = std::move(changed);
    const std::vector<Session*> sessions(sessions_.begin(), sessions_.end());
    for (auto* session : sessions) {
      if (session->is_stream()) session->drop();
    }
  });
}

// While the thread is busy, what was published before and not told yet is not worth telling any more.
void ServerCore::publish(HttpEventOf event_of) {
  {
    const std::lock_guard lock(publish_mutex_);
    published_.swap(event_of);
    if (event_of) return;
  }
  asio::post(context_, [this] { tell_published(); });
}

void ServerCore::tell_published() {
  HttpEventOf event_of;
  {
    const std::lock_guard lock(publish_mutex_);
    event_of.swap(published_);
  }
  // A copy, because a client that is dropped leaves the map and the list.
  const std::map<std::string, unsigned> clients = stream_clients_;
  for (const auto& [stream, count] : clients) tell(stream, event_of);
}

void ServerCore::tell(const std::string& stream, const HttpEventOf& event_of) {
  std::shared_ptr<const std::string> event;
  try {
    const std::string data = event_of(stream);
    if (data.empty()) return;
    event = std::make_shared<const std::string>(event_text(data));
  } catch (const std::exception&) {
    ++counters.handler_errors;
    return;
  }
  const std::vector<Session*> sessions(sessions_.begin(), sessions_.end());
  for (auto* session : sessions) session->publish(stream, event);
}

}  // namespace outrider
