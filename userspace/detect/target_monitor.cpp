#include "userspace/detect/target_monitor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "userspace/detect/incident_notice.h"
#include "userspace/detect/state_text.h"
#include "userspace/detect/statement_words.h"
#include "userspace/model/histogram.h"

namespace outrider {
namespace {

constexpr int kMonitorVersion = 2;
constexpr const char* kLatency = "latency";
constexpr const char* kStall = "stall";
constexpr const char* kDown = "down";

bool is_latency(const IncidentEvent& event) { return event.metric.ends_with("response_time_seconds"); }

std::string key_of(const IncidentEvent& event, const std::string& type) {
  return fmt::format("{} {} {}", event.arm, event.metric, type);
}

void add_cause(std::string& cause, const std::string& more) {
  if (!cause.empty() && !more.empty()) cause += "; ";
  cause += more;
}

// What is told as one incident.
std::string group_of(const IncidentEvent& event, const std::string& type) {
  if (event.arm == kStall || event.arm == kDown) return event.arm;
  if (event.arm.starts_with("burn")) return "burn " + event.metric;
  if (is_latency(event) && type.empty()) return kLatency;
  if (event.metric.starts_with("target_metrics.memory")) return "memory";
  return key_of(event, type);
}

bool is_in(const Snapshot& snapshot, std::string_view state) {
  return snapshot.availability && snapshot.availability->state == state;
}

// That a target which does not serve has less traffic is no news, until it serves again.
bool has_queries(const Snapshot& snapshot) {
  return !is_in(snapshot, "stalled") && !snapshot.summary && snapshot.overhead.mode != "paused" &&
         snapshot.overhead.sampled_share > 0;
}

DetectorSample sample_of(const Snapshot& snapshot, bool host) {
  DetectorSample sample;
  sample.time_ms = snapshot.timestamp_ms;
  sample.seconds = snapshot.interval_seconds;
  if (host) sample.cpu_usage = snapshot.system_metrics.cpu_usage;
  sample.memory_used_mb = snapshot.target_metrics.memory_used_mb;
  if (!has_queries(snapshot)) return sample;
  const QueryMetrics& queries = snapshot.query_metrics;
  sample.avg_response_time_seconds = queries.avg_response_time_seconds;
  sample.p95_response_time_seconds = queries.p95_response_time_seconds;
  sample.error_rate = queries.error_rate;
  sample.queries_per_second = queries.queries_per_second;
  sample.cache_hit_rate = snapshot.cache_metrics.hit_rate;
  return sample;
}

struct Served {
  double queries = 0, slow = 0;  ///< since attach
};

Served count_slow(const Snapshot& snapshot, double limit_seconds) {
  Served served;
  const auto add = [&](const SparseHistogram& histogram) {
    for (const BucketCount& bucket : histogram) {
      const auto count = static_cast<double>(bucket.count);
      served.queries += count;
      if (bucket_middle_ns(bucket.bucket) > limit_seconds * 1e9) served.slow += count;
    }
  };
  for (const auto& [name, type] : snapshot.query_metrics.query_type_breakdown) add(type.histogram_total);
  add(snapshot.query_metrics.given_up_histogram);
  return served;
}

}  // namespace

TargetMonitor::State::State(const MonitorOptions& options)
    : errors(options.success_objective, "query_metrics.error_rate"),
      slow(options.latency ? options.latency->share : 1, "query_metrics.slow_rate") {}

TargetMonitor::TargetMonitor(std::string target, MonitorOptions options, std::unique_ptr<Detector> detector)
    : target_(std::move(target)), options_(std::move(options)), detector_(std::move(detector)), state_(options_) {}

Result<std::unique_ptr<TargetMonitor>> TargetMonitor::make(const std::string& target, const MonitorOptions& options) {
  auto detector = make_detector(options.detector);
  if (!detector) return detector.error();
  return std::unique_ptr<TargetMonitor>(new TargetMonitor(target, options, std::move(*detector)));
}

// The detector follows the clock by itself.
bool TargetMonitor::advance(const Snapshot& snapshot) {
  const SampleClock::Step step = state_.clock.advance(snapshot.timestamp_ms, snapshot.interval_seconds);
  if (step.shift_ms == 0) return !step.repeated;
  ClockShift shift(step.shift_ms);
  State::visit(state_, shift);
  // A gap moves no begin that people were told of.
  if (step.shift_ms < 0) IncidentBook::visit(book_, shift);
  if (step.shift_ms > 0) {
    for (Exhaustion* one : {&state_.memory, &state_.disk, &state_.handles, &state_.host_memory, &state_.host_disk}) {
      one->restart();
    }
  }
  return true;
}

void TargetMonitor::note_binary(const std::string& binary, std::int64_t now_ms) {
  if (binary.empty() || binary == state_.binary) return;
  if (!state_.binary.empty()) state_.binary_since_ms = now_ms;
  state_.binary = binary;
}

bool TargetMonitor::disturbed() const {
  return book_.any([](const Notice& notice) {
    return notice.arm != "limit" && notice.arm != "growth" && notice.arm != "exhaustion" &&
           !notice.arm.starts_with("burn") && notice.type.empty() && notice.severity != Severity::kInfo;
  });
}

void TargetMonitor::tell(const IncidentEvent& event, const Story& story, std::vector<Notice>& out) {
  const std::string key = key_of(event, story.type);
  if (event.what == IncidentEvent::What::kClose) {
    // Latency comes back more often than not; a level that was accepted does not.
    if (is_latency(event) && story.type.empty() && event.why == Incident::kOver) {
      book_.close_later(key, event.at_ms, event.why);
    } else {
      book_.close(key, event.at_ms, event.why, out);
    }
    return;
  }
  Notice notice = notice_of(event, {target_, story.type, with_binary(story.cause, event.since_ms), story.sentence});
  if (story.mix) {
    notice.name = "Query mix shift";
    notice.severity = Severity::kInfo;
    notice.text += "; there are other or more queries than usual, and they take as long as they do at such a load";
  }
  if (event.what == IncidentEvent::What::kOpen) {
    book_.open(key, story.mix ? "mix" : group_of(event, story.type), std::move(notice), out);
  } else {
    book_.worse(key, std::move(notice), out);
  }
}

std::string TargetMonitor::with_binary(std::string cause, std::int64_t since_ms) const {
  constexpr std::int64_t kBeforeMs = 900'000, kAfterMs = 60'000;  // since is an estimate
  const std::int64_t changed = state_.binary_since_ms;
  if (changed == 0 || changed < since_ms - kBeforeMs || changed > since_ms + kAfterMs) return cause;
  add_cause(cause, fmt::format("since the binary changed to {}", state_.binary));
  return cause;
}

TargetMonitor::Story TargetMonitor::story_of(const IncidentEvent& event, const QueryMetrics& metrics) const {
  constexpr double kMostlyMix = 0.6;
  Story story;
  if (event.what == IncidentEvent::What::kClose) return story;
  if (event.arm == "errors") story.cause = state_.types.describe_failing();
  if (event.arm == "drop") story.cause = state_.types.describe_missing();
  if (!is_latency(event)) return story;
  story.mix = state_.types.mix_share() > kMostlyMix;
  story.cause = state_.types.describe_slower(state_.costs);
  add_cause(story.cause, describe_wait(state_.costs));
  add_cause(story.cause, describe_blocking(metrics, ""));
  return story;
}

// A restart cures some faults and not others: those that it did not cure are found anew, and told.
void TargetMonitor::went_down() {
  detector_->went_down();
  State& s = state_;
  s.types.went_down();
  s.errors.forget_evidence();
  s.slow.forget_evidence();
  for (Exhaustion* one : {&s.disk, &s.host_memory, &s.host_disk}) one->forget_evidence();
  const State fresh(options_);
  s.memory = fresh.memory;  // of processes that are gone
  s.handles = fresh.handles;
}

void TargetMonitor::watch_host(bool host, std::int64_t now_ms, std::vector<Notice>& out) {
  if (options_.host == host) return;
  options_.host = host;
  if (host) return;
  book_.close_metrics("system_metrics.", now_ms, "another target tells of the host now", out);
  detector_->forget_host();
  const State fresh(options_);
  state_.host_memory = fresh.host_memory;
  state_.host_disk = fresh.host_disk;
}

void TargetMonitor::observe_state(std::string_view state, std::int64_t now_ms, std::vector<Notice>& out) {
  if (state != "up" && state != "stalled" && state != "down") return;
  const bool was_down = book_.has_group(kDown);
  set_state(kStall, state == "stalled", now_ms, out);
  set_state(kDown, state == "down", now_ms, out);
  if (state == "down" && !was_down) {
    book_.close_others(kDown, now_ms, "the target is down", out);
    went_down();
  }
  book_.tick(now_ms, out);
}

void TargetMonitor::set_state(const char* arm, bool holds, std::int64_t now_ms, std::vector<Notice>& out) {
  if (holds == book_.has_group(arm)) return;
  const bool stall = arm == std::string_view(kStall);
  const std::int64_t waited_ms = stall ? options_.stalled_after_ms : 0;
  IncidentEvent event;
  event.what = holds ? IncidentEvent::What::kOpen : IncidentEvent::What::kClose;
  event.at_ms = now_ms;
  event.since_ms = now_ms - waited_ms;
  event.arm = arm;
  event.metric = stall ? "query_metrics.oldest_in_flight_seconds" : "availability.state";
  event.value = static_cast<double>(waited_ms) / 1000;
  event.why = stall ? "it does not hang any more" : "it runs again";
  Story story;
  story.sentence = stall ? fmt::format("queries are in flight and none has ended for {}", format_length(event.value))
                         : "no process of it is running";
  tell(event, story, out);
}

void TargetMonitor::observe_costs(const Snapshot& snapshot) {
  const QueryMetrics& metrics = snapshot.query_metrics;
  const bool calm = !disturbed();
  const auto queries = static_cast<double>(metrics.interval_queries);
  const QueryCosts costs{queries, queries * metrics.error_rate.value_or(0),
                         queries * metrics.avg_response_time_seconds.value_or(0),
                         metrics.waits ? &*metrics.waits : nullptr};
  state_.costs.observe(snapshot.interval_seconds, costs, CostMeans::Keep(snapshot.interval_seconds), calm);
  state_.types.observe(snapshot, {calm, book_.opened_at_ms(kLatency)}, type_events_);
}

void TargetMonitor::observe_figures(const Snapshot& snapshot, std::vector<Notice>& out) {
  type_events_.clear();
  events_.clear();
  if (options_.detector == "default" && has_queries(snapshot)) observe_costs(snapshot);
  detector_->observe(sample_of(snapshot, options_.host), events_);
  for (const IncidentEvent& event : events_) tell(event, story_of(event, snapshot.query_metrics), out);
  for (TypeEvent& one : type_events_) {
    add_cause(one.cause, describe_blocking(snapshot.query_metrics, one.type));
    tell(one.event, {one.type, one.cause, "", false}, out);
  }
}

void TargetMonitor::observe_limit(Exhaustion& what, std::int64_t now_ms, const std::optional<double>& value,
                                  double limit, std::vector<Notice>& out) {
  if (!value || !(*value >= 0) || !(limit > 0)) return;
  events_.clear();
  what.observe(now_ms, *value, limit, events_);
  for (const IncidentEvent& event : events_) {
    Story story;
    story.sentence =
        fmt::format("{} is {} of {}, and full in {} if it goes on as in the last {} (from {})", event.metric,
                    format_figure(event.metric, event.value), format_figure(event.metric, limit),
                    format_length(what.left_seconds()), format_length(static_cast<double>(FloorTrend::kSpanMs) / 1000),
                    format_figure(event.metric, event.expected));
    tell(event, story, out);
  }
}

void TargetMonitor::observe_limits(const Snapshot& snapshot, std::vector<Notice>& out) {
  const std::int64_t now = snapshot.timestamp_ms;
  const ResourceMetrics& target = snapshot.target_metrics;
  observe_limit(state_.memory, now, target.memory_usage, 1, out);
  observe_limit(state_.disk, now, target.disk_usage, 1, out);
  if (handle_limit_ && target.handle_count) {
    observe_limit(state_.handles, now, static_cast<double>(*target.handle_count), static_cast<double>(*handle_limit_),
                  out);
  }
  if (!options_.host) return;
  observe_limit(state_.host_memory, now, snapshot.system_metrics.memory_usage, 1, out);
  observe_limit(state_.host_disk, now, snapshot.system_metrics.disk_usage, 1, out);
}

void TargetMonitor::tell_burns(const std::string& bad, double objective, std::vector<Notice>& out) {
  static constexpr std::array kWindows = {"hour", "6 hours", "3 days"};
  for (const IncidentEvent& event : events_) {
    Story story;
    if (event.metric == "query_metrics.error_rate") story.cause = state_.types.describe_failing();
    story.sentence = fmt::format(
        "{:.2f} % of the queries of the last {} {}; the objective of {:g} % allows a rate {:.1f} times lower, and the "
        "budget of 30 days lasts {}",
        100 * event.value, kWindows.at(BurnRate::pair_of(event)), bad, 100 * objective, event.score,
        format_length(30 * 86'400.0 / event.score));
    tell(event, story, out);
  }
}

void TargetMonitor::observe_objectives(const Snapshot& snapshot, std::vector<Notice>& out) {
  if (!has_queries(snapshot)) return;
  const auto queries = static_cast<double>(snapshot.query_metrics.interval_queries);
  const double failed = queries * snapshot.query_metrics.error_rate.value_or(0);
  events_.clear();
  state_.errors.observe(snapshot.timestamp_ms, snapshot.interval_seconds, queries, failed, events_);
  tell_burns("failed", options_.success_objective, out);
  if (!options_.latency) return;
  const Served served = count_slow(snapshot, options_.latency->seconds);
  const double all = served.queries - std::exchange(state_.timed_total, served.queries);
  const double slow = served.slow - std::exchange(state_.slow_total, served.slow);
  // Totals that fell are those of a target that was attached anew; the first ones hold the time before.
  if (all < 0 || slow < 0 || all == served.queries) return;
  events_.clear();
  state_.slow.observe(snapshot.timestamp_ms, snapshot.interval_seconds, all, slow, events_);
  tell_burns(fmt::format("took longer than {}", format_figure("_seconds", options_.latency->seconds)),
             options_.latency->share, out);
}

void TargetMonitor::observe(const Snapshot& snapshot, const MonitorFacts& facts, std::vector<Notice>& out) {
  if (!advance(snapshot)) return;
  handle_limit_ = facts.handle_limit;
  note_binary(facts.binary, snapshot.timestamp_ms);
  if (snapshot.availability) observe_state(snapshot.availability->state, snapshot.timestamp_ms, out);
  if (is_in(snapshot, "down")) return;
  observe_figures(snapshot, out);
  book_.tick(snapshot.timestamp_ms, out);
  if (options_.detector != "none") observe_limits(snapshot, out);
  observe_objectives(snapshot, out);
}

std::string TargetMonitor::serialise() const {
  StateWriter writer;
  writer(options_.detector, detector_->serialise(), state_, book_);
  return writer.text(kMonitorVersion);
}

Status TargetMonitor::restore(std::string_view text) {
  std::string name, detector;
  State state(options_);
  IncidentBook book;
  StateReader reader(text, kMonitorVersion);
  reader(name, detector, state, book);
  if (Status done = reader.done(); !done) return done;
  if (name != options_.detector) {
    return Error{fmt::format("what is kept of {} is of the detector {}; it learns anew", target_, name)};
  }
  if (Status done = detector_->restore(detector); !done) return done;
  state_ = std::move(state);
  book_ = std::move(book);
  return Ok{};
}

std::size_t TargetMonitor::state_bytes() const {
  return sizeof *this + detector_->state_bytes() + state_.types.state_bytes() + book_.state_bytes();
}

std::vector<std::string> TargetMonitor::unavailable() const {
  std::vector<std::string> reasons = {"exhaustion of connections: their limit is not known"};
  if (!handle_limit_) reasons.emplace_back("exhaustion of target_metrics.handle_count: its limit is not known");
  return reasons;
}

}  // namespace outrider
