// The log while the screen is taken: the last line is kept for the view to show, and nothing is written.
#pragma once

#include <memory>
#include <string>

namespace spdlog {
class logger;
}

namespace outrider {

class LogNews {
 public:
  /// From now on the process's log comes here. Before threads that log are started; destroyed after their end.
  LogNews();
  /// The log is what it was.
  ~LogNews();
  LogNews(const LogNews&) = delete;
  LogNews& operator=(const LogNews&) = delete;

  /// "14:03:59 what was said", empty if nothing was. Thread-safe.
  [[nodiscard]] std::string last() const;

 private:
  class Sink;
  std::shared_ptr<Sink> sink_;
  std::shared_ptr<spdlog::logger> before_;
};

}  // namespace outrider
