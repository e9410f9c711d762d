// What Beast parsed, as the rules for requests want it. Internal to http/: the library's types stay inside.
#pragma once

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <cstdint>

#include "userspace/http/request_rules.h"

namespace outrider {

/// A request's header is no larger; it has no body.
inline constexpr std::uint32_t kHeaderLimit = 8192;

using HeaderParser = boost::beast::http::request_parser<boost::beast::http::empty_body>;

inline void set_limits(HeaderParser& parser) {
  parser.header_limit(kHeaderLimit);
  parser.body_limit(0);
}

/// Views into the parser, whose header is done; `peer` and `local_address` are left to the caller.
RequestHeader parsed_header(const HeaderParser& parser);

}  // namespace outrider
