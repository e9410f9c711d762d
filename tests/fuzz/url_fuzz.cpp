// Any text as a URL that the agent is to send to, and as a value in a query.
#include <algorithm>

#include "tests/fuzz/fuzz_input.h"
#include "userspace/http/request_target.h"
#include "userspace/http/url.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = outrider::text_of(data, size);
  const std::string encoded = outrider::percent_encode(text);
  outrider::demand(outrider::percent_decode(encoded, true) == text, "a value comes back as it was");
  const auto url = outrider::parse_url(text);
  if (!url) return 0;
  outrider::demand(!url->host.empty() && !url->port.empty() && url->target.starts_with('/'), "a URL has all its parts");
  for (const std::string& part : {url->host, url->port, url->target, url->authority(), url->origin()}) {
    outrider::demand(std::none_of(part.begin(), part.end(), [](char c) { return c == '\r' || c == '\n'; }),
                     "no line of a header can be made of a URL");
  }
  return 0;
}
