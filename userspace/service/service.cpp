#include "userspace/service/service.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "userspace/agent/signals.h"
#include "userspace/agent/watcher.h"
#include "userspace/base/fault_notice.h"
#include "userspace/base/moment.h"
#include "userspace/base/privileges.h"
#include "userspace/config/load.h"
#include "userspace/service/alerting.h"
#include "userspace/service/api.h"
#include "userspace/service/aside.h"
#include "userspace/service/flames.h"
#include "userspace/service/outputs.h"
#include "userspace/service/queries.h"
#include "userspace/service/schedule.h"
#include "userspace/service/self_meter.h"
#include "userspace/service/targets.h"
#include "userspace/service/web_server.h"

namespace outrider {
namespace {

using Clock = std::chrono::steady_clock;

// No target has this number: the round that is published even if nothing is watched.
constexpr std::uint32_t kAgentEntry = UINT32_MAX;
// Somebody may be waiting to write into a probed file.
constexpr std::chrono::seconds kSweepEvery{1};
constexpr std::chrono::seconds kPersistEvery{10};
// SIGTERM is answered within 2 s: the exports get the first part, a hanging disk ends the patience.
constexpr std::chrono::milliseconds kExportsStop{900};
constexpr std::chrono::milliseconds kPatience{1'900};

Result<std::unique_ptr<Store>> make_store(const StoreConfig& config) {
  StoreOptions options;
  options.path = config.path;
  options.max_bytes = static_cast<std::int64_t>(config.max_bytes);
  options.tiers.clear();
  for (const StoreTier& tier : config.tiers) options.tiers.push_back({tier.step.count(), tier.keep.count()});
  // A directory that cannot be made is a fault of the file, which the store counts and tries again.
  std::error_code ignored;
  std::filesystem::create_directory(std::filesystem::path(config.path).parent_path(), ignored);
  return Store::make(options);
}

// The file keeps the steps that it was made with.
bool needs_another_file(const StoreConfig& now, const StoreConfig& before) {
  const auto same_step = [](const StoreTier& a, const StoreTier& b) { return a.step == b.step; };
  return now.enabled && before.enabled && now.path == before.path &&
         !std::equal(now.tiers.begin(), now.tiers.end(), before.tiers.begin(), before.tiers.end(), same_step);
}

// What the unit grants, and for the reasons that it gives: all that it takes to find targets that come, to attach to
// them and to read them. Given up before anything is loaded, so that whatever starts here also starts there.
std::vector<int> needed_capabilities(const Features& features) {
  std::vector<int> needed = {CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_LEASE};
  // A perf event that is a uprobe takes it.
  if (!features.uprobe_multi) needed.push_back(CAP_SYS_ADMIN);
  return needed;
}

void log_lines(const std::string& text) {
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    spdlog::error("{}", text.substr(begin, end - begin));
    begin = end + 1;
  }
}

std::atomic<int> leave_with{EXIT_FAILURE};

// For when the probes are gone, which may take its time: what hangs then would hang for ever.
void end_the_patience() {
  std::thread([] {
    std::this_thread::sleep_for(kPatience);
    spdlog::error("something did not end in time; leaving without it");
    _exit(leave_with);
  }).detach();
}

class Service {
 public:
  Service(ServiceOptions options, std::unique_ptr<Watcher> watcher, std::unique_ptr<Store> store)
      : options_(std::move(options)),
        watcher_(std::move(watcher)),
        store_(std::move(store)),
        targets_(*watcher_, schedule_, store_.get(), queries_),
        alerting_(store_),
        api_(store_.get(), alerting_.board(), flames_, queries_),
        web_([this](const HttpRequest& request) { return api_.handle(request); }, Api::takes_long) {}

  void apply(const Config& config);
  void run(const Signals& signals);

 private:
  void reload();
  void notify_ready() const;
  void round(const Schedule::Due& due);
  void publish();
  void sweep();
  void stop();
  [[nodiscard]] AgentFigures figures() const;

  const ServiceOptions options_;
  Config config_;
  std::unique_ptr<Watcher> watcher_;
  std::shared_ptr<Store> store_;  // null: switched off
  Schedule schedule_;
  Queries queries_;
  Targets targets_;
  Outputs outputs_;
  Alerting alerting_;
  Flames flames_;
  Api api_;
  WebServer web_;
  SelfMeter meter_;
  FaultNotice store_fault_;
  std::uint64_t reloads_ = 0, failed_reloads_ = 0;
  Clock::time_point next_sweep_ = Clock::now();
  Clock::time_point next_persist_ = Clock::now() + kPersistEvery;
};

void Service::apply(const Config& config) {
  if (options_.log_as != nullptr) options_.log_as(config.log.level, config.log.format);
  const bool first = reloads_ == 0;
  if (first || config.collection_interval != config_.collection_interval) {
    schedule_.add(kAgentEntry, config.collection_interval, Schedule::Now::read(), false);
  }
  config_ = config;
  api_.configure(config);
  flames_.configure(config);
  queries_.configure(config);
  web_.configure(config.http);
  outputs_.configure(config);
  alerting_.configure(config);
  targets_.configure(config);
}

void Service::reload() {
  sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
             static_cast<long long>(
                 std::chrono::duration_cast<std::chrono::microseconds>(Clock::now().time_since_epoch()).count()));
  Result<Config> config = load_config(options_.config_path);
  if (config) {
    ++reloads_;
    if (config->store != config_.store) {
      spdlog::warn("[store] has changed, which needs a restart; until then it stays as it was{}",
                   needs_another_file(config->store, config_.store)
                       ? ". Its file keeps the steps of its tiers: set another path as well, or the start is refused"
                       : "");
      config->store = config_.store;
    }
    apply(*config);
    spdlog::info("{} was read again", options_.config_path);
  } else {
    ++failed_reloads_;
    log_lines(config.error().message);
    spdlog::error("{} is wrong, so nothing was changed; mend it and reload again", options_.config_path);
  }
  notify_ready();
}

void Service::notify_ready() const { sd_notifyf(0, "READY=1\nSTATUS=Watching %zu target(s)", config_.targets.size()); }

AgentFigures Service::figures() const {
  AgentFigures figures;
  figures.version = options_.version;
  meter_.fill(figures);
  figures.map_bytes = watcher_->map_bytes();
  figures.trap_seconds = watcher_->trap_ns() / 1e9;
  figures.reloads = reloads_;
  figures.failed_reloads = failed_reloads_;
  figures.reading_error = targets_.reading_error();
  figures.targets = targets_.states();
  figures.sinks = outputs_.counters();
  for (SinkCounters& counters : alerting_.counters()) figures.sinks.push_back(std::move(counters));
  figures.alerts = alerting_.board().status();
  if (store_) figures.store = store_->counters();
  figures.http = web_.events();
  figures.http_error = web_.error();
  return figures;
}

void Service::publish() {
  auto report = std::make_shared<Report>();
  report->time_ms = unix_ms();
  targets_.add_snapshots(*report);
  report->agent = figures();
  // The report before has thousands of parts with many types. The server's thread frees it, while this one is to sleep.
  web_.publish([this, before = api_.publish(report)](const std::string& stream) { return api_.event_for(stream); });
  alerting_.add(report);
  outputs_.add(std::move(report));
}

void Service::round(const Schedule::Due& due) {
  const auto begin = Clock::now();
  meter_.began(due);
  targets_.read(due.entries);
  publish();
  meter_.ended(Clock::now() - begin);
}

void Service::sweep() {
  const auto now = Clock::now();
  next_sweep_ = now + kSweepEvery;
  watcher_->sweep();
  targets_.retry();
  web_.retry();
  if (store_) {
    const std::string warning = store_->take_warning();
    if (!warning.empty()) spdlog::warn("{}", warning);
    const StoreCounters counters = store_->counters();
    const auto say = store_fault_.observe(!counters.error.empty(), now);
    if (say == FaultNotice::Say::kBegan) spdlog::error("history is not written: {}", counters.error);
    if (say == FaultNotice::Say::kEnded) {
      spdlog::info("history is written again; {} points were dropped since the start", counters.dropped_points);
    }
  }
  if (now >= next_persist_) {
    next_persist_ = now + kPersistEvery;
    targets_.persist();
  }
  sd_notify(0, "WATCHDOG=1");
}

void Service::run(const Signals& signals) {
  notify_ready();
  for (;;) {
    const std::optional<int> signal = signals.wait_until(std::min(schedule_.next(), next_sweep_));
    if (signal && *signal != SIGHUP) break;
    if (signal) reload();
    const Schedule::Due due = schedule_.take(Schedule::Now::read());
    if (!due.entries.empty()) round(due);
    if (Clock::now() >= next_sweep_) sweep();
  }
  stop();
}

// Detaches first, then reads once more: what ended in between is counted.
void Service::stop() {
  spdlog::info("stopping");
  sd_notify(0, "STOPPING=1");
  watcher_->release();
  end_the_patience();
  targets_.read({}, true);
  publish();
  targets_.persist();
  const auto deadline = Clock::now() + kExportsStop;
  const auto alerts_end = do_aside([this, deadline] { alerting_.stop(deadline); });
  const auto flames_end = do_aside([this] { flames_.stop(); });
  outputs_.stop(deadline);
  alerts_end.wait();
  if (store_) store_->stop_reading();  // the month of many types takes longer to read than the patience lasts
  web_.stop();
  store_.reset();
  leave_with = EXIT_SUCCESS;  // nothing is left to lose: a recording that is being prepared looks up only then
  flames_end.wait();
}

}  // namespace

Status run_service(const ServiceOptions& options) {
  Result<Config> config = load_config(options.config_path);
  if (!config) return config.error();
  if (options.log_as != nullptr) options.log_as(config->log.level, config->log.format);
  const Signals signals({SIGINT, SIGTERM, SIGHUP});
  const Features features = probe_features();
  if (Status status = check_features(features); !status) return Error{status.error().message};
  if (Status status = keep_capabilities(needed_capabilities(features)); !status) return Error{status.error().message};
  // Before anything is loaded: it may be that the configuration has to be changed.
  std::unique_ptr<Store> store;
  if (config->store.enabled) {
    Result<std::unique_ptr<Store>> made = make_store(config->store);
    if (!made && made.error().code == EINVAL) {
      return Error{fmt::format("{}: [store]: {}", options.config_path, made.error().message), EINVAL};
    }
    if (!made) return Error{made.error().message};
    store = std::move(*made);
  }
  Result<std::unique_ptr<Watcher>> watcher = Watcher::make(features, true);
  if (!watcher) return Error{watcher.error().message};
  Service service(options, std::move(*watcher), std::move(store));
  service.apply(*config);
  service.run(signals);
  return Ok{};
}

}  // namespace outrider
