#include "userspace/cli/logging.h"

#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "userspace/model/snapshot_json.h"
#include "userspace/model/utf8.h"

namespace outrider {
namespace {

constexpr const char* kTextPattern = "%Y-%m-%dT%H:%M:%S%z %^%l%$ %v";

std::string message_of(const spdlog::details::log_msg& message) {
  return {message.payload.data(), message.payload.size()};
}

std::string_view view(const spdlog::string_view_t& text) { return {text.data(), text.size()}; }

void append(spdlog::memory_buf_t& out, const std::string& line) { out.append(line.data(), line.data() + line.size()); }

/// As spdlog does it, of a message in which no name from outside can be a line of its own or steer a terminal.
class TextFormatter : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const std::string text = log_text(view(message.payload));
    spdlog::details::log_msg clean = message;
    clean.payload = text;
    pattern_.format(clean, out);
    // Where the level is to be coloured, which the sink asks the message for.
    message.color_range_start = clean.color_range_start;
    message.color_range_end = clean.color_range_end;
  }
  [[nodiscard]] std::unique_ptr<formatter> clone() const override { return std::make_unique<TextFormatter>(); }

 private:
  spdlog::pattern_formatter pattern_{kTextPattern};
};

/// {"time", "level", "message"}, a line each, in ASCII.
class JsonFormatter : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(message.time.time_since_epoch()).count();
    const auto level = spdlog::level::to_string_view(message.level);
    const nlohmann::ordered_json line = {{"time", format_timestamp(time)},
                                         {"level", std::string(level.data(), level.size())},
                                         {"message", message_of(message)}};
    append(out, line.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + "\n");
  }
  [[nodiscard]] std::unique_ptr<formatter> clone() const override { return std::make_unique<JsonFormatter>(); }
};

/// sd-daemon(3): "<priority>" before the text; journald knows the time.
class JournaldFormatter : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const std::string level = "<" + std::to_string(priority(message.level)) + ">";
    append(out, level + log_text(view(message.payload), level) + "\n");
  }
  [[nodiscard]] std::unique_ptr<formatter> clone() const override { return std::make_unique<JournaldFormatter>(); }

 private:
  static int priority(spdlog::level::level_enum level) {
    if (level >= spdlog::level::critical) return 2;
    if (level == spdlog::level::err) return 3;
    if (level == spdlog::level::warn) return 4;
    return level == spdlog::level::info ? 6 : 7;
  }
};

/// systemd.exec(5): JOURNAL_STREAM is "device:inode" of what it connected to the journal; stderr may be redirected.
bool stderr_is_the_journals() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  return stream != nullptr && ::fstat(STDERR_FILENO, &status) == 0 &&
         fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

std::unique_ptr<spdlog::formatter> formatter_of(const std::string& format) {
  if (format == "json") return std::make_unique<JsonFormatter>();
  if (format == "journald" || (format == "auto" && stderr_is_the_journals()))
    return std::make_unique<JournaldFormatter>();
  return std::make_unique<TextFormatter>();
}

}  // namespace

void set_up_logging(const std::string& level, const std::string& format) {
  static const std::shared_ptr<spdlog::logger> kLogger = [] {
    auto logger = spdlog::stderr_color_mt("outrider");
    spdlog::set_default_logger(logger);
    return logger;
  }();
  kLogger->set_formatter(formatter_of(format));
  kLogger->set_level(spdlog::level::from_str(level));
}

int fail(const Error& error, int code) {
  spdlog::error("{}", error.message);
  return code;
}

}  // namespace outrider
