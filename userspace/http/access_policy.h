// Who may ask: the names in the Host header (against DNS rebinding) and the secrets in the Authorization header.
// Immutable once made; keeps hashes of the secrets, not the secrets.
#pragma once

#include <array>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/http/server_options.h"

namespace outrider {

class AccessPolicy {
 public:
  /// Errors: listening beyond loopback with nothing that protects it, half a pair of basic credentials.
  static Result<AccessPolicy> make(const HttpServerOptions& options, bool loopback);

  /// `host` as in the header, with or without a port. `local_address` is the address that the client connected to: an
  /// address cannot be rebound as a name can.
  [[nodiscard]] bool allows_host(std::string_view host, std::string_view local_address) const;

  /// True if no secret is configured. Takes the same time whatever part of a secret is right.
  [[nodiscard]] bool authorizes(std::string_view authorization) const;

  /// The values of WWW-Authenticate that belong to a refusal.
  [[nodiscard]] std::vector<std::string> challenges() const;

 private:
  using Digest = std::array<unsigned char, 32>;
  AccessPolicy() = default;
  static Digest digest_of(std::string_view text);

  std::set<std::string, std::less<>> hosts_;
  std::optional<Digest> bearer_;
  std::optional<Digest> basic_;  ///< of the base64 text that a client sends
};

}  // namespace outrider
