// The top of the page: is it healthy, since when, what hurts, what is lost and what the watching costs.
import type { Audit, Charts, LiveEvent, Snapshot } from "./api";
import { h, setHidden, setLines, setText } from "./dom";
import * as format from "./format";

const STATES: Record<string, string> = { up: "up", stalled: "stalled", down: "down", unknown: "not known" };

const DEDUCTIONS: Record<string, (value: number) => string> = {
  response_time: format.seconds, error_rate: format.ratio, cpu: format.percent, memory: format.ratio, cache_hit_rate: format.ratio,
};

function figure(value: number, rule: string): string {
  const found = Object.entries(DEDUCTIONS).find(([name]) => rule.includes(name));
  return found ? found[1](value) : format.count(value);
}

function lossesText(current: Snapshot): string {
  const lost = Object.entries(current.losses)
    .filter((entry): entry is [string, number] => typeof entry[1] === "number" && entry[1] > 0);
  if (!lost.length) return "Nothing was lost";
  const total = lost.reduce((sum, [, number]) => sum + number, 0);
  return `${format.count(total)} ${total === 1 ? "loss" : "losses"}: ${lost.map(([reason, number]) => `${reason.replaceAll("_", " ")} ${format.count(number)}`).join(", ")}`;
}

function auditText(audit: Audit | null | undefined): string {
  if (!audit) return "";
  if (audit.error) return `Not audited: ${audit.error}`;
  if (!audit.comparison) return "The engine's own count is asked for";
  const { since_ms: since, engine_queries: queries, difference, uncertainty } = audit.comparison;
  const of = `the ${format.count(queries)} ${queries === 1 ? "query" : "queries"} that the engine itself counted since ${format.moment(since)}`;
  const within = `(to within ${format.count(uncertainty)}: the two are never read at one moment)`;
  if (difference === 0) return `All of ${of} were seen ${within}`;
  return difference > 0 ? `${format.count(difference)} of ${of} were not seen ${within}` : `${format.count(-difference)} more were seen than ${of} ${within}`;
}

function costText(current: Snapshot): string {
  const { percent_of_target_cpu: percent, ns_per_query: ns, mode, sampled_share: share } = current.overhead;
  if (mode === "paused") return "Probes are off just now, to keep within the budget";
  const known = percent !== null && percent !== undefined;
  let text = known ? `Watching costs this engine about ${format.percent(percent)} of its CPU` : "What watching costs this engine is not known yet";
  if (ns !== null && ns !== undefined) text += `, ${format.seconds(ns / 1e9)} a query`;
  if (mode === "light") text += "; light mode: no waits";
  if (share < 1) text += `; ${format.ratio(share)} of the interval was seen`;
  return text;
}

class Card {
  readonly value = h("p", { class: "big" });
  readonly detail = h("p", { class: "detail" });
  readonly root: HTMLElement;

  constructor(id: string, private readonly title: string, ...more: HTMLElement[]) {
    this.root = h("section", { class: "card", id: `card-${id}`, "aria-label": title }, h("h2", {}, title), this.value, this.detail, ...more);
  }

  set(value: string, detail: string, level = ""): void {
    setText(this.value, value);
    setText(this.detail, detail);
    if (this.root.dataset["level"] !== level) this.root.dataset["level"] = level;
  }

  /** Its value is of an earlier interval, as `note` says; "": of the newest. */
  hold(note: string): void {
    if (this.root.title === note) return;
    this.root.title = note;
    this.root.setAttribute("aria-label", note ? `${this.title}, ${note}` : this.title);
    this.root.classList.toggle("held", note !== "");
  }
}

export class Summary {
  private readonly deductions = h("ul", { class: "deductions" });
  private readonly state = new Card("state", "State");
  private readonly health = new Card("health", "Health", this.deductions);
  private readonly response = new Card("response", "Response time");
  private readonly throughput = new Card("throughput", "Throughput");
  private readonly errors = new Card("errors", "Errors");
  private readonly availability = new Card("availability", "Uptime");
  private readonly alerts = new Card("alerts", "Alerts");
  private readonly cost = h("p", { id: "cost" });
  private readonly losses = h("p", { id: "losses" });
  private readonly audit = h("p", { id: "audit" });
  private readonly unavailable = h("ul", {});
  private readonly missing = h("details", { class: "missing", hidden: true }, h("summary", {}, "What cannot be had, and why"), this.unavailable);
  private trend = "";
  private last: LiveEvent | null = null;
  /** The newest interval with probes on. Where the budget allows them now and then, most intervals say nothing of queries. */
  private probed: Snapshot | null = null;

  readonly root = h("div", { class: "summary" },
    h("div", { class: "cards" }, this.state.root, this.health.root, this.response.root, this.throughput.root, this.errors.root, this.availability.root, this.alerts.root),
    h("div", { class: "words" }, this.cost, this.losses, this.audit, this.missing));

  update(event: LiveEvent): void {
    this.last = event;
    this.updateState(event);
    this.updateAlerts(event);
    setText(this.audit, auditText(event.state?.audit));
    const current = event.current;
    this.root.classList.toggle("stale", !current || event.time - Date.parse(current.timestamp) > 5_000 + 3_000 * current.interval_seconds);
    if (current) this.updateFigures(current);
    else this.clearFigures();
  }

  setTrend(trend: Charts["health_trend"] | null): void {
    const change = trend?.change;
    const size = change ? ` (${change > 0 ? "+" : "−"}${format.ratio(Math.abs(change))})` : "";
    this.trend = trend ? `${trend.direction}${trend.significant ? size : ""}` : "";
    if (this.last) this.update(this.last);
  }

  /** Another target is to be shown, of which nothing is known yet. */
  clear(): void {
    this.last = null;
    this.probed = null;
    this.trend = "";
    setText(this.audit, "");
    for (const card of [this.state, this.availability, this.alerts]) card.set(format.NONE, "");
    this.clearFigures();
  }

  private updateState(event: LiveEvent): void {
    const state = event.state?.availability.state ?? "unknown";
    const processes = event.state?.processes ?? 0;
    const uptime = event.current?.target_metrics["uptime_seconds"];
    const detail = event.state?.error ?? (state === "up" && uptime ? `for ${format.seconds(uptime)}, ${processes} process${processes === 1 ? "" : "es"}` : `${processes} processes`);
    this.state.set(STATES[state] ?? state, detail, state === "up" ? "good" : state === "unknown" ? "" : "bad");
    const availability = event.state?.availability;
    const objective = event.state?.availability_objective;
    const budget = availability?.error_budget_left;
    this.availability.set(format.availability(availability?.ratio_24h),
      `24 h; 30 d: ${format.availability(availability?.ratio_30d)}; error budget left: ${format.ratio(budget)}${objective ? ` (objective ${format.availability(objective)})` : ""}`,
      budget !== null && budget !== undefined && budget <= 0 ? "bad" : "");
  }

  private updateAlerts(event: LiveEvent): void {
    if (!event.alerts) {
      this.alerts.set(format.NONE, "alerting is off, or has not begun");
      return;
    }
    const { firing, pending, elsewhere, active } = event.alerts;
    const first = active.find((alert) => alert.state === "firing");
    const here = first ? `firing: ${first.name}${first.type ? ` (${first.type})` : ""}${firing > 1 ? ", ..." : ""}` : pending ? `firing; ${pending} pending` : "firing, none pending";
    const others = elsewhere ? `; ${elsewhere} of other targets ${elsewhere === 1 ? "fires" : "fire"}` : "";
    this.alerts.set(String(firing), here + others, firing ? "bad" : elsewhere ? "warn" : "good");
  }

  private updateFigures(current: Snapshot): void {
    if (current.overhead.mode !== "paused") this.probed = current;
    const looked = this.probed ?? current;
    const queries = looked.query_metrics;
    const held = looked === current ? "" : `of the last interval with probes on, ${format.moment(Date.parse(looked.timestamp))}`;
    for (const card of [this.response, this.throughput, this.errors]) card.hold(held);
    const score = current.health_score;
    this.health.set(`${format.count(score)} / 100`, this.trend, score >= 80 ? "good" : score >= 50 ? "warn" : "bad");
    setLines(this.deductions, current.health_deductions.map((each) =>
      `−${each.penalty} ${each.rule.replaceAll("_", " ")}: ${figure(each.value, each.rule)} (limit ${figure(each.threshold, each.rule)})`));
    this.response.set(format.seconds(queries["p99_response_time_seconds"]),
      `p99; average ${format.seconds(queries["avg_response_time_seconds"])}, p95 ${format.seconds(queries["p95_response_time_seconds"])}`);
    this.throughput.set(format.rate(queries["queries_per_second"]),
      `${format.rate(queries["queries_per_second_5m"])} over 5 min; ${format.count(queries["current_concurrent"])} in flight; ${queries.total_queries.toLocaleString("en")} in all`);
    const rate = queries["error_rate"];
    this.errors.set(format.ratio(rate), `${format.count(queries["failed_queries"])} failed, ${format.count(queries["abandoned_queries"])} abandoned since the attach`, rate && rate > 0.05 ? "bad" : "");
    setText(this.cost, costText(current));
    setText(this.losses, lossesText(current));
    const unavailable = current.losses["unavailable"];
    const lines = Array.isArray(unavailable) ? unavailable : [];
    setHidden(this.missing, !lines.length);
    setLines(this.unavailable, lines);
  }

  private clearFigures(): void {
    for (const card of [this.health, this.response, this.throughput, this.errors]) card.set(format.NONE, "no figures yet");
    for (const card of [this.response, this.throughput, this.errors]) card.hold("");
    this.deductions.replaceChildren();
    setText(this.cost, "");
    setText(this.losses, "");
    setHidden(this.missing, true);
  }
}
