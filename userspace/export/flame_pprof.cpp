#include "userspace/export/flame_pprof.h"

#include <fmt/format.h>
#include <zlib.h>

#include <array>
#include <map>
#include <protozero/pbf_writer.hpp>
#include <vector>

#include "userspace/export/flame_text.h"

namespace outrider {
namespace {

// Field numbers of profile.proto.
namespace profile_field {
enum : protozero::pbf_tag_type {
  kSampleType = 1,
  kSample = 2,
  kLocation = 4,
  kFunction = 5,
  kString = 6,
  kTime = 9,
  kDuration = 10,
  kPeriodType = 11,
  kPeriod = 12,
  kComment = 13,
};
}  // namespace profile_field
constexpr protozero::pbf_tag_type kFirst = 1;   // ValueType.type, Sample.location_id, Location.id, Function.id
constexpr protozero::pbf_tag_type kSecond = 2;  // ValueType.unit, Sample.value, Function.name
constexpr protozero::pbf_tag_type kLocationLine = 4;
constexpr protozero::pbf_tag_type kLineFunction = 1;

class Encoder {
 public:
  explicit Encoder(const FlameGraph& graph) : graph_(graph) {}

  std::string encode(std::int64_t time_ns) {
    static_cast<void>(string(""));  // the format wants it first
    if (on_cpu()) value_type(profile_field::kSampleType, "samples", "count");
    value_type(profile_field::kSampleType, on_cpu() ? "cpu" : "waiting", "nanoseconds");
    samples(graph_.tree.root());
    locations();
    for (const std::string& comment : comments()) writer_.add_int64(profile_field::kComment, string(comment));
    if (on_cpu()) {
      value_type(profile_field::kPeriodType, "cpu", "nanoseconds");
      writer_.add_int64(profile_field::kPeriod, period());
    }
    writer_.add_int64(profile_field::kTime, time_ns);
    writer_.add_int64(profile_field::kDuration, static_cast<std::int64_t>(graph_.seconds * 1e9));
    for (const std::string& text : strings_) writer_.add_string(profile_field::kString, text);
    return std::move(data_);
  }

 private:
  [[nodiscard]] bool on_cpu() const { return graph_.kind == FlameKind::kOnCpu; }
  [[nodiscard]] std::int64_t period() const { return 1'000'000'000 / std::max(1U, graph_.frequency); }

  std::int64_t string(const std::string& text) {
    const auto [at, added] = string_numbers_.emplace(text, static_cast<std::int64_t>(strings_.size()));
    if (added) strings_.push_back(text);
    return at->second;
  }

  void value_type(protozero::pbf_tag_type field, const char* type, const char* unit) {
    std::string data;
    protozero::pbf_writer message(data);
    message.add_int64(kFirst, string(type));
    message.add_int64(kSecond, string(unit));
    writer_.add_message(field, data);
  }

  // A function and its only location have one number.
  std::uint64_t function(const std::string& name) {
    return functions_.emplace(printable_frame(name), functions_.size() + 1).first->second;
  }

  void samples(const FlameNode& node) {
    if (node.self > 0 && !path_.empty()) {
      std::string data;
      protozero::pbf_writer message(data);
      message.add_packed_uint64(kFirst, path_.rbegin(), path_.rend());  // the innermost first
      const auto value = static_cast<std::int64_t>(node.self);
      const std::vector<std::int64_t> values =
          on_cpu() ? std::vector<std::int64_t>{value, value * period()} : std::vector<std::int64_t>{value};
      message.add_packed_int64(kSecond, values.begin(), values.end());
      writer_.add_message(profile_field::kSample, data);
    }
    for (const auto& [name, child] : node.children) {
      path_.push_back(function(name));
      samples(*child);
      path_.pop_back();
    }
  }

  void locations() {
    for (const auto& [name, number] : functions_) {
      std::string line;
      protozero::pbf_writer(line).add_uint64(kLineFunction, number);
      std::string location;
      protozero::pbf_writer location_writer(location);
      location_writer.add_uint64(kFirst, number);
      location_writer.add_message(kLocationLine, line);
      writer_.add_message(profile_field::kLocation, location);
      std::string function;
      protozero::pbf_writer function_writer(function);
      function_writer.add_uint64(kFirst, number);
      function_writer.add_int64(kSecond, string(name));
      writer_.add_message(profile_field::kFunction, function);
    }
  }

  [[nodiscard]] std::vector<std::string> comments() const {
    std::vector<std::string> all;
    all.reserve(3 + graph_.losses.size());
    all.push_back("target: " + printable_frame(graph_.target));
    if (!graph_.type.empty()) all.push_back("query type: " + printable_frame(graph_.type));
    all.push_back(fmt::format("truncated stacks: {:.1f} %", 100 * graph_.broken_share()));
    for (const auto& [reason, count] : graph_.losses) all.push_back(fmt::format("lost, {}: {}", reason, count));
    return all;
  }

  const FlameGraph& graph_;
  std::string data_;
  protozero::pbf_writer writer_{data_};
  std::vector<std::string> strings_;
  std::map<std::string, std::int64_t> string_numbers_;
  std::map<std::string, std::uint64_t> functions_;
  std::vector<std::uint64_t> path_;
};

Result<std::string> gzip(const std::string& data) {
  constexpr int kGzip = 16 + MAX_WBITS;
  constexpr int kMemoryLevel = 8;
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzip, kMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK)
    return Error{"no memory to compress the profile"};
  std::string out(deflateBound(&stream, data.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));  // zlib's own type; it only reads
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int result = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (result != Z_STREAM_END) return Error{"the profile cannot be compressed"};
  return out;
}

}  // namespace

Result<std::string> flame_pprof(const FlameGraph& graph, std::int64_t time_ns) {
  return gzip(Encoder(graph).encode(time_ns));
}

}  // namespace outrider
