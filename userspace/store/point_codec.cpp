#include "userspace/store/point_codec.h"

#include <bit>
#include <cmath>
#include <limits>

namespace outrider {
namespace {

// First byte of a head: another layout gets another number, and readers of old rows keep both.
constexpr std::uint64_t kHeadLayout = 1;

void put(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

// Round figures end in zero bytes; turned round, those are leading zeros, which a varint leaves out.
void put_double(std::string& out, double value) { put(out, __builtin_bswap64(std::bit_cast<std::uint64_t>(value))); }

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  std::uint64_t get() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (bytes_.empty()) break;
      const auto byte = static_cast<unsigned char>(bytes_.front());
      bytes_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
      if (byte < 0x80) return value;
    }
    sound_ = false;
    return 0;
  }
  double get_double() { return std::bit_cast<double>(__builtin_bswap64(get())); }
  /// A number of things that take a byte each at least.
  std::uint64_t get_count() {
    const std::uint64_t count = get();
    if (count > bytes_.size()) sound_ = false;
    return sound_ ? count : 0;
  }
  void refuse() { sound_ = false; }
  [[nodiscard]] bool sound() const { return sound_; }
  [[nodiscard]] bool finished() const { return sound_ && bytes_.empty(); }

 private:
  std::string_view bytes_;
  bool sound_ = true;
};

// Most buckets of a short step hold one query: those take one number, (distance << 1), the others two.
void put_histogram(std::string& out, const SparseHistogram& histogram) {
  put(out, histogram.size());
  std::uint32_t next = 0;
  for (const BucketCount& cell : histogram) {
    const std::uint64_t distance = cell.bucket - next;
    put(out, distance << 1 | (cell.count == 1 ? 0U : 1U));
    if (cell.count != 1) put(out, cell.count);
    next = cell.bucket + 1;
  }
}

void get_histogram(Reader& in, SparseHistogram& histogram) {
  const std::uint64_t cells = in.get_count();
  histogram.reserve(cells);
  std::uint64_t next = 0;
  for (std::uint64_t i = 0; i < cells && in.sound(); ++i) {
    const std::uint64_t word = in.get();
    const std::uint64_t count = (word & 1) != 0 ? in.get() : 1;
    const std::uint64_t bucket = next + (word >> 1);
    if (bucket >= OUTRIDER_HIST_BUCKETS) return in.refuse();
    histogram.push_back({static_cast<std::uint32_t>(bucket), count});
    next = bucket + 1;
  }
}

void skip_histogram(Reader& in) {
  const std::uint64_t cells = in.get_count();
  for (std::uint64_t i = 0; i < cells && in.sound(); ++i) {
    if ((in.get() & 1) != 0) in.get();
  }
}

void put_type(std::string& out, const TypePoint& type) {
  for (const std::uint64_t value : {type.queries, type.failed, type.abandoned, type.timed, type.duration_ns,
                                    type.cache_hits, type.cache_misses, type.max_ns}) {
    put(out, value);
  }
  std::uint64_t used = 0;
  for (std::size_t i = 0; i < type.wait_ns.size(); ++i) used |= (type.wait_ns[i] != 0 ? 1ULL : 0ULL) << i;
  put(out, used);
  for (const std::uint64_t wait : type.wait_ns) {
    if (wait != 0) put(out, wait);
  }
  put_histogram(out, type.histogram);
}

void get_sums(Reader& in, TypePoint& type) {
  for (std::uint64_t* value : {&type.queries, &type.failed, &type.abandoned, &type.timed, &type.duration_ns,
                               &type.cache_hits, &type.cache_misses, &type.max_ns}) {
    *value = in.get();
  }
  const std::uint64_t used = in.get();
  if (used >> type.wait_ns.size() != 0) return in.refuse();
  for (std::size_t i = 0; i < type.wait_ns.size(); ++i) {
    if ((used >> i & 1) != 0) type.wait_ns[i] = in.get();
  }
}

// 0: one value over the whole step; 1: everything.
void put_gauge(std::string& out, const Gauge& gauge, double seconds) {
  const bool steady = gauge.min == gauge.max && gauge.seconds == seconds && gauge.sum == gauge.min * seconds;
  put(out, steady ? 0 : 1);
  put_double(out, gauge.min);
  if (steady) return;
  put_double(out, gauge.max);
  put_double(out, gauge.sum);
  put_double(out, gauge.seconds);
}

Gauge get_gauge(Reader& in, double seconds) {
  const std::uint64_t form = in.get();
  if (form > 1) in.refuse();
  Gauge gauge;
  gauge.min = in.get_double();
  if (form == 0) return {gauge.min * seconds, seconds, gauge.min, gauge.min};
  gauge.max = in.get_double();
  gauge.sum = in.get_double();
  gauge.seconds = in.get_double();
  return gauge;
}

}  // namespace

void encode_type(const TypePoint& type, std::string& out) { put_type(out, type); }

bool decode_type(std::string_view bytes, TypePoint& type, bool histogram) {
  Reader in(bytes);
  get_sums(in, type);
  if (!histogram) return in.sound();
  get_histogram(in, type.histogram);
  return in.finished();
}

void encode_head(const Point& point, const NameId& id_of, std::string& out) {
  put(out, kHeadLayout);
  for (const double value :
       {point.seconds, point.watched_seconds, point.up_seconds, point.stalled_seconds, point.down_seconds}) {
    put_double(out, value);
  }
  put(out, static_cast<std::uint64_t>(point.peak_concurrent + 1));
  for (const std::uint64_t value : {point.cache_hits, point.cache_misses, point.losses}) put(out, value);
  put_type(out, point.total);
  put(out, point.gauges.size());
  for (const auto& [name, gauge] : point.gauges) {
    put(out, static_cast<std::uint64_t>(id_of(name)));
    put_gauge(out, gauge, point.seconds);
  }
}

bool decode_head(std::string_view bytes, const NameOf& name_of, Point& point, bool histogram) {
  Reader in(bytes);
  if (in.get() != kHeadLayout) return false;
  for (double* value :
       {&point.seconds, &point.watched_seconds, &point.up_seconds, &point.stalled_seconds, &point.down_seconds}) {
    *value = in.get_double();
  }
  const std::uint64_t peak = in.get();  // and one, so that none is 0
  if (peak > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return false;
  point.peak_concurrent = static_cast<std::int64_t>(peak) - 1;
  for (std::uint64_t* value : {&point.cache_hits, &point.cache_misses, &point.losses}) *value = in.get();
  get_sums(in, point.total);
  if (histogram) get_histogram(in, point.total.histogram);
  if (!name_of) return in.sound();
  if (!histogram) skip_histogram(in);
  const std::uint64_t gauges = in.get_count();
  for (std::uint64_t i = 0; i < gauges && in.sound(); ++i) {
    const auto id = static_cast<std::int64_t>(in.get());
    const Gauge gauge = get_gauge(in, point.seconds);
    const std::string name = name_of(id);
    if (!name.empty()) point.gauges.emplace(name, gauge);
  }
  return in.finished();
}

}  // namespace outrider
