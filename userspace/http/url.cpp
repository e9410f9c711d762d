#include "userspace/http/url.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace outrider {
namespace {

constexpr const char* kExample = "; write it like http://127.0.0.1:8086/write?db=name";

bool is_port(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port != 0;
}

Error bad_url(const std::string& why) { return Error{"URL: " + why + kExample}; }

// Splits "host:port" or "[v6]:port"; false if it is neither.
bool split_authority(std::string_view authority, Url& url) {
  std::string_view rest;
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == std::string_view::npos) return false;
    url.host = authority.substr(1, end - 1);
    rest = authority.substr(end + 1);
  } else {
    const auto end = std::min(authority.find(':'), authority.size());
    url.host = authority.substr(0, end);
    rest = authority.substr(end);
  }
  url.port = url.https ? "443" : "80";
  if (rest.empty()) return !url.host.empty();
  if (rest.front() != ':' || !is_port(rest.substr(1))) return false;
  url.port = rest.substr(1);
  return !url.host.empty();
}

}  // namespace

std::string Url::authority() const {
  std::string text = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != (https ? "443" : "80")) text += ":" + port;
  return text;
}

std::string Url::origin() const { return (https ? "https://" : "http://") + authority(); }

Result<Url> parse_url(std::string_view text) {
  const auto is_forbidden = [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; };
  if (std::any_of(text.begin(), text.end(), is_forbidden)) return bad_url("it has a space or a control character");
  Url url;
  if (text.starts_with("https://")) {
    url.https = true;
  } else if (!text.starts_with("http://")) {
    return bad_url("it begins with neither http:// nor https://");
  }
  text.remove_prefix(url.https ? 8 : 7);
  text = text.substr(0, text.find('#'));
  const auto end = std::min(text.find_first_of("/?"), text.size());
  const auto authority = text.substr(0, end);
  if (authority.find('@') != std::string_view::npos) {
    return bad_url("a name and password do not belong in it, but in the settings made for them");
  }
  if (!split_authority(authority, url)) return bad_url("its host or port is missing or wrong");
  url.target = text.substr(end);
  if (!url.target.starts_with('/')) url.target.insert(0, "/");
  return url;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    if (kPlain.find(c) != std::string_view::npos) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += {'%', kDigits[byte >> 4U], kDigits[byte & 15U]};
  }
  return encoded;
}

}  // namespace outrider
