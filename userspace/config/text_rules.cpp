#include "userspace/config/text_rules.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "userspace/config/config.h"
#include "userspace/model/label_use.h"

namespace outrider {
namespace {

/// Locale-free, unlike <cctype>.
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool printable(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

bool identifier(std::string_view text) {
  return !text.empty() && is_letter(text.front()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_letter(c) || is_digit(c); });
}

bool port_number(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size() && port >= 1 && port <= 65'535;
}

/// "host", "host:8086", "[::1]:8086", each with an optional path that starts with a slash.
bool host_and_path(std::string_view rest) {
  std::string_view authority = rest.substr(0, rest.find('/'));
  if (rest.find_first_of("?#@ ") != std::string_view::npos) return false;
  std::string_view host = authority;
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos) return false;
    const std::string inner(authority.substr(1, end - 1));
    in6_addr parsed{};
    if (inet_pton(AF_INET6, inner.c_str(), &parsed) != 1) return false;
    authority.remove_prefix(end + 1);
    return authority.empty() || (authority.front() == ':' && port_number(authority.substr(1)));
  }
  if (const std::size_t colon = authority.find(':'); colon != std::string_view::npos) {
    if (!port_number(authority.substr(colon + 1))) return false;
    host = authority.substr(0, colon);
  }
  return !host.empty() && std::all_of(host.begin(), host.end(),
                                      [](char c) { return is_letter(c) || is_digit(c) || c == '.' || c == '-'; });
}

}  // namespace

const char* any_text(std::string_view text) { return printable(text) ? nullptr : "a text without control characters"; }

const char* absolute_path(std::string_view text) {
  const bool fits = text.starts_with('/') && !text.ends_with('/') && printable(text);
  return fits ? nullptr : "the absolute path of a file, such as /var/lib/outrider/name";
}

const char* optional_path(std::string_view text) {
  return text.empty() || absolute_path(text) == nullptr ? nullptr : "the absolute path of a file, or \"\" for none";
}

const char* textfile_path(std::string_view text) {
  if (text.empty() || (absolute_path(text) == nullptr && text.ends_with(".prom"))) return nullptr;
  return "an absolute path that ends in .prom (node_exporter reads no other), or \"\" for none";
}

const char* json_path(std::string_view text) {
  if (text == "-" || optional_path(text) == nullptr) return nullptr;
  return R"(the absolute path of a file, "-" for stdout, or "" for none)";
}

const char* ip_address(std::string_view text) {
  const std::string address(text);
  std::array<unsigned char, sizeof(in6_addr)> parsed{};
  const bool fits = printable(text) && (inet_pton(AF_INET, address.c_str(), parsed.data()) == 1 ||
                                        inet_pton(AF_INET6, address.c_str(), parsed.data()) == 1);
  return fits ? nullptr : "a numeric IP address such as 127.0.0.1, ::1 or 0.0.0.0";
}

const char* optional_url(std::string_view text) {
  if (text.empty()) return nullptr;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (text.starts_with(scheme) && printable(text) && host_and_path(text.substr(scheme.size()))) return nullptr;
  }
  return "http://HOST:PORT or https://HOST:PORT without user, query or fragment, or \"\" for none";
}

const char* webhook_url(std::string_view text) {
  const bool fits = printable(text) && text.find_first_of(" #") == std::string_view::npos &&
                    optional_url(text.substr(0, text.find('?'))) == nullptr;
  return fits ? nullptr : "http://HOST:PORT/PATH or https://HOST:PORT/PATH without user and fragment";
}

const char* audit_source(std::string_view text) {
  if (text.empty()) return nullptr;
  constexpr const char* kWanted =
      "redis://HOST:PORT, unix:///PATH of a Redis, or postgresql://USER@HOST/DATABASE, all without a password (a "
      "passfile=PATH may be behind the ? of the last), or \"\" for none";
  if (!printable(text) || text.find_first_of(" #") != std::string_view::npos) return kWanted;
  if (text.starts_with("redis://"))
    return host_and_path(text.substr(8)) && text.find('/', 8) == std::string_view::npos ? nullptr : kWanted;
  if (text.starts_with("unix://")) return absolute_path(text.substr(7)) == nullptr ? nullptr : kWanted;
  if (!text.starts_with("postgresql://") || text.find("password=") != std::string_view::npos) return kWanted;
  // As libpq takes it apart: it decodes names behind the ? too.
  const std::string_view rest = text.substr(13);
  const std::string_view user = rest.substr(0, rest.find_first_of("/@"));
  const bool named = rest.substr(user.size()).starts_with('@');
  const std::size_t query = rest.find('?');
  const bool encoded = query != std::string_view::npos && rest.find('%', query) != std::string_view::npos;
  return encoded || (named && user.find(':') != std::string_view::npos) ? kWanted : nullptr;
}

const char* mail_address(std::string_view text) {
  const bool fits = printable(text) && text.find('@') != std::string_view::npos &&
                    text.find_first_of(" ,;()\"") == std::string_view::npos;
  return fits ? nullptr : "a plain mail address, such as \"name@example.org\"";
}

const char* optional_mail_address(std::string_view text) { return text.empty() ? nullptr : mail_address(text); }

const char* metric_prefix(std::string_view text) {
  return identifier(text) ? nullptr : "letters, digits and underscores, with no digit first";
}

const char* basic_user(std::string_view text) {
  const bool fits = printable(text) && text.find(':') == std::string_view::npos;
  return fits ? nullptr : "a user name without colon and control characters";
}

const char* label_name(std::string_view text) {
  if (!identifier(text) || text.starts_with("__")) {
    return "a label name of letters, digits and underscores, with no digit and no double underscore first";
  }
  switch (use_of_label(text)) {
    case LabelUse::kMetrics:
      return "a label name that the metrics do not use themselves (target, type, class, phase, host, version, datname, "
             "...)";
    case LabelUse::kPrometheus:
      return "another one: Prometheus gives the labels job and instance to all that it scrapes";
    case LabelUse::kInfluxdb:
      return "another one: InfluxDB refuses points with a tag time, _field or _measurement";
    case LabelUse::kFree:
      break;
  }
  return nullptr;
}

bool is_loopback(const std::string& address) {
  in_addr four{};
  if (inet_pton(AF_INET, address.c_str(), &four) == 1) return (ntohl(four.s_addr) >> 24) == 127;
  in6_addr six{};
  return inet_pton(AF_INET6, address.c_str(), &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

}  // namespace outrider
