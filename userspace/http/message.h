// What a handler of the HTTP server is asked and what it answers. Plain values; no type of the HTTP library is seen.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace outrider {

/// A request that has passed every check (Host, method, path, authorization). It never has a body.
struct HttpRequest {
  std::string method;                        ///< "GET" or "HEAD"; a handler answers both alike, HEAD loses the body
  std::string path;                          ///< decoded, begins with '/', has no "//", ".", ".." or control characters
  std::map<std::string, std::string> query;  ///< decoded; a key given twice was refused
  std::string accept;                        ///< the Accept header as it came, empty if there was none
  std::string peer;                          ///< "address:port" of the client, for logs
};

/// The value of a parameter of HttpRequest::query, or `otherwise` where it was not given.
inline std::string parameter(const std::map<std::string, std::string>& query, const std::string& name,
                             const std::string& otherwise = {}) {
  const auto found = query.find(name);
  return found == query.end() ? otherwise : found->second;
}

struct HttpResponse {
  int status = 200;
  std::string content_type;
  std::shared_ptr<const std::string>
      body;  ///< shared, so that a published snapshot is sent without a copy; may be null
  std::vector<std::pair<std::string, std::string>> headers;  ///< added, or in place of the server's defaults
  /// Not empty: the answer is a stream of Server-Sent Events of this name, which HttpServer::publish feeds. Status,
  /// content type and body are the server's then.
  std::string stream;

  static HttpResponse text(int status, std::string text) {
    HttpResponse response;
    response.status = status;
    response.content_type = "text/plain; charset=utf-8";
    response.body = std::make_shared<const std::string>(std::move(text));
    return response;
  }
};

/// Called on the server's own thread, one call at a time: it should read what is published and return, for while it
/// runs nobody else is served. What HttpIsSlow says of takes a second thread, one call at a time as well; so two calls
/// may run at once. An exception becomes status 500 and is counted.
using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

/// Whether answering may take its time, as a read from a disk does. Called on the server's own thread; must not throw.
using HttpIsSlow = std::function<bool(const HttpRequest&)>;

/// The data of the next event of the stream so named; empty: there is none. Called on the server's own thread, as a
/// handler is; an exception is counted, and there is no event.
using HttpEventOf = std::function<std::string(const std::string& stream)>;

}  // namespace outrider
