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

namespace outrider {
namespace {

constexpr const char* kTextPattern = "%Y-%m-%dT%H:%M:%S%z %^%l%$ %v";

std::string message_of(const spdlog::details::log_msg& message) {
  return {message.payload.data(), message.payload.size()};
}

void append(spdlog::memory_buf_t& out, const std::string& line) { out.append(line.data(), line.data() + line.size()); }

/// {"time", "level", "message"}, a line each.
class JsonFormatter : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(message.time.time_since_epoch()).count();
    const auto level = spdlog::level::to_string_view(message.level);
    const nlohmann::ordered_json line = {{"time", format_timestamp(time)},
                                         {"level", std::string(level.data(), level.size())},
                                         {"message", message_of(message)}};
    append(out, line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
  }
  [[nodiscard]] std::unique_ptr<formatter> clone() const override { return std::make_unique<JsonFormatter>(); }
};

/// sd-daemon(3): "<priority>" before the text; journald knows the time.
class JournaldFormatter : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    append(out, "<" + std::to_string(priority(message.level)) + ">" + message_of(message) + "\n");
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
  return std::make_unique<spdlog::pattern_formatter>(kTextPattern);
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

}  // namespace outrider
