#include "userspace/web/assets.h"

#include <algorithm>

namespace outrider {

const WebAsset* find_web_asset(std::string_view path) {
  const auto assets = web_assets();
  const auto found =
      std::find_if(assets.begin(), assets.end(), [path](const WebAsset& asset) { return asset.path == path; });
  return found == assets.end() ? nullptr : &*found;
}

}  // namespace outrider
