// What a detector has learned, as text that a restarted agent can go on from, and moved in time when the clock was set.
// Each class lists its fields once, in a static `visit(self, state)`, and the three visitors here walk over that list,
// so that writing and reading cannot disagree. The text is a JSON array of numbers and strings in the order of the
// visit, in which [n] stands for n zeros. Doubles come back as they were, to the last bit. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "userspace/base/result.h"

namespace outrider {

class StateWriter {
 public:
  template <typename... Fields>
  void operator()(const Fields&... fields) {
    (put(fields), ...);
  }
  /// Unix milliseconds; 0: never.
  template <typename... Fields>
  void times(const Fields&... fields) {
    (put(fields), ...);
  }
  template <typename Field>
  void index(const Field& field, std::size_t /*limit*/) {
    number(static_cast<double>(field));
  }

  /// All that was visited, with the version of the list in front.
  [[nodiscard]] std::string text(int version) const;

 private:
  void number(double value);
  void string(const std::string& value);

  template <typename Field>
  void put(const Field& field) {
    if constexpr (std::is_same_v<Field, std::string>) {
      string(field);
    } else if constexpr (std::is_arithmetic_v<Field>) {
      number(static_cast<double>(field));
    } else {
      Field::visit(field, *this);
    }
  }
  template <typename Field>
  void put(const std::optional<Field>& field) {
    put(field.has_value());
    if (field) put(*field);
  }
  template <typename Field, std::size_t Count>
  void put(const std::array<Field, Count>& fields) {
    for (const Field& field : fields) put(field);
  }
  template <typename Field>
  void put(const std::vector<Field>& fields) {
    put(fields.size());
    for (const Field& field : fields) put(field);
  }

  std::string text_;
  std::size_t zeros_ = 0;  ///< at the end, not yet written
};

class StateReader {
 public:
  /// `text`: what StateWriter::text() gave with the same version.
  StateReader(std::string_view text, int version);

  template <typename... Fields>
  void operator()(Fields&... fields) {
    (get(fields), ...);
  }
  template <typename... Fields>
  void times(Fields&... fields) {
    (get(fields), ...);
  }
  /// A value that must be below `limit`.
  template <typename Field>
  void index(Field& field, std::size_t limit) {
    field = static_cast<Field>(whole(0, static_cast<double>(limit) - 1));
  }

  /// Error: no such text, another version, or not the fields that were asked for.
  [[nodiscard]] Status done() const;

 private:
  static constexpr std::size_t kMostElements = 1024;

  double number();
  double whole(double least, double most);
  std::string string();

  template <typename Field>
  void get(Field& field) {
    constexpr double kExact = 9007199254740992.0;  // 2^53
    if constexpr (std::is_same_v<Field, std::string>) {
      field = string();
    } else if constexpr (std::is_same_v<Field, bool>) {
      field = whole(0, 1) > 0;
    } else if constexpr (std::is_integral_v<Field>) {
      field = static_cast<Field>(whole(std::is_signed_v<Field> ? -kExact : 0, kExact));
    } else if constexpr (std::is_floating_point_v<Field>) {
      field = number();
    } else {
      Field::visit(field, *this);
    }
  }
  template <typename Field>
  void get(std::optional<Field>& field) {
    field.reset();
    if (whole(0, 1) > 0) get(field.emplace());
  }
  template <typename Field, std::size_t Count>
  void get(std::array<Field, Count>& fields) {
    for (Field& field : fields) get(field);
  }
  template <typename Field>
  void get(std::vector<Field>& fields) {
    fields.clear();
    fields.resize(static_cast<std::size_t>(whole(0, kMostElements)));
    for (Field& field : fields) get(field);
  }

  std::vector<std::variant<double, std::string>> values_;
  std::size_t next_ = 0;
  std::string error_;  ///< empty: none so far
};

/// Moves all that is remembered as a time, but "never".
class ClockShift {
 public:
  explicit ClockShift(std::int64_t by_ms) : by_ms_(by_ms) {}

  template <typename... Fields>
  void operator()(Fields&... fields) {
    (inside(fields), ...);
  }
  template <typename... Fields>
  void times(Fields&... fields) {
    (move(fields), ...);
  }
  template <typename Field>
  void index(Field& /*field*/, std::size_t /*limit*/) {}

 private:
  template <typename Field>
  void inside(Field& field) {
    if constexpr (std::is_class_v<Field> && !std::is_same_v<Field, std::string>) Field::visit(field, *this);
  }
  template <typename Field>
  void inside(std::optional<Field>& field) {
    if (field) inside(*field);
  }
  template <typename Field, std::size_t Count>
  void inside(std::array<Field, Count>& fields) {
    for (Field& field : fields) inside(field);
  }
  template <typename Field>
  void inside(std::vector<Field>& fields) {
    for (Field& field : fields) inside(field);
  }

  void move(std::int64_t& time_ms) const {
    if (time_ms != 0) time_ms += by_ms_;
  }
  void move(std::optional<std::int64_t>& time_ms) const {
    if (time_ms) *time_ms += by_ms_;
  }
  template <std::size_t Count>
  void move(std::array<std::int64_t, Count>& times_ms) const {
    for (std::int64_t& time_ms : times_ms) move(time_ms);
  }

  std::int64_t by_ms_;
};

/// The text of one object.
template <typename State>
std::string state_text(const State& state, int version) {
  StateWriter writer;
  State::visit(state, writer);
  return writer.text(version);
}

/// Reads it back. Error: not what state_text() gives for this class and version; `state` stays as it is.
template <typename State>
Status restore_state(std::string_view text, int version, State& state) {
  State kept;
  StateReader reader(text, version);
  State::visit(kept, reader);
  Status done = reader.done();
  if (done) state = std::move(kept);
  return done;
}

}  // namespace outrider
