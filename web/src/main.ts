// The dashboard: puts the parts together and lets what the agent says flow through them.
import { get, Refusal, whose, type Alerts, type Charts, type LiveEvent, type TypeTable } from "./api";
import { AlertsPage } from "./alerts";
import { BlockingPanel } from "./blocking";
import { ChartBoard } from "./charts";
import { DataPage } from "./data_page";
import { h, setHidden, setText, shown } from "./dom";
import { FlamePanel } from "./flame";
import { moment } from "./format";
import { Live, type Status } from "./live";
import { incidents, outages, restarts } from "./marks";
import { QueriesPanel } from "./queries";
import { Series } from "./series";
import { Summary } from "./summary";
import { TypesTable } from "./table";
import { themeSwitch } from "./theme";
import { Toolbar } from "./toolbar";
import { limits, link, onView, setView, spanIsChosen, spanParameters, view, type Page, type View } from "./view";

const STATUS: Record<Status, string> = { connecting: "connecting", live: "live", polling: "live, by asking", lost: "connection lost" };
const PAGES: [Page, string][] = [["overview", "Overview"], ["alerts", "Alerts"], ["data", "Raw data"]];
const SOONEST_MS = 5_000;
const LATEST_MS = 60_000;
const ALERTS_EVERY_MS = 5_000;
/** More than can be on the page at a time. */
const MOST_STATEMENTS = 2_000;

/** The same question may be answered later, unless it is wrong or is about what is not there. */
function mayPass(error: unknown): boolean {
  return !(error instanceof Refusal && (error.status === 400 || error.status === 404));
}

class App {
  private readonly series = new Series();
  private readonly summary = new Summary();
  private readonly toolbar = new Toolbar(() => this.now());
  private readonly board = new ChartBoard({ zoom: (from, to) => this.toolbar.zoomTo(from, to), reset: () => this.toolbar.toNow() });
  private readonly table = new TypesTable((type) => setView({ type }));
  /** What the types say that are statements. */
  private readonly statements = new Map<string, string>();
  private readonly blocking = new BlockingPanel(this.statements);
  private readonly queries = new QueriesPanel(this.statements);
  private readonly flames = new FlamePanel();
  private readonly alertsPage = new AlertsPage();
  private readonly dataPage = new DataPage();
  private readonly picker = h("select", { id: "target", "aria-label": "Target", change: () => setView({ target: this.picker.value, type: "" }) });
  private readonly status = h("span", { id: "connection", role: "status" });
  private readonly banner = h("p", { id: "banner", role: "alert", hidden: true });
  private readonly tabs = PAGES.map(([page, name]) => h("a", { href: "#", "data-page": page }, name));
  private readonly overview = h("main", { id: "overview" }, this.summary.root, this.toolbar.root, this.board.root, this.table.root, this.blocking.root, this.queries.root, this.flames.root);
  private readonly live = new Live((event) => this.onEvent(event), (status, reason) => this.onStatus(status, reason));
  private last: LiveEvent | null = null;
  private alerts: Alerts | null = null;
  private asked = new AbortController();
  private timer = 0;
  private title = "Outrider";
  /** Of the agent that this page came from, or the next one. */
  private version = "";
  private refusal = "";
  /** Why the table of types is not of what was asked for. */
  private typesRefusal = "";

  start(): void {
    const theme = themeSwitch(() => this.board.retheme());
    document.body.append(
      h("header", {}, h("h1", {}, "Outrider"), this.picker, h("nav", { "aria-label": "Pages" }, ...this.tabs), this.status, theme),
      this.banner, this.overview, this.alertsPage.root, this.dataPage.root);
    this.board.root.addEventListener("keydown", (event) => {
      const other = event.ctrlKey || event.altKey || event.metaKey || !(event.target as Element).matches("figure");
      if (!other && this.toolbar.key(event.key)) event.preventDefault();
    });
    document.addEventListener("visibilitychange", () => {
      this.live.visibilityChanged();
      this.showQueries();
      if (!document.hidden) this.reload();
    });
    onView((next, before) => this.onView(next, before));
    setInterval(() => void this.loadAlerts(), ALERTS_EVERY_MS);
    this.showPage();
    this.live.watch(view().target);
  }

  /** The agent's present: its clock, not the browser's, is what the history is kept by. */
  private now(): number {
    return this.last?.time ?? Date.now();
  }

  private range(): [number, number] {
    const [from, to] = limits(view().span, this.now());
    return [from / 1000, to / 1000];
  }

  private onEvent(event: LiveEvent): void {
    const added = event.target === "" ? event.targets[0] : undefined;
    if (added) { // nothing was watched when the page was opened, and now something is
      this.live.watch(added.name);
      return;
    }
    const first = this.last === null || this.last.target !== event.target;
    this.last = event;
    this.version ||= event.agent.version;
    if (!spanIsChosen()) setView({ target: event.target, span: { live: true, seconds: event.page.window_seconds } });
    else if (view().target !== event.target) setView({ target: event.target });
    this.updatePicker(event);
    this.updateBanner(event);
    this.summary.update(event);
    this.series.append(event, view().type);
    this.noteStatements(Object.entries(event.current?.query_metrics.query_type_breakdown ?? {}));
    if (event.current) this.blocking.hear(event.current);
    if (first) this.reload();
    else if (view().span.live && view().page === "overview" && !document.hidden) this.draw();
    // How new what is on the screen is: until when queries are counted.
    document.documentElement.dataset["shown"] = String(event.current ? Date.parse(event.current.timestamp) : event.time);
  }

  private onStatus(status: Status, reason: string): void {
    setText(this.status, reason ? `${STATUS[status]}: ${reason}; trying again` : STATUS[status]);
    this.status.dataset["status"] = status;
    document.body.classList.toggle("lost", status === "lost");
    this.showTitle();
    if (!this.last && status === "lost") this.showBanner(reason);
  }

  private noteStatements(types: [string, { statement?: string | null; database?: string | null; user?: string | null }][]): void {
    for (const [name, type] of types) {
      if (!type.statement) continue;
      this.statements.delete(name); // so that the one longest unseen comes first
      this.statements.set(name, whose(type) ? `${whose(type)}: ${type.statement}` : type.statement);
    }
    for (const name of this.statements.keys()) {
      if (this.statements.size <= MOST_STATEMENTS) break;
      this.statements.delete(name);
    }
  }

  private updatePicker(event: LiveEvent): void {
    const named = event.targets.some((each) => each.name === event.target);
    const targets = named || event.target === "" ? event.targets : [...event.targets, { name: event.target, state: "gone", attached: false, health_score: null }];
    const labels = targets.map((each) => `${each.name} (${each.state})`);
    const options = [...this.picker.options];
    if (options.length !== targets.length || options.some((option, i) => option.value !== targets[i]!.name)) {
      this.picker.replaceChildren(...targets.map((each, i) => h("option", { value: each.name }, labels[i]!)));
    } else {
      options.forEach((option, i) => setText(option, labels[i]!));
    }
    if (this.picker.value !== event.target) this.picker.value = event.target;
    const firing = event.alerts?.firing ?? 0;
    setText(this.tabs[1]!, firing ? `Alerts (${firing})` : "Alerts");
    const elsewhere = event.alerts?.elsewhere ?? 0;
    const alerts = [firing ? String(firing) : "", elsewhere ? `${elsewhere} elsewhere` : ""].filter((each) => each !== "").join(", ");
    this.title = `${alerts ? `(${alerts}) ` : ""}${event.target || "Outrider"} – Outrider`;
    this.showTitle();
  }

  /** All that is seen of a page in the background: it says too when it knows nothing. */
  private showTitle(): void {
    const title = shown(`${this.status.dataset["status"] === "lost" ? "(no connection) " : ""}${this.title}`);
    if (document.title !== title) document.title = title; // the browser's window hears of each time it is set
  }

  private showBanner(text: string): void {
    setText(this.banner, text);
    setHidden(this.banner, text === "");
  }

  private updateBanner(event: LiveEvent): void {
    if (!event.targets.length) this.showBanner("Nothing is watched: add a [[targets]] to the configuration and reload the agent.");
    else if (!event.state) this.showBanner(`${event.target} is no longer watched: it is not in the agent's configuration. Choose another target above.`);
    else if (event.state.error) this.showBanner(`${event.target} is not attached: ${event.state.error}`);
    else if (!event.current) this.showBanner(`No figures of ${event.target} yet: the first interval is not over.`);
    else if (event.agent.version !== this.version) this.showBanner(`The agent is of version ${event.agent.version} now: reload this page, which is of ${this.version}.`);
    else this.showBanner("");
  }

  private onView(next: View, before: View): void {
    this.showPage();
    const elsewhere = next.target !== before.target && next.target !== this.last?.target;
    if (elsewhere || next.type !== before.type) this.series.clear();
    if (elsewhere) this.forget();
    else if (this.last) this.reload();
  }

  /** Another target is chosen: nothing of the one before stays under the new name, nor comes late. */
  private forget(): void {
    this.asked.abort();
    clearTimeout(this.timer);
    this.last = null;
    this.alerts = null;
    this.refusal = "";
    this.typesRefusal = "";
    this.summary.clear();
    this.table.set(null);
    this.statements.clear();
    this.blocking.clear();
    this.alertsPage.refuse("");
    this.draw();
    this.board.drawHeat(null, this.range());
    this.live.watch(view().target);
  }

  private showPage(): void {
    const current = view();
    setHidden(this.overview, current.page !== "overview");
    setHidden(this.alertsPage.root, current.page !== "alerts");
    setHidden(this.dataPage.root, current.page !== "data");
    for (const tab of this.tabs) {
      const page = tab.dataset["page"] as Page;
      tab.setAttribute("href", link({ ...current, page }));
      if (page === current.page) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    }
    this.table.select(current.type);
    this.blocking.select(current.type);
    this.showQueries();
    this.flames.show(current.target, current.type);
    this.toolbar.update(this.note());
    if (current.page === "data") this.dataPage.show(current);
  }

  private showQueries(): void {
    const { target, type, page } = view();
    this.queries.show(target, type, page === "overview" && !document.hidden);
  }

  /** What of the window there is no history of. */
  private note(): string {
    if (this.refusal || this.typesRefusal) return this.refusal || this.typesRefusal;
    if (this.last && !this.last.agent.history) return "no history is kept";
    if (this.last?.agent.history_error) return `history is not written: ${this.last.agent.history_error}`;
    const first = this.series.firstMs();
    const [from] = this.range();
    const step = (this.series.charts?.step_seconds ?? 0) * 1000;
    if (first === null || first - from * 1000 < Math.max(3 * step, 5_000)) return "";
    return `there is nothing before ${moment(first)}`;
  }

  private draw(): void {
    const { span, type } = view();
    const range = this.range();
    this.board.mark([...outages(this.series), ...incidents(this.alerts, this.now()), ...restarts(this.series)], range);
    this.board.draw(this.series, range, span.live, type);
  }

  /** Asks for everything that the page shows, and again after a while where it is the present or was not answered. */
  private reload(): void {
    this.asked.abort();
    this.asked = new AbortController();
    void this.loadAll(this.asked.signal);
  }

  /** `again`: what is on the screen is of the same question, and events draw what is new. */
  private async loadAll(signal: AbortSignal, again = false): Promise<void> {
    clearTimeout(this.timer);
    const { page, span, target } = view();
    if (target === "") return; // nothing is watched, so there is nothing to ask for
    if (page === "alerts" || !this.alerts) await this.loadAlerts();
    let failed = false;
    if (page === "overview" && !document.hidden) {
      const noCharts = await this.loadCharts(signal, again);
      const noTypes = await this.loadTypes(signal);
      failed = noCharts || noTypes;
    }
    if (signal.aborted || !(span.live || failed)) return;
    const step = (this.series.charts?.step_seconds ?? 1) * 1000;
    // Of a fixed span no event draws anything.
    this.timer = window.setTimeout(() => void this.loadAll(signal, span.live), Math.min(Math.max(step, SOONEST_MS), LATEST_MS));
  }

  /** True: there was no answer, and there may be one later. */
  private async loadCharts(signal: AbortSignal, again: boolean): Promise<boolean> {
    const { target, type, span } = view();
    let failed = false;
    try {
      const charts = await get<Charts>("/api/v1/charts", { target, type, ...spanParameters(span) }, signal);
      if (signal.aborted) return false;
      this.refusal = "";
      this.series.take(charts, span.live ? this.now() : null);
      this.summary.setTrend(span.live ? charts.health_trend : null); // beside the present score
    } catch (error) {
      if (signal.aborted) return false;
      this.summary.setTrend(null);
      this.refusal = error instanceof Refusal ? error.message : "the history could not be read";
      failed = mayPass(error);
    }
    this.toolbar.update(this.note());
    if (!again) this.draw();
    this.board.drawHeat(this.series.charts, this.range());
    return failed;
  }

  /** As loadCharts. */
  private async loadTypes(signal: AbortSignal): Promise<boolean> {
    const { target, span } = view();
    let failed = false;
    try {
      const table = await get<TypeTable>("/api/v1/types", { target, ...spanParameters(span) }, signal);
      if (signal.aborted) return false;
      this.typesRefusal = "";
      this.noteStatements(table.types.map((type) => [type.name, type]));
      this.table.set(table);
    } catch (error) {
      if (signal.aborted) return false;
      this.typesRefusal = error instanceof Refusal ? error.message : "the table of types could not be read";
      failed = mayPass(error);
    }
    this.toolbar.update(this.note());
    return failed;
  }

  private async loadAlerts(): Promise<void> {
    const target = view().target;
    if (document.hidden || !this.last) return;
    try {
      const alerts = await get<Alerts>("/api/v1/alerts", { target });
      if (target !== view().target) return;
      this.alerts = alerts;
      this.alertsPage.set(alerts, target, this.last?.alerts?.elsewhere ?? 0);
    } catch (error) {
      if (target !== view().target) return;
      this.alerts = null;
      this.alertsPage.refuse(error instanceof Refusal ? error.message : "the alerts could not be read");
    }
  }
}

new App().start();
