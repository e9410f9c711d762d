#include "userspace/service/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <utility>
#include <vector>

#include "userspace/base/moment.h"
#include "userspace/base/units.h"
#include "userspace/export/flame_text.h"
#include "userspace/export/openmetrics.h"
#include "userspace/history/trends.h"
#include "userspace/model/snapshot_json.h"
#include "userspace/model/statement.h"
#include "userspace/service/agent_json.h"
#include "userspace/service/alerts_json.h"
#include "userspace/service/chart_data.h"
#include "userspace/service/dashboard.h"
#include "userspace/service/flame_query.h"
#include "userspace/service/outputs.h"
#include "userspace/web/assets.h"

namespace outrider {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kHistoryRows = 500;
constexpr int kSilentIntervals = 3;
constexpr std::chrono::seconds kLeastSilence{10};
constexpr const char* kJsonType = "application/json";

HttpResponse text(std::string body, std::string_view type) {
  HttpResponse response = HttpResponse::text(200, std::move(body));
  response.content_type = type;
  return response;
}

HttpResponse json(const Json& body, int status = 200) {
  HttpResponse response = HttpResponse::text(status, body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  response.content_type = kJsonType;
  return response;
}

// No script but our own, no other host, no frame around it, no inline code: what a page shows comes from foreign names.
constexpr const char* kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

HttpResponse asset_response(const WebAsset& asset) {
  HttpResponse response = text(std::string(asset.gzip), asset.content_type);
  response.headers = {{"Content-Encoding", "gzip"},
                      {"Content-Security-Policy", kPagePolicy},
                      {"Referrer-Policy", "no-referrer"},
                      {"Cache-Control", asset.immutable ? "private, max-age=31536000, immutable" : "no-cache"}};
  return response;
}

HttpResponse refuse(int status, const std::string& reason) { return json({{"error", reason}}, status); }

HttpResponse refuse(const Error& error) {
  if (error.code == EINVAL) return refuse(400, error.message);
  return refuse(error.code == ENOENT ? 404 : 503, error.message);
}

HttpResponse nothing_yet() {
  return refuse(503, "there are no figures yet: the first interval is not over; try again");
}

HttpResponse no_history() {
  return refuse(503, "no history is kept: [store] enabled is false, or its file cannot be used; see /api/v1/agent");
}

SharedSnapshot find_target(const Report& report, const std::string& name) {
  const auto found = std::find_if(report.snapshots.begin(), report.snapshots.end(),
                                  [&](const SharedSnapshot& snapshot) { return snapshot->target == name; });
  return found == report.snapshots.end() ? nullptr : *found;
}

/// Of the target's probes in the last interval, empty if there was none; none: it is not watched.
std::optional<std::string> mode_of(const Report& report, const std::string& name) {
  const auto& targets = report.agent->targets;
  const auto watched = [&](const TargetState& target) {
    return target.name == name && target.attached && target.error.empty();
  };
  if (std::none_of(targets.begin(), targets.end(), watched)) return std::nullopt;
  const SharedSnapshot newest = find_target(report, name);
  return newest ? newest->overhead.mode : std::string();
}

std::string names_of(const Report& report) {
  std::string names;
  for (const SharedSnapshot& snapshot : report.snapshots) names += (names.empty() ? "" : ", ") + snapshot->target;
  return names.empty() ? "none" : names;
}

// The newest figures of one target, or of all.
Result<Report> select(const Report& report, const std::string& target) {
  Report selected;
  selected.time_ms = report.time_ms;
  if (target.empty()) {
    selected.snapshots = report.snapshots;
    return selected;
  }
  const SharedSnapshot snapshot = find_target(report, target);
  if (snapshot == nullptr) {
    return Error{fmt::format("there are no figures of a target '{}', but of {}", target, names_of(report)), ENOENT};
  }
  selected.snapshots.push_back(snapshot);
  return selected;
}

// What is asked for, or the only target of the configuration.
std::string wanted_target(const HttpRequest& request, const std::shared_ptr<const Report>& report) {
  std::string wanted = parameter(request.query, "target");
  if (!wanted.empty() || !report || report->agent->targets.size() != 1) return wanted;
  return report->agent->targets.front().name;
}

bool is_configured(const Report& report, const std::string& name) {
  const auto& targets = report.agent->targets;
  return std::any_of(targets.begin(), targets.end(), [&](const TargetState& target) { return target.name == name; });
}

// A past in which `target` has no points.
HistorySource empty_source(const std::string& target) {
  HistorySource source;
  source.history = [](const HistoryQuery& query) -> Result<History> {
    History none;
    none.from_ms = query.from_ms;
    none.to_ms = query.to_ms;
    none.step_ms = query.step_ms;
    return none;
  };
  source.targets = [target]() -> Result<std::vector<std::string>> { return std::vector<std::string>{target}; };
  source.types = [](const std::string&) -> Result<std::vector<std::string>> { return std::vector<std::string>(); };
  return source;
}

// With how often each target of the configuration is read.
HistorySource with_intervals(HistorySource source, const std::shared_ptr<const Report>& report) {
  source.interval_ms = [report](const std::string& name) -> std::int64_t {
    if (!report) return 0;
    for (const TargetState& target : report->agent->targets) {
      if (target.name == name) return std::llround(target.interval_seconds * 1000);
    }
    return 0;
  };
  return source;
}

}  // namespace

HistorySource source_of(Store& store) {
  HistorySource source;
  source.history = [&store](const HistoryQuery& query) { return store.history(query); };
  source.targets = [&store] { return store.targets(); };
  source.types = [&store](const std::string& target) { return store.types(target); };
  source.for_each_step = [&store](const HistoryQuery& query, const VisitStep& visit) {
    return store.for_each_step(query, visit);
  };
  source.targets_in = [&store](std::int64_t from_ms, std::int64_t to_ms) { return store.targets_in(from_ms, to_ms); };
  return source;
}

const std::vector<Api::Route>& Api::routes() {
  static const std::vector<Route> kRoutes = {
      {"/", "the dashboard, if the Accept header asks for HTML; else this list", &Api::page},
      {"/api/v1/", "this list", &Api::index},
      {"/healthz", "200 while the agent reads its targets in time", &Api::healthz},
      {"/readyz", "200 once the first interval is over", &Api::readyz},
      {"/metrics", "Prometheus text, or OpenMetrics if the Accept header asks for it", &Api::metrics},
      {"/api/v1/snapshot", "the newest figures; target=NAME, format=json|prometheus|influxdb", &Api::snapshot},
      {"/api/v1/history", "the past; target, type, metric=p99,qps, since=2h or from and to, step=1m, format=json|csv",
       &Api::history, true},
      {"/api/v1/trends", "what changed, and whether it is more than noise; target, window=1h", &Api::trends, true},
      {"/api/v1/targets", "what is watched, and what could not be", &Api::targets},
      {"/api/v1/alerts", "what is pending and what fires, and what lately did; target=NAME", &Api::alerts},
      {"/api/v1/dashboard", "what the dashboard draws; target, window=1h", &Api::dashboard, true},
      {"/api/v1/charts", "columns of figures and a heat map; target, type, since or from and to, step", &Api::charts,
       true},
      {"/api/v1/types", "each query type, and how it was before; target, since or from and to", &Api::types, true},
      {"/api/v1/live", "what a page is told each interval, as JSON or as events (Accept: text/event-stream); target",
       &Api::live},
      {"/api/v1/flame",
       "a flame graph; target, type, kind=on_cpu|off_cpu, for=10s; 202 while it is recorded; at=TIME, one that is "
       "kept; "
       "compare=TIME, beside an earlier one",
       &Api::flame},
      {"/api/v1/queries", "the slowest queries of the last hour, and those in flight for long; target, type",
       &Api::queries, true},
      {"/api/v1/flame/recordings", "flame graphs that are kept; target, type, kind", &Api::flame_recordings},
      {"/api/v1/agent", "what the agent costs, what it lost, and how its exports do", &Api::agent},
  };
  return kRoutes;
}

void Api::configure(const Config& config) {
  auto settings = std::make_shared<Settings>();
  settings->prometheus = config.export_prometheus;
  settings->format = config.export_format;
  settings->metrics = prometheus_options(config);
  settings->lines = influx_options(config);
  settings->chart_window = config.chart_time_window;
  const auto seconds = [](std::chrono::duration<double> time) { return time.count(); };
  settings->page = {config.enable_real_time, seconds(config.dashboard_update_interval),
                    seconds(config.chart_time_window), seconds(config.collection_interval)};
  settings->longest_silence =
      std::max<std::chrono::milliseconds>(kLeastSilence, kSilentIntervals * config.collection_interval);
  const std::lock_guard lock(mutex_);
  settings_ = std::move(settings);
}

std::shared_ptr<const Report> Api::publish(std::shared_ptr<const Report> report) {
  const std::lock_guard lock(mutex_);
  std::swap(report_, report);
  published_ = Clock::now();
  return report;
}

HttpResponse Api::handle(const HttpRequest& request) {
  std::unique_lock lock(mutex_);
  const View view{request, settings_, report_, published_};
  lock.unlock();
  for (const Route& route : routes()) {
    if (request.path == route.path) return (this->*route.answer)(view);
  }
  if (const WebAsset* asset = find_web_asset(request.path)) return asset_response(*asset);
  // Programs tell this from a target that is not there by `code`, people by the sentence.
  return json({{"error", request.path + " is not served; /api/v1/ lists what is"}, {"code", "not_served"}}, 404);
}

bool Api::takes_long(const HttpRequest& request) {
  if (request.path == "/api/v1/flame" && request.query.contains("compare")) return true;
  return std::any_of(routes().begin(), routes().end(),
                     [&](const Route& route) { return route.takes_long && request.path == route.path; });
}

HttpResponse Api::index(const View&) {
  std::string list = "Outrider\n\n";
  for (const Route& route : routes()) list += fmt::format("{:<24} {}\n", route.path, route.what);
  return HttpResponse::text(200, list);
}

HttpResponse Api::page(const View& view) {
  if (view.request.accept.find("text/html") == std::string::npos) return index(view);
  if (const WebAsset* asset = find_web_asset("/")) return asset_response(*asset);
  const HttpResponse list = index(view);
  return HttpResponse::text(200, "This agent was built without the dashboard. What it serves:\n\n" + *list.body);
}

HttpResponse Api::healthz(const View& view) {
  if (view.report && Clock::now() - view.published > view.settings->longest_silence) {
    return HttpResponse::text(503, "no interval was read in time: sampling hangs\n");
  }
  if (view.report && !view.report->agent->reading_error.empty()) {
    return HttpResponse::text(503, "the kernel's counters cannot be read: " + view.report->agent->reading_error + "\n");
  }
  return HttpResponse::text(200, "ok\n");
}

HttpResponse Api::readyz(const View& view) {
  if (!view.report) return HttpResponse::text(503, "the first interval is not over\n");
  return HttpResponse::text(200, "ok\n");
}

HttpResponse Api::metrics(const View& view) {
  if (!view.settings->prometheus) {
    return refuse(404, "/metrics is off: set export_prometheus = true under [export] and reload");
  }
  if (!view.report) return nothing_yet();
  if (accepts_openmetrics(view.request.accept)) {
    return text(openmetrics_text(*view.report, view.settings->metrics), kOpenMetricsType);
  }
  return text(prometheus_text(*view.report, view.settings->metrics), kPrometheusType);
}

HttpResponse Api::snapshot(const View& view) {
  if (!view.report) return nothing_yet();
  const std::string target = parameter(view.request.query, "target");
  const Result<Report> selected = select(*view.report, target);
  if (!selected) return refuse(selected.error());
  const std::string format = parameter(view.request.query, "format", view.settings->format);
  if (format == "prometheus") return text(prometheus_text(*selected, view.settings->metrics), kPrometheusType);
  if (format == "influxdb") return text(influx_lines(*selected, view.settings->lines), "text/plain; charset=utf-8");
  if (format != "json") return refuse(400, "format: '" + format + "' is none of json, prometheus, influxdb");
  if (!target.empty()) return json(to_json(*selected->snapshots.front()));
  Json all = {{"timestamp", format_timestamp(view.report->time_ms)}, {"snapshots", Json::array()}};
  for (const SharedSnapshot& snapshot : selected->snapshots) all["snapshots"].push_back(to_json(*snapshot));
  return json(all);
}

HttpResponse Api::history(const View& view) {
  if (store_ == nullptr) return no_history();
  const HistorySource source = with_intervals(source_of(*store_), view.report);
  HistoryParameters parameters = view.request.query;
  const std::string format = parameter(view.request.query, "format", "json");
  parameters.erase("format");
  if (const std::string target = wanted_target(view.request, view.report); !target.empty()) {
    parameters["target"] = target;
  }
  if (format != "json" && format != "csv") return refuse(400, "format: '" + format + "' is neither json nor csv");
  const Result<HistoryRequest> asked = parse_history_request(parameters, source, unix_ms(), kHistoryRows);
  if (!asked) return refuse(asked.error());
  const Result<HistoryTable> table = read_history(*asked, source);
  if (!table) return refuse(table.error());
  return format == "csv" ? text(to_csv(*table), "text/csv; charset=utf-8") : json(to_json(*table));
}

HttpResponse Api::trends(const View& view) {
  if (store_ == nullptr) return no_history();
  for (const auto& [name, value] : view.request.query) {
    if (name != "target" && name != "window")
      return refuse(400, "trends take target and window; '" + name + "' is neither");
  }
  const HistorySource source = source_of(*store_);
  const Result<std::chrono::milliseconds> window = parse_duration(parameter(view.request.query, "window", "1h"));
  if (!window) return refuse(400, "window: " + window.error().message);
  const std::int64_t now = unix_ms();
  const Result<std::string> target =
      choose_target(wanted_target(view.request, view.report), source, now - window->count(), now);
  if (!target) return refuse(target.error());
  const Result<std::vector<MetricTrend>> trends = read_trends(*target, source, window->count(), now);
  if (!trends) return refuse(trends.error());
  return json({{"target", *target}, {"trends", to_json(*trends, window->count())}});
}

HttpResponse Api::targets(const View& view) {
  if (!view.report) return nothing_yet();
  Json all = Json::array();
  for (const TargetState& target : view.report->agent->targets) all.push_back(to_json(target));
  return json({{"targets", all}});
}

HttpResponse Api::alerts(const View& view) {
  const auto status = alerts_.status();
  if (!status) return refuse(503, "there are no alerts: enable_alerting is false, or the first interval is not over");
  return json(to_json(*status, parameter(view.request.query, "target")));
}

HttpResponse Api::dashboard(const View& view) {
  if (!view.report) return nothing_yet();
  const std::string length = parameter(view.request.query, "window");
  const Result<std::chrono::milliseconds> window =
      length.empty() ? Result<std::chrono::milliseconds>(view.settings->chart_window) : parse_duration(length);
  if (!window) return refuse(400, "window: " + window.error().message);
  const std::int64_t now = unix_ms();
  const std::string wanted = wanted_target(view.request, view.report);
  HistorySource source = store_ != nullptr ? source_of(*store_) : empty_source(wanted);
  const Result<std::string> target = choose_target(wanted, source, now - window->count(), now);
  // Without history, and in a target's first seconds, there is the present at least; a store with a fault is no empty
  // one.
  if (!target && target.error().code != ENOENT) return refuse(target.error());
  if ((!target || store_ == nullptr) && !is_configured(*view.report, wanted)) {
    return target ? refuse(404, "there is no target of that name; /api/v1/targets lists them") : refuse(target.error());
  }
  if (!target) source = empty_source(wanted);
  const std::string& name = target ? *target : wanted;
  const SharedSnapshot current = find_target(*view.report, name);
  const auto alerts = alerts_.status();
  const Result<Json> body = dashboard_json({name, current.get(), alerts.get(), window->count(), now},
                                           with_intervals(std::move(source), view.report));
  return body ? json(*body) : refuse(body.error());
}

namespace {

Status add_statements(Json& table, const Snapshot* current, Store* store) {
  static const std::map<std::string, TypeMetrics> kNone;
  const auto& types = current != nullptr ? current->query_metrics.query_type_breakdown : kNone;
  for (Json& type : table["types"]) {
    const auto name = type["name"].get<std::string>();
    const auto found = types.find(name);
    TypeText says;
    if (found != types.end() && found->second.statement) {
      says = {found->second.statement, found->second.session};
    } else if (store != nullptr && is_statement_type(name)) {
      const auto kept = store->statement(name);
      if (!kept) return kept.error();
      says = kept->value_or(TypeText{});
    }
    const ClientSession whose = says.session ? *says.session : ClientSession{};
    type["statement"] = says.text ? Json(*says.text) : Json(nullptr);
    type["database"] = whose.database.empty() ? Json(nullptr) : Json(whose.database);
    type["user"] = whose.user.empty() ? Json(nullptr) : Json(whose.user);
  }
  return Ok{};
}

}  // namespace

// As history, but in a target's first seconds, or without a store, the answer is an empty past. A fault of the store is
// told.
HttpResponse Api::of_past(const View& view, const PastAnswer& answer) {
  const std::string wanted = wanted_target(view.request, view.report);
  HistoryParameters parameters = view.request.query;
  if (!wanted.empty()) parameters["target"] = wanted;
  HistorySource source = store_ != nullptr ? source_of(*store_) : empty_source(wanted);
  if (const Result<std::string> known = choose_target(wanted, source); !known) {
    const bool is_new = known.error().code == ENOENT && view.report && is_configured(*view.report, wanted);
    if (!is_new) return refuse(known.error());
    source = empty_source(wanted);
  }
  const Result<Json> body = answer(parameters, with_intervals(std::move(source), view.report), unix_ms());
  return body ? json(*body) : refuse(body.error());
}

HttpResponse Api::charts(const View& view) { return of_past(view, chart_data_json); }

// What a statement says is known of those that ran since the attach, and of older ones by the store.
HttpResponse Api::types(const View& view) {
  return of_past(view, [&](const HistoryParameters& parameters, const HistorySource& source, std::int64_t now) {
    Result<Json> table = type_table_json(parameters, source, now);
    if (!table || !view.report) return table;
    const auto target = parameters.find("target");
    const SharedSnapshot current = target == parameters.end() ? nullptr : find_target(*view.report, target->second);
    if (Status added = add_statements(*table, current.get(), store_); !added) return Result<Json>(added.error());
    return table;
  });
}

HttpResponse Api::live(const View& view) {
  if (!view.report) return nothing_yet();
  const auto& targets = view.report->agent->targets;
  const std::string first = targets.empty() ? std::string() : targets.front().name;
  const std::string target = parameter(view.request.query, "target", first);
  if (view.request.accept.find("text/event-stream") == std::string::npos) {
    return json(live_json(*view.report, target, view.settings->page));
  }
  if (!view.settings->page.real_time) return refuse(404, "there are no events: enable_real_time is false");
  HttpResponse response;
  response.stream = live_stream(target);
  return response;
}

std::string Api::event_for(const std::string& stream) {
  std::unique_lock lock(mutex_);
  const std::shared_ptr<const Report> report = report_;
  const std::shared_ptr<const Settings> settings = settings_;
  lock.unlock();
  const std::string prefix = live_stream("");
  if (!report || !stream.starts_with(prefix)) return {};
  const Json event = live_json(*report, stream.substr(prefix.size()), settings->page);
  return event.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// The first request begins a recording; whoever asks again gets 202 until it is done, and then the graph.
HttpResponse Api::flame(const View& view) {
  if (view.request.method == "HEAD") {
    HttpResponse response = refuse(405, "only GET asks for a flame graph: it has one recorded");
    response.headers.emplace_back("Allow", "GET");
    return response;
  }
  if (!view.report) return nothing_yet();
  const Result<FlameQuery> asked = parse_flame_query(view.request.query, wanted_target(view.request, view.report));
  if (!asked) return refuse(asked.error());
  const Result<FlameAnswer> answer = answer_flame(flames_, *asked, mode_of(*view.report, asked->question.target));
  if (!answer) return refuse(answer.error());
  switch (answer->state) {
    case FlameAnswer::State::kDone:
      return text(flame_json(*answer->graph, answer->time_ms), kJsonType);
    case FlameAnswer::State::kUnknownTarget:
      return refuse(404, "there is no target of that name; /api/v1/targets lists them");
    case FlameAnswer::State::kRefused:
      return refuse(409, answer->reason);
    case FlameAnswer::State::kRecording:
      break;
  }
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(answer->left).count();
  return json({{"state", "recording"}, {"seconds_left", seconds}}, 202);
}

HttpResponse Api::queries(const View& view) {
  const auto body =
      queries_.answer(wanted_target(view.request, view.report), parameter(view.request.query, "type"), unix_ms());
  return body ? json(*body) : refuse(404, "there is no target of that name; /api/v1/targets lists them");
}

HttpResponse Api::flame_recordings(const View& view) {
  if (!view.report) return nothing_yet();
  const Result<FlameQuery> asked = parse_flame_query(view.request.query, wanted_target(view.request, view.report));
  if (!asked) return refuse(asked.error());
  const FlameSubject subject = asked->question.subject();
  if (!is_configured(*view.report, subject.target)) {
    return refuse(404, "there is no target of that name; /api/v1/targets lists them");
  }
  return json(recordings_json(subject, flames_.kept(subject)));
}

HttpResponse Api::agent(const View& view) {
  if (!view.report) return nothing_yet();
  return json(to_json(*view.report->agent));
}

}  // namespace outrider
