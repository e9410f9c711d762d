#include "userspace/http/resolve.h"

#include <netdb.h>

#include <atomic>
#include <boost/asio/ip/address.hpp>
#include <cstring>
#include <future>
#include <memory>
#include <thread>

namespace outrider {
namespace {

namespace asio = boost::asio;
using Endpoints = std::vector<asio::ip::tcp::endpoint>;

constexpr int kMaxWaiting = 8;
std::atomic<int> waiting{0};  // look-ups under way, those that nobody waits for any more included

Endpoints copy_endpoints(const addrinfo* list) {
  Endpoints endpoints;
  for (; list != nullptr; list = list->ai_next) {
    asio::ip::tcp::endpoint endpoint;
    if (list->ai_addrlen > endpoint.capacity()) continue;
    std::memcpy(endpoint.data(), list->ai_addr, list->ai_addrlen);
    endpoint.resize(list->ai_addrlen);
    endpoints.push_back(endpoint);
  }
  return endpoints;
}

Result<Endpoints> look_up(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &list);
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
  if (error != 0) return Error{"no address for the name " + host + ": " + ::gai_strerror(error)};
  return copy_endpoints(list);
}

}  // namespace

// getaddrinfo cannot be interrupted, so it runs on a thread of its own, which is left behind when time is up.
Result<Endpoints> resolve(const std::string& host, const std::string& port,
                          std::chrono::steady_clock::time_point deadline) {
  boost::system::error_code not_numeric;
  const auto address = asio::ip::make_address(host, not_numeric);
  if (!not_numeric) return Endpoints{{address, static_cast<uint16_t>(std::stoul(port))}};
  if (++waiting > kMaxWaiting) {
    --waiting;
    return Error{"too many name look-ups have no answer yet; check the name server"};
  }
  std::promise<Result<Endpoints>> promise;
  auto answer = promise.get_future();
  try {
    std::thread([host, port, promise = std::move(promise)]() mutable {
      auto result = look_up(host, port);
      --waiting;
      promise.set_value(std::move(result));
    }).detach();
  } catch (const std::system_error& error) {
    --waiting;
    return Error{"no thread for a name look-up: " + std::string(error.what())};
  }
  if (answer.wait_until(deadline) != std::future_status::ready) {
    return Error{"no answer for the name " + host + " in time; check the name server"};
  }
  return answer.get();
}

}  // namespace outrider
