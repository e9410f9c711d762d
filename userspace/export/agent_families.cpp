#include "userspace/export/agent_families.h"

namespace outrider {
namespace {

double count(std::uint64_t value) { return static_cast<double>(value); }

void add_costs(FamilySet& set, const AgentFigures& agent) {
  set.gauge("agent_info", "1; the label is the agent's version.", {{"version", agent.version}}, 1);
  set.gauge("agent_uptime_seconds", "Age of the agent.", {}, agent.uptime_seconds);
  set.counter("agent_cpu_seconds_total", "CPU time that the agent used.", {}, agent.cpu_seconds);
  if (agent.resident_bytes) {
    set.gauge("agent_resident_memory_bytes", "Resident memory of the agent.", {}, count(*agent.resident_bytes));
  }
  set.gauge("agent_map_memory_bytes", "Kernel memory of the maps, no part of the resident memory.", {},
            count(agent.map_bytes));
  set.gauge("agent_probe_hit_seconds", "What a probe hit costs on this machine, without the program behind it.", {},
            agent.trap_seconds);
}

void add_time(FamilySet& set, const AgentFigures& agent) {
  set.counter("agent_intervals_total", "Readings that were due and taken.", {}, count(agent.intervals));
  set.counter("agent_missed_intervals_total", "Readings that were due and taken together with a later one.", {},
              count(agent.missed_intervals));
  set.histogram("agent_loop_lag_seconds", "Time from when a reading was due until it was taken.", {}, agent.lag,
                le_bounds(20), agent.lag_seconds);
  set.gauge("agent_loop_lag_p99_seconds", "99th percentile of that over the last 300 readings.", {},
            agent.lag_p99_seconds);
  set.gauge("agent_last_reading_seconds", "Duration of the last round: reading, computing, handing on.", {},
            agent.reading_seconds);
  set.counter("agent_reading_seconds_total", "Time spent reading, computing and handing on.", {},
              agent.reading_seconds_total);
  set.counter("agent_reloads_total", "Configurations read again, by result.", {{"result", "taken"}},
              count(agent.reloads));
  set.counter("agent_reloads_total", "Configurations read again, by result.", {{"result", "refused"}},
              count(agent.failed_reloads));
}

void add_sinks(FamilySet& set, const AgentFigures& agent) {
  for (const SinkCounters& sink : agent.sinks) {
    const Labels labels{{"sink", sink.name}};
    set.counter("agent_sink_written_total", "Rounds of readings that an export took.", labels, count(sink.written));
    set.counter("agent_sink_failed_total", "Rounds that an export lost, wholly or in part.", labels,
                count(sink.failed));
    set.counter("agent_sink_dropped_total", "Rounds that an export was never given: its queue was full.", labels,
                count(sink.dropped));
    set.gauge("agent_sink_queued", "Rounds that wait for an export.", labels, count(sink.queued));
    set.gauge("agent_sink_failing", "1 if an export has an error now; what can wait does.", labels,
              sink.failing ? 1 : 0);
    if (!sink.points) continue;
    set.counter("agent_sink_points_sent_total", "Points that the receiver took.", labels, count(sink.points->sent));
    set.counter("agent_sink_points_rejected_total", "Points that the receiver refused.", labels,
                count(sink.points->rejected));
    set.counter("agent_sink_points_dropped_total", "Points dropped while the receiver was away.", labels,
                count(sink.points->dropped));
    set.gauge("agent_sink_points_queued", "Points that wait for the receiver.", labels, count(sink.points->queued));
  }
}

void add_store(FamilySet& set, const StoreCounters& store) {
  set.counter("agent_store_written_points_total", "Points of history written.", {}, count(store.written_points));
  set.counter("agent_store_dropped_points_total", "Points of history dropped: the disk was too slow or full.", {},
              count(store.dropped_points));
  set.counter("agent_store_late_points_total", "Points older than the finest history reaches.", {},
              count(store.late_points));
  set.counter("agent_store_failed_writes_total", "Batches of history that were not written at the first attempt.", {},
              count(store.failed_writes));
  set.counter("agent_store_corrupt_files_total", "History files found broken and moved aside.", {},
              count(store.corrupt_files));
  set.counter("agent_store_trims_total", "Times that the size limit cost the oldest history.", {}, count(store.trims));
  set.gauge("agent_store_failing", "1 if the last attempt to write history failed.", {}, store.error.empty() ? 0 : 1);
  set.gauge("agent_store_queued_points", "Points of history that wait to be written.", {}, count(store.queued_points));
  set.gauge("agent_store_file_bytes", "Size of the history file with its log.", {},
            static_cast<double>(store.file_bytes));
  set.gauge("agent_store_last_write_seconds", "Duration of the last batch written.", {}, store.last_write_seconds);
}

void add_alerts(FamilySet& set, const AlertStatus& status) {
  for (const AlertLine& line : status.alerts) {
    const Notice& notice = line.notice;
    set.gauge("alerts", "1 for each alert that is pending or fires.",
              {{"alertname", notice.name},
               {"alertstate", line.pending ? "pending" : "firing"},
               {"severity", name_of(notice.severity)},
               {"target", notice.target},
               {"query_type", notice.type},
               {"metric", notice.metric}},
              1);
  }
  set.counter("agent_alert_notices_total", "Notices handed to the alert channels.", {}, count(status.told));
  set.counter("agent_alert_untracked_breaches_total", "Breaches of rules that had too many alerts already.", {},
              count(status.untracked_breaches));
  set.gauge("agent_detector_memory_bytes", "Memory of all detectors.", {}, count(status.detector_bytes));
  for (const ChannelCounters& channel : status.channels) {
    const Labels labels{{"channel", channel.name}};
    set.counter("agent_channel_sent_total", "Notices that an alert channel took.", labels, count(channel.sent));
    set.counter("agent_channel_failed_total", "Attempts of an alert channel that failed.", labels,
                count(channel.failed));
    set.counter("agent_channel_dropped_total", "Notices lost by an alert channel.", labels, count(channel.dropped));
    set.gauge("agent_channel_queued", "Notices that wait for an alert channel.", labels, count(channel.queued));
    set.gauge("agent_channel_failing", "1 if the last attempt of an alert channel failed.", labels,
              channel.failing ? 1 : 0);
  }
}

}  // namespace

void add_agent(FamilySet& set, const AgentFigures& agent) {
  add_costs(set, agent);
  add_time(set, agent);
  add_sinks(set, agent);
  if (agent.store) add_store(set, *agent.store);
  if (agent.alerts) add_alerts(set, *agent.alerts);
  for (const auto& [event, times] : agent.http) {
    set.counter("agent_http_events_total", "What happened at the agent's HTTP server.", {{"event", event}},
                count(times));
  }
}

}  // namespace outrider
