// Any bytes as a row of the history: refused, or decoded to what encodes to a row that decodes to the same again.
#include "tests/fuzz/fuzz_input.h"
#include "userspace/store/point_codec.h"

namespace {

using outrider::demand;

std::int64_t id_of(const std::string& name) { return std::stoll(name); }
std::string name_of(std::int64_t id) { return id % 7 == 0 ? "" : std::to_string(id); }

void check_head(std::string_view bytes) {
  outrider::Point point, some;
  outrider::made(outrider::decode_head(bytes, name_of, some, false));
  outrider::made(outrider::decode_head(bytes, nullptr, some, true));
  if (!outrider::decode_head(bytes, name_of, point)) return;
  std::string once, twice;
  outrider::encode_head(point, id_of, once);
  outrider::Point again;
  demand(outrider::decode_head(once, name_of, again), "what was encoded is decoded");
  outrider::encode_head(again, id_of, twice);
  demand(once == twice, "a head comes back as it was");
}

void check_type(std::string_view bytes) {
  outrider::TypePoint type, some;
  outrider::made(outrider::decode_type(bytes, some, false));
  if (!outrider::decode_type(bytes, type)) return;
  std::string once, twice;
  outrider::encode_type(type, once);
  outrider::TypePoint again;
  demand(outrider::decode_type(once, again), "what was encoded is decoded");
  outrider::encode_type(again, twice);
  demand(once == twice, "a type comes back as it was");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = outrider::text_of(data, size);
  check_head(bytes);
  check_type(bytes);
  return 0;
}
