#include <memory>
#include <thread>
#include <utility>

#include "userspace/base/background_thread.h"
#include "userspace/base/moment.h"
#include "userspace/cli/stop_flag.h"
#include "userspace/cli/top_source.h"
#include "userspace/service/self_meter.h"

namespace outrider {
namespace {

class WatchSource : public TopSource {
 public:
  WatchSource(const WatchOptions& options, BoardBox& box, const LogNews& news)
      : options_(options), box_(box), news_(news) {}

  ~WatchSource() override {
    stop_.set();
    if (thread_.joinable()) thread_.join();
  }

  Status start() {
    auto thread = start_background_thread("outrider-watch", Privileges::kOfTheAgent, [this] { run(); });
    if (!thread) return thread.error();
    thread_ = *std::move(thread);
    return Ok{};
  }

 private:
  using TimePoint = std::chrono::steady_clock::time_point;

  void run() {
    const auto sink = [this](const std::vector<Snapshot>& snapshots) { take(snapshots); };
    // It waits once everything is attached.
    const auto wait = [this, first = true](TimePoint deadline) mutable {
      if (std::exchange(first, false)) box_.put(first_board());
      return stop_.wait_until(deadline);
    };
    box_.end(run_watch(options_, sink, wait));
  }

  Board empty_board() {
    Board board;
    board.source = "attached to it";
    board.time_ms = unix_ms();
    board.no_alerts = "only `outrider run` judges";
    board.news = news_.last();
    AgentFigures figures;
    meter_.fill(figures);
    board.agent.resident_bytes = figures.resident_bytes;
    const double seconds = figures.uptime_seconds - before_.uptime_seconds;
    if (seconds > 0) board.agent.cpu_percent = 100 * (figures.cpu_seconds - before_.cpu_seconds) / seconds;
    before_ = std::move(figures);
    return board;
  }

  SharedBoard first_board() {
    Board board = empty_board();
    for (const TargetSpec& spec : options_.targets) board.targets.push_back({spec.value, {}, nullptr});
    return std::make_shared<const Board>(std::move(board));
  }

  void take(const std::vector<Snapshot>& snapshots) {
    if (snapshots.empty() || snapshots.front().summary) return;
    Board board = empty_board();
    for (const Snapshot& snapshot : snapshots) {
      board.targets.push_back({snapshot.target, {}, std::make_shared<const Snapshot>(snapshot)});
    }
    box_.put(std::make_shared<const Board>(std::move(board)));
  }

  const WatchOptions options_;
  BoardBox& box_;
  const LogNews& news_;
  SelfMeter meter_;
  AgentFigures before_;
  StopFlag stop_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<TopSource>> start_watch_source(const WatchOptions& options, BoardBox& box, const LogNews& news) {
  auto source = std::make_unique<WatchSource>(options, box, news);
  if (Status status = source->start(); !status) return status.error();
  return std::unique_ptr<TopSource>(std::move(source));
}

}  // namespace outrider
