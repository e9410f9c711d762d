// Points of history as bytes: varints, differences of bucket numbers, and doubles whose trailing zero bytes are left
// out. A head holds everything of a point but its types, which are bodies of their own. Internal to store/. Pure
// functions, thread-safe. Every byte string can be decoded or is refused; none makes the decoder read outside it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "userspace/model/point.h"

namespace outrider {

void encode_type(const TypePoint& type, std::string& out);
/// False if the bytes are not what encode_type() writes. Without `histogram` it stays empty, and its bytes unread.
bool decode_type(std::string_view bytes, TypePoint& type, bool histogram = true);

using NameId = std::function<std::int64_t(const std::string&)>;
/// Empty for an unknown number and for a gauge that is not wanted. No function: no gauges are decoded.
using NameOf = std::function<std::string(std::int64_t)>;

void encode_head(const Point& point, const NameId& id_of, std::string& out);
bool decode_head(std::string_view bytes, const NameOf& name_of, Point& point, bool histogram = true);

}  // namespace outrider
