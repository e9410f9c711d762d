#include "userspace/http/request_target.h"

#include <algorithm>

namespace outrider {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// Judged after decoding, so that "%2e%2e" and "/%2F" are seen for what they are.
bool is_clean_path(std::string_view path) {
  if (path.empty() || path.front() != '/' || has_control(path)) return false;
  path.remove_prefix(1);
  while (!path.empty()) {
    const auto slash = path.find('/');
    const auto segment = path.substr(0, slash);
    if (segment.empty() || segment == "." || segment == "..") return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
  return true;
}

bool parse_query(std::string_view text, std::map<std::string, std::string>& query) {
  while (!text.empty()) {
    const auto end = std::min(text.find('&'), text.size());
    const auto pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (pair.empty()) continue;
    const auto equals = std::min(pair.find('='), pair.size());
    auto key = percent_decode(pair.substr(0, equals), true);
    auto value = percent_decode(pair.substr(std::min(equals + 1, pair.size())), true);
    if (!key || !value || has_control(*key) || has_control(*value)) return false;
    // Which of two values was meant is not ours to guess.
    if (!query.emplace(std::move(*key), std::move(*value)).second) return false;
  }
  return true;
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      decoded += ' ';
    } else if (text[i] == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_value(text[i + 1]);
      const int low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

std::optional<RequestTarget> parse_request_target(std::string_view target) {
  RequestTarget parsed;
  constexpr std::string_view kScheme = "http://";
  if (target.starts_with(kScheme)) {
    target.remove_prefix(kScheme.size());
    const auto end = std::min(target.find_first_of("/?#"), target.size());
    parsed.authority = target.substr(0, end);
    target.remove_prefix(end);
    if (parsed.authority.empty()) return std::nullopt;
  }
  if (target.find('#') != std::string_view::npos) return std::nullopt;
  const auto question = std::min(target.find('?'), target.size());
  const auto raw_path = target.substr(0, question);
  auto path = percent_decode(raw_path.empty() && !parsed.authority.empty() ? "/" : raw_path, false);
  if (!path || !is_clean_path(*path)) return std::nullopt;
  parsed.path = std::move(*path);
  if (!parse_query(target.substr(std::min(question + 1, target.size())), parsed.query)) return std::nullopt;
  return parsed;
}

}  // namespace outrider
