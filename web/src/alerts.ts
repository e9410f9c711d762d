// The alerts page: what fires and what is pending, and why; what lately began and ended; how the channels do.
import type { Alerts, Channel, Notice } from "./api";
import { h, setHidden, setText } from "./dom";
import { FoldingTable, plain, type Cell, type Row } from "./folding_table";
import * as format from "./format";

const UNITS: [RegExp, (value: format.Maybe) => string][] = [
  [/_seconds$/, format.seconds], [/per_second/, format.rate], [/cpu_usage$|percent/, format.percent],
  [/_rate$|memory_usage$|disk_usage$|ratio|share|budget/, format.ratio], [/_mb$/, format.mebibytes],
];

function figure(metric: string, value: format.Maybe): string {
  const found = UNITS.find(([pattern]) => pattern.test(metric));
  return found ? found[1](value) : format.count(value);
}

function word(kind: string, name: string, text = name): Cell {
  return { key: text, make: () => h("span", { class: `${kind} ${name}` }, text) };
}

function limit(notice: Notice): string {
  if (notice.threshold !== null && notice.threshold !== undefined) return `limit ${figure(notice.metric, notice.threshold)}`;
  if (notice.expected !== null && notice.expected !== undefined) return `expected ${figure(notice.metric, notice.expected)}`;
  return format.NONE;
}

function why(notice: Notice): Cell {
  const lines = [notice.text, notice.cause && !notice.text.includes(notice.cause) ? `Moved most: ${notice.cause}` : "", notice.annotation];
  if (notice.state === "pending") lines.push("In breach, but not yet for as long as its rule says");
  return { key: JSON.stringify(lines), make: () => h("div", {}, ...lines.filter((line) => line !== "").map((line) => h("p", {}, line))) };
}

const what = (notice: Notice): string => notice.name + (notice.type ? ` (${notice.type})` : "");

/** What goes on of a rule is listed without its words; they are in what was told when it began. */
function withWords(notice: Notice, recent: Notice[]): Notice {
  const told = notice.text || !notice.id ? undefined : recent.find((each) => each.id === notice.id && each.event !== "resolved");
  return told ? { ...notice, text: told.text, cause: told.cause, annotation: told.annotation } : notice;
}

function activeRow(notice: Notice): Row {
  const state = notice.state ?? "";
  return {
    id: JSON.stringify([notice.id, notice.name, notice.target, notice.type]),
    cells: [word("state", state, notice.held ? `${state}, held` : state), word("severity", notice.severity), plain(what(notice)), plain(notice.target),
      plain(figure(notice.metric, notice.value)), plain(limit(notice)), plain(format.moment(Date.parse(notice.since))), why(notice)],
  };
}

function recentRow(notice: Notice): Row {
  const at = notice.at ?? notice.since;
  return {
    id: JSON.stringify([notice.id, notice.event, at]),
    cells: [plain(format.moment(Date.parse(at))), word("state", notice.event ?? ""), word("severity", notice.severity), plain(what(notice)),
      plain(notice.target), plain(figure(notice.metric, notice.value)), why(notice)],
  };
}

function channelRow(channel: Channel): Row {
  const { name, failing, sent, queued, failed, dropped } = channel;
  return { id: name, cells: [name, failing ? "failing" : "working", ...[sent, queued, failed, dropped].map(String), channel.last_error ?? format.NONE].map(plain) };
}

/** The page is about one target: green of this one says nothing of the others. */
function noteOf(active: Notice[], target: string, elsewhere: number): string {
  const firing = active.filter((each) => each.state === "firing").length;
  const here = active.length ? `${firing} firing, ${active.length - firing} pending` : `Nothing fires and nothing is pending${target ? ` for ${target}` : ""}`;
  return elsewhere ? `${here}; ${elsewhere} ${elsewhere === 1 ? "alert of other targets fires" : "alerts of other targets fire"}` : here;
}

export class AlertsPage {
  private readonly note = h("p", { class: "note", role: "status" });
  private readonly now = new FoldingTable("Now", ["state", "severity", "alert", "target", "value", "against", "since", "why"]);
  private readonly lately = new FoldingTable("Lately", ["at", "event", "severity", "alert", "target", "value", "why"]);
  private readonly channels = new FoldingTable("Channels", ["channel", "state", "sent", "queued", "failed", "dropped", "last error"]);
  readonly root = h("main", { id: "alerts", hidden: true }, h("h2", {}, "Alerts"), this.note, this.now.root, this.lately.root, this.channels.root);

  constructor() {
    this.refuse("");
  }

  refuse(reason: string): void {
    setText(this.note, reason);
    this.fill([], [], []);
  }

  /** `elsewhere`: alerts of other targets than `target` that fire. */
  set(alerts: Alerts, target: string, elsewhere: number): void {
    setText(this.note, noteOf(alerts.alerts, target, elsewhere));
    this.fill(alerts.alerts.map((each) => activeRow(withWords(each, alerts.recent))), alerts.recent.map(recentRow), alerts.channels.map(channelRow));
  }

  private fill(...rows: [now: Row[], lately: Row[], channels: Row[]]): void {
    [this.now, this.lately, this.channels].forEach((table, i) => {
      table.set(rows[i]!);
      setHidden(table.root, !rows[i]!.length);
    });
  }
}
