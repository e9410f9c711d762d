#include "userspace/export/folded_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <limits>
#include <optional>
#include <vector>

#include "userspace/base/fd.h"

namespace outrider {
namespace {

constexpr std::size_t kMostBytes = 256U << 20U;

struct Line {
  std::string_view stack;
  std::uint64_t value = 0;
};

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The value is behind the last space: names of functions have spaces too.
std::optional<Line> split(std::string_view line) {
  const std::size_t space = line.rfind(' ');
  if (space == std::string_view::npos || space == 0) return std::nullopt;
  const auto value = number(line.substr(space + 1));
  if (!value) return std::nullopt;
  return Line{line.substr(0, space), *value};
}

std::optional<std::vector<std::string>> frames_of(std::string_view stack) {
  std::vector<std::string> frames;
  for (std::size_t from = 0; from <= stack.size();) {
    const std::size_t to = std::min(stack.find(';', from), stack.size());
    if (to == from) return std::nullopt;
    frames.emplace_back(stack.substr(from, to - from));
    from = to + 1;
  }
  return frames;
}

}  // namespace

Result<FlameTree> parse_folded(std::string_view text, const std::string& name) {
  FlameTree tree;
  std::size_t number_of_line = 0, with_two_values = 0;
  const auto fault = [&](const char* what) {
    return Error{fmt::format("{}:{}: {}; expected 'outermost;...;innermost VALUE', as `outrider flame -o FILE.folded` "
                             "writes it",
                             name, number_of_line, what),
                 EINVAL};
  };
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t to = std::min(text.find('\n', from), text.size());
    const auto line = split(text.substr(from, to - from));
    from = to + 1;
    ++number_of_line;
    if (!line) return fault("there is no whole number at the end of the line");
    const auto frames = frames_of(line->stack);
    if (!frames) return fault("a frame has no name");
    if (line->value > std::numeric_limits<std::int64_t>::max() - tree.total()) return fault("the values are too large");
    if (split(line->stack)) ++with_two_values;
    tree.add(*frames, line->value);
  }
  if (number_of_line > 0 && with_two_values == number_of_line) {
    return Error{name + ": each line has two values, so it is a difference already; expected what was recorded before",
                 EINVAL};
  }
  if (tree.total() == 0) return Error{name + ": there is nothing in it to compare with", EINVAL};
  return tree;
}

Result<FlameTree> read_folded(const std::string& path) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return Error::from_errno(errno, "read " + path);
  std::string text;
  std::array<char, 65'536> part{};
  for (;;) {
    const ssize_t got = read(file.get(), part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error::from_errno(errno, "read " + path);
    if (got == 0) return parse_folded(text, path);
    text.append(part.data(), static_cast<std::size_t>(got));
    if (text.size() > kMostBytes) return Error{path + ": it is larger than 256 MiB", EFBIG};
  }
}

}  // namespace outrider
