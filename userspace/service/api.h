// What the HTTP server answers: metrics, snapshots, history, health, the dashboard. Handlers read the last published
// report and the store; they never touch the sampling. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>

#include "userspace/config/config.h"
#include "userspace/export/influx_line.h"
#include "userspace/export/prometheus_text.h"
#include "userspace/history/history_view.h"
#include "userspace/http/message.h"
#include "userspace/model/report.h"
#include "userspace/service/alerting.h"
#include "userspace/service/flames.h"
#include "userspace/service/live.h"
#include "userspace/service/queries.h"
#include "userspace/store/store.h"

namespace outrider {

HistorySource source_of(Store& store);

class Api {
 public:
  /// All are borrowed. `store` may be null: history is then answered with the reason.
  Api(Store* store, const AlertBoard& alerts, Flames& flames, Queries& queries)
      : store_(store), alerts_(alerts), flames_(flames), queries_(queries) {}

  /// From the next request on.
  void configure(const Config& config);
  /// Returns the report before, for the caller to choose which thread frees it.
  std::shared_ptr<const Report> publish(std::shared_ptr<const Report> report);

  HttpResponse handle(const HttpRequest& request);
  /// As HttpEventOf: the event for the pages that listen to `stream`; empty: it is none of ours, or there is nothing to
  /// tell yet.
  std::string event_for(const std::string& stream);
  /// The answer takes the time of a disk, or of reading a process's memory, or of comparing large graphs.
  static bool takes_long(const HttpRequest& request);

 private:
  using Clock = std::chrono::steady_clock;
  using Json = nlohmann::ordered_json;

  struct Settings {
    bool prometheus = false;
    std::string format = "json";
    PrometheusOptions metrics;
    InfluxOptions lines;
    std::chrono::milliseconds chart_window{};
    PageSettings page;
    std::chrono::milliseconds longest_silence{};  ///< an older report means that sampling hangs
  };

  /// All that one request looks at.
  struct View {
    const HttpRequest& request;
    std::shared_ptr<const Settings> settings;
    std::shared_ptr<const Report> report;  ///< null: none yet
    Clock::time_point published;
  };

  using PastAnswer = std::function<Result<Json>(const HistoryParameters&, const HistorySource&, std::int64_t)>;

  struct Route {
    const char *path, *what;
    HttpResponse (Api::*answer)(const View& view);
    bool takes_long = false;
  };
  static const std::vector<Route>& routes();

  HttpResponse index(const View& view);
  HttpResponse page(const View& view);
  HttpResponse healthz(const View& view);
  HttpResponse readyz(const View& view);
  HttpResponse metrics(const View& view);
  HttpResponse snapshot(const View& view);
  HttpResponse history(const View& view);
  HttpResponse trends(const View& view);
  HttpResponse targets(const View& view);
  HttpResponse alerts(const View& view);
  HttpResponse dashboard(const View& view);
  HttpResponse agent(const View& view);
  HttpResponse live(const View& view);
  HttpResponse charts(const View& view);
  HttpResponse types(const View& view);
  HttpResponse of_past(const View& view, const PastAnswer& answer);
  HttpResponse flame(const View& view);
  HttpResponse queries(const View& view);
  HttpResponse flame_recordings(const View& view);

  Store* const store_;
  const AlertBoard& alerts_;
  Flames& flames_;
  Queries& queries_;
  std::mutex mutex_;
  std::shared_ptr<const Settings> settings_ = std::make_shared<Settings>();
  std::shared_ptr<const Report> report_;
  Clock::time_point published_;
};

}  // namespace outrider
