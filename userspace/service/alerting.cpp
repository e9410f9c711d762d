#include "userspace/service/alerting.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "userspace/service/aside.h"
#include "userspace/service/judge.h"

namespace outrider {
namespace {

// To hand on what there is when alerting is switched off by a reload.
constexpr std::chrono::milliseconds kJudgeRetireTime{500};

}  // namespace

void Alerting::configure(const Config& config) {
  if (!config.enable_alerting) {
    retire();
    return;
  }
  auto judge = std::make_unique<Judge>(config, store_, board_);
  if (thread_) {
    thread_->become(std::move(judge));
    return;
  }
  std::vector<SinkThread::Ended> after;
  if (retired_.valid()) after.push_back(retired_);  // both would keep their state under the same keys
  Result<std::unique_ptr<SinkThread>> started =
      SinkThread::start("alerts", std::move(judge), SinkThread::kQueueLimit, std::move(after));
  if (!started) {
    spdlog::error("there is no alerting: {}", started.error().message);
    return;
  }
  thread_ = std::move(*started);
}

void Alerting::retire() {
  if (!thread_) return;
  retired_ = do_aside([thread = std::move(thread_), board = board_] {
    thread->stop(std::chrono::steady_clock::now() + kJudgeRetireTime);
    board->publish(nullptr);
  });
}

void Alerting::add(const SinkThread::SharedReport& report) {
  if (thread_) thread_->add(report);
}

std::vector<SinkCounters> Alerting::counters() const {
  if (!thread_) return {};
  return {thread_->counters()};
}

void Alerting::stop(std::chrono::steady_clock::time_point deadline) {
  if (thread_) thread_->stop(deadline);
  thread_.reset();
  if (retired_.valid()) retired_.wait();
  store_.reset();
}

}  // namespace outrider
