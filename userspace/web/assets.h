// The dashboard's files, built from web/ and part of the binary; none in a build without Node. Immutable, thread-safe.
#pragma once

#include <span>
#include <string_view>

namespace outrider {

struct WebAsset {
  std::string_view path;  ///< where it is served; "/" is the page itself
  std::string_view content_type;
  std::string_view gzip;   ///< its content, compressed
  bool immutable = false;  ///< its path changes with its content
};

std::span<const WebAsset> web_assets();

/// Null if nothing is served there.
const WebAsset* find_web_asset(std::string_view path);

}  // namespace outrider
