#include "userspace/http/access_policy.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cctype>

namespace outrider {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

// "name:80" -> "name", "[::1]:80" -> "::1"; what is neither stays whole, and so is on no list.
std::string_view without_port(std::string_view host) {
  const auto is_port = [](std::string_view text) {
    return text.empty() || (text.front() == ':' && std::all_of(text.begin() + 1, text.end(),
                                                               [](unsigned char c) { return std::isdigit(c) != 0; }));
  };
  if (host.starts_with('[')) {
    const auto end = host.find(']');
    if (end == std::string_view::npos || !is_port(host.substr(end + 1))) return host;
    return host.substr(1, end - 1);
  }
  const auto colon = host.find(':');
  if (colon == std::string_view::npos || !is_port(host.substr(colon))) return host;
  return host.substr(0, colon);
}

std::string base64(std::string_view text) {
  std::string encoded(4 * ((text.size() + 2) / 3) + 1, '\0');
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()), bytes, static_cast<int>(text.size()));
  encoded.resize(static_cast<std::size_t>(length));
  return encoded;
}

// What follows "<scheme> " (any case), or nothing.
std::optional<std::string_view> credentials(std::string_view authorization, std::string_view scheme) {
  if (authorization.size() <= scheme.size() || authorization[scheme.size()] != ' ') return std::nullopt;
  if (lower(authorization.substr(0, scheme.size())) != scheme) return std::nullopt;
  authorization.remove_prefix(scheme.size() + 1);
  authorization.remove_prefix(std::min(authorization.find_first_not_of(' '), authorization.size()));
  return authorization;
}

}  // namespace

AccessPolicy::Digest AccessPolicy::digest_of(std::string_view text) {
  Digest digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return digest;
}

Result<AccessPolicy> AccessPolicy::make(const HttpServerOptions& options, bool loopback) {
  if (options.basic_user.empty() != options.basic_password.empty()) {
    return Error{"http: basic_user and basic_password belong together; set both or neither"};
  }
  if (options.basic_user.find(':') != std::string::npos) {
    return Error{"http: basic_user must not contain ':', which ends the name in basic authentication; choose another"};
  }
  const bool protected_by_secret = !options.bearer_token.empty() || !options.basic_user.empty();
  if (!loopback && !protected_by_secret && !options.allow_unauthenticated) {
    return Error{"http: listening on " + options.address +
                 " would show every figure to the network; set bearer_token, or basic_user and basic_password, or "
                 "allow_unauthenticated = true"};
  }
  AccessPolicy policy;
  policy.hosts_ = {"localhost", "127.0.0.1", "::1"};
  policy.hosts_.insert(lower(without_port(options.address)));
  for (const auto& host : options.allowed_hosts) policy.hosts_.insert(lower(without_port(host)));
  if (!options.bearer_token.empty()) policy.bearer_ = digest_of(options.bearer_token);
  if (!options.basic_user.empty()) {
    policy.basic_ = digest_of(base64(options.basic_user + ":" + options.basic_password));
  }
  return policy;
}

bool AccessPolicy::allows_host(std::string_view host, std::string_view local_address) const {
  const auto name = lower(without_port(host));
  return !name.empty() && (hosts_.contains(name) || name == lower(local_address));
}

bool AccessPolicy::authorizes(std::string_view authorization) const {
  if (!bearer_ && !basic_) return true;
  // Hashes have one length, so neither the time nor the length of the comparison says anything about the secret.
  const auto matches = [&](const std::optional<Digest>& expected, std::string_view scheme) {
    const auto given = credentials(authorization, scheme);
    if (!expected || !given) return false;
    const auto digest = digest_of(*given);
    return CRYPTO_memcmp(digest.data(), expected->data(), digest.size()) == 0;
  };
  return matches(bearer_, "bearer") || matches(basic_, "basic");
}

std::vector<std::string> AccessPolicy::challenges() const {
  std::vector<std::string> values;
  if (bearer_) values.emplace_back(R"(Bearer realm="outrider")");
  if (basic_) values.emplace_back(R"(Basic realm="outrider", charset="UTF-8")");
  return values;
}

}  // namespace outrider
