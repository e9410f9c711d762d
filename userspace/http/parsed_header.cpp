#include "userspace/http/parsed_header.h"

namespace outrider {
namespace {

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

RequestHeader parsed_header(const HeaderParser& parser) {
  namespace http = boost::beast::http;
  const auto& request = parser.get();
  RequestHeader header;
  header.method = view(request.method_string());
  header.target = view(request.target());
  header.host = view(request[http::field::host]);
  header.host_count = request.count(http::field::host);
  header.authorization = view(request[http::field::authorization]);
  header.accept = view(request[http::field::accept]);
  header.fetch_site = view(request["Sec-Fetch-Site"]);
  header.fetch_mode = view(request["Sec-Fetch-Mode"]);
  header.has_body = parser.chunked() || parser.content_length().value_or(0) > 0;
  return header;
}

}  // namespace outrider
