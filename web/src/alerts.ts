// The alerts page: what fires and what is pending, and why; what lately began and ended; how the channels do.
import type { Alerts, Channel, Notice } from "./api";
import { h, setText, type Child } from "./dom";
import { foldingTable } from "./folding_table";
import * as format from "./format";

const UNITS: [RegExp, (value: format.Maybe) => string][] = [
  [/_seconds$/, format.seconds], [/per_second/, format.rate], [/cpu_usage$|percent/, format.percent],
  [/_rate$|memory_usage$|disk_usage$|ratio|share|budget/, format.ratio], [/_mb$/, format.mebibytes],
];

function figure(metric: string, value: format.Maybe): string {
  const found = UNITS.find(([pattern]) => pattern.test(metric));
  return found ? found[1](value) : format.count(value);
}

function severity(name: string): HTMLElement {
  return h("span", { class: `severity ${name}` }, name);
}

function limit(notice: Notice): string {
  if (notice.threshold !== null && notice.threshold !== undefined) return `limit ${figure(notice.metric, notice.threshold)}`;
  if (notice.expected !== null && notice.expected !== undefined) return `expected ${figure(notice.metric, notice.expected)}`;
  return format.NONE;
}

function why(notice: Notice): HTMLElement {
  const lines = [notice.text, notice.cause && !notice.text.includes(notice.cause) ? `Moved most: ${notice.cause}` : "", notice.annotation];
  if (notice.state === "pending") lines.push("In breach, but not yet for as long as its rule says");
  return h("div", {}, ...lines.filter((line) => line !== "").map((line) => h("p", {}, line)));
}

const what = (notice: Notice): string => notice.name + (notice.type ? ` (${notice.type})` : "");

/** What goes on of a rule is listed without its words; they are in what was told when it began. */
function withWords(notice: Notice, recent: Notice[]): Notice {
  const told = notice.text || !notice.id ? undefined : recent.find((each) => each.id === notice.id && each.event !== "resolved");
  return told ? { ...notice, text: told.text, cause: told.cause, annotation: told.annotation } : notice;
}

function activeRow(notice: Notice): Child[] {
  const state = `${notice.state ?? ""}${notice.held ? ", held" : ""}`;
  return [h("span", { class: `state ${notice.state ?? ""}` }, state), severity(notice.severity), what(notice), notice.target,
    figure(notice.metric, notice.value), limit(notice), format.moment(Date.parse(notice.since)), why(notice)];
}

function recentRow(notice: Notice): Child[] {
  return [format.moment(Date.parse(notice.at ?? notice.since)), h("span", { class: `state ${notice.event ?? ""}` }, notice.event ?? ""),
    severity(notice.severity), what(notice), notice.target, figure(notice.metric, notice.value), why(notice)];
}

function channelRow(channel: Channel): Child[] {
  return [channel.name, channel.failing ? "failing" : "working", String(channel.sent), String(channel.queued), String(channel.failed), String(channel.dropped), channel.last_error ?? format.NONE];
}

/** The page is about one target: green of this one says nothing of the others. */
function noteOf(active: Notice[], target: string, elsewhere: number): string {
  const firing = active.filter((each) => each.state === "firing").length;
  const here = active.length ? `${firing} firing, ${active.length - firing} pending` : `Nothing fires and nothing is pending${target ? ` for ${target}` : ""}`;
  return elsewhere ? `${here}; ${elsewhere} ${elsewhere === 1 ? "alert of other targets fires" : "alerts of other targets fire"}` : here;
}

export class AlertsPage {
  private readonly note = h("p", { class: "note", role: "status" });
  private readonly tables = h("div", {});
  private shown = "";
  readonly root = h("main", { id: "alerts", hidden: true }, h("h2", {}, "Alerts"), this.note, this.tables);

  refuse(reason: string): void {
    setText(this.note, reason);
    this.tables.replaceChildren();
    this.shown = "";
  }

  /** `elsewhere`: alerts of other targets than `target` that fire. */
  set(alerts: Alerts, target: string, elsewhere: number): void {
    setText(this.note, noteOf(alerts.alerts, target, elsewhere));
    // Nothing is drawn anew under somebody's cursor unless it changed.
    const text = JSON.stringify(alerts);
    if (text === this.shown) return;
    this.shown = text;
    const parts: HTMLElement[] = [];
    if (alerts.alerts.length) parts.push(foldingTable("Now", ["state", "severity", "alert", "target", "value", "against", "since", "why"], alerts.alerts.map((each) => activeRow(withWords(each, alerts.recent)))));
    if (alerts.recent.length) parts.push(foldingTable("Lately", ["at", "event", "severity", "alert", "target", "value", "why"], alerts.recent.map(recentRow)));
    if (alerts.channels.length) parts.push(foldingTable("Channels", ["channel", "state", "sent", "queued", "failed", "dropped", "last error"], alerts.channels.map(channelRow)));
    this.tables.replaceChildren(...parts);
  }
}
