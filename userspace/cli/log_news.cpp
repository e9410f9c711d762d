#include "userspace/cli/log_news.h"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <mutex>

#include "userspace/tui/figure_text.h"

namespace outrider {

class LogNews::Sink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  std::string last() {
    const std::lock_guard lock(mutex_);
    return last_;
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(message.time.time_since_epoch()).count();
    last_ = clock_text(time) + " " + std::string(message.payload.data(), message.payload.size());
  }
  void flush_() override {}

 private:
  std::string last_;
};

LogNews::LogNews() : sink_(std::make_shared<Sink>()), before_(spdlog::default_logger()) {
  auto logger = std::make_shared<spdlog::logger>("outrider-top", sink_);
  logger->set_level(before_->level());
  spdlog::set_default_logger(std::move(logger));
}

LogNews::~LogNews() { spdlog::set_default_logger(before_); }

std::string LogNews::last() const { return sink_->last(); }

}  // namespace outrider
