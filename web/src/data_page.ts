// The raw data: a link to everything that the agent serves about what is looked at.
import { address } from "./api";
import { h } from "./dom";
import { spanParameters, type View } from "./view";

const METRICS = "qps,avg,p50,p95,p99,error_rate,cache_hit_rate";

export class DataPage {
  private readonly list = h("dl", { class: "links" });
  readonly root = h("main", { id: "data", hidden: true }, h("h2", {}, "Raw data"),
    h("p", { class: "note" }, "What this page draws, and what other programs read. Field names and units are the same everywhere."), this.list);

  show(view: View): void {
    const target = view.target;
    const span = spanParameters(view.span);
    const of = { target, type: view.type, ...span };
    const links: [string, string, string][] = [
      ["Newest figures, JSON", address("/api/v1/snapshot", { target, format: "json" }), "one object, as the command line prints it"],
      ["Newest figures, Prometheus", address("/api/v1/snapshot", { target, format: "prometheus" }), "text exposition format"],
      ["Newest figures, InfluxDB", address("/api/v1/snapshot", { target, format: "influxdb" }), "line protocol"],
      ["History, JSON", address("/api/v1/history", { ...of, metric: METRICS }), "of the window and type shown"],
      ["History, CSV", address("/api/v1/history", { ...of, metric: METRICS, format: "csv" }), "the same, for a spreadsheet"],
      ["Charts", address("/api/v1/charts", of), "the columns and the heat map that the charts are drawn from"],
      ["Query types", address("/api/v1/types", { target, ...span }), "the table, and the same window before"],
      ["Single queries", address("/api/v1/queries", { target, type: view.type }), "those in flight for long, with their stacks, and the slowest that ended"],
      ["Trends", address("/api/v1/trends", { target }), "what changed, and whether it is more than noise"],
      ["Alerts", address("/api/v1/alerts", { target }), "what is pending, fires, and lately did"],
      ["Targets", "/api/v1/targets", "what is watched, and what could not be"],
      ["The agent", "/api/v1/agent", "what it costs, what it lost, how its exports do"],
      ["Metrics", "/metrics", "for Prometheus to scrape; 404 where export_prometheus is off"],
      ["Everything that is served", "/api/v1/", "a list"],
    ];
    this.list.replaceChildren(...links.flatMap(([name, href, text]) => [
      h("dt", {}, h("a", { href, target: "_blank", rel: "noopener" }, name)), h("dd", {}, text, h("code", {}, href)),
    ]));
  }
}
