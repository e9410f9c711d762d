#include "userspace/kernel/libbpf_log.h"

#include <bpf/libbpf.h>
#include <spdlog/spdlog.h>

#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

namespace outrider {
namespace {

int print(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG) return 0;  // thousands of relocation lines
  // The verifier's log is one message of any length, and its end is what matters.
  va_list again;
  va_copy(again, arguments);
  const int length = vsnprintf(nullptr, 0, format, again);
  va_end(again);
  if (length < 0) return length;
  std::string text(static_cast<std::size_t>(length) + 1, '\0');
  vsnprintf(text.data(), text.size(), format, arguments);
  text.resize(text.find_last_not_of(std::string_view("\n\0", 2)) + 1);
  spdlog::debug("{}", text);
  return length;
}

}  // namespace

void log_libbpf() { libbpf_set_print(print); }

}  // namespace outrider
