// Result<T>: a value or an Error, for faults that a caller can act on. Exceptions do not cross module boundaries.
#pragma once

#include <cstring>
#include <string>
#include <utility>
#include <variant>

namespace outrider {

/// What went wrong, as one sentence for the user, with the next step where there is one.
struct Error {
  std::string message;
  int code = 0;  ///< errno, or 0

  /// "context: strerror(code)"
  static Error from_errno(int code, const std::string& context) {
    return Error{context + ": " + std::strerror(code), code};
  }
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}      // NOLINT(google-explicit-constructor): reads as a return value
  Result(Error error) : state_(std::move(error)) {}  // NOLINT(google-explicit-constructor): as above

  explicit operator bool() const { return std::holds_alternative<T>(state_); }
  T& operator*() & { return std::get<T>(state_); }
  const T& operator*() const& { return std::get<T>(state_); }
  T&& operator*() && { return std::get<T>(std::move(state_)); }
  T* operator->() { return &std::get<T>(state_); }
  const T* operator->() const { return &std::get<T>(state_); }
  [[nodiscard]] const Error& error() const { return std::get<Error>(state_); }

 private:
  std::variant<T, Error> state_;
};

struct Ok {};
using Status = Result<Ok>;

}  // namespace outrider
