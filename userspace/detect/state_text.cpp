#include "userspace/detect/state_text.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

namespace outrider {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostValues = 1'000'000;

std::string zeros(std::size_t count) {
  if (count == 0) return "";
  return count == 1 ? ",0" : fmt::format(",[{}]", count);
}

}  // namespace

void StateWriter::number(double value) {
  if (value == 0) {
    ++zeros_;
    return;
  }
  text_ += zeros(std::exchange(zeros_, 0));
  text_ += fmt::format(",{}", value);
}

void StateWriter::string(const std::string& value) {
  text_ += zeros(std::exchange(zeros_, 0));
  text_ += "," + Json(value).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string StateWriter::text(int version) const { return fmt::format("[{}{}{}]", version, text_, zeros(zeros_)); }

StateReader::StateReader(std::string_view text, int version) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_array() || json.empty() || json.front() != version) {
    error_ = fmt::format("what a detector kept is not of version {}; it learns anew", version);
    return;
  }
  values_.reserve(json.size());
  for (std::size_t i = 1; i < json.size(); ++i) {
    const Json& item = json[i];
    if (item.is_number()) {
      values_.emplace_back(item.get<double>());
    } else if (item.is_string()) {
      values_.emplace_back(item.get<std::string>());
    } else if (item.is_array() && item.size() == 1 && item[0].is_number_unsigned() &&
               item[0].get<std::uint64_t>() <= kMostValues - std::min(kMostValues, values_.size())) {
      values_.insert(values_.end(), item[0].get<std::size_t>(), 0.0);
    } else {
      error_ = "what a detector kept is damaged; it learns anew";
      return;
    }
  }
}

double StateReader::number() {
  const auto* value = next_ < values_.size() ? std::get_if<double>(&values_[next_]) : nullptr;
  ++next_;
  if (value != nullptr && std::isfinite(*value)) return *value;
  if (error_.empty()) error_ = "what a detector kept is damaged; it learns anew";
  return 0;
}

double StateReader::whole(double least, double most) {
  const double value = number();
  if (value >= least && value <= most && std::trunc(value) == value) return value;
  if (error_.empty()) error_ = "what a detector kept is damaged; it learns anew";
  return 0;
}

std::string StateReader::string() {
  auto* value = next_ < values_.size() ? std::get_if<std::string>(&values_[next_]) : nullptr;
  ++next_;
  if (value != nullptr) return std::move(*value);
  if (error_.empty()) error_ = "what a detector kept is damaged; it learns anew";
  return "";
}

Status StateReader::done() const {
  if (!error_.empty()) return Error{error_};
  if (next_ != values_.size()) return Error{"what a detector kept is damaged; it learns anew"};
  return Ok{};
}

}  // namespace outrider
