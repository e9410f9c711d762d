// Names to addresses with a deadline that holds. Private to this folder. Thread-safe.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "userspace/base/result.h"

namespace outrider {

/// Addresses of `host` (a name or an address) with `port` (digits), in the order to try. Errors: no such name, no
/// answer by the deadline, too many earlier look-ups still without an answer.
Result<std::vector<boost::asio::ip::tcp::endpoint>> resolve(const std::string& host, const std::string& port,
                                                            std::chrono::steady_clock::time_point deadline);

}  // namespace outrider
