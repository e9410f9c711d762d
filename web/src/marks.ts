// What is marked in every chart: incidents, when the target was down or stalled, and its restarts.
import type { Alerts, Notice } from "./api";
import { h, setHidden } from "./dom";
import { moment, seconds, stretch } from "./format";
import type { Mark } from "./mark_signs";
import type { Series } from "./series";

const MOST_TOLD = 12;

/** `to` is undefined while it goes on. */
function incident(from: number, to: number | undefined, now: number, notice: Notice): Mark {
  return { from, to: to ?? now, kind: "incident", label: notice.name, goesOn: to === undefined };
}

/** Incidents from the notices: each from when it began to when it was over, or to the present. */
export function incidents(alerts: Alerts | null, now: number): Mark[] {
  if (!alerts) return [];
  const ends = new Map<string, number>();
  const marks = new Map<string, Mark>();
  for (const notice of alerts.recent) {
    if (notice.event === "resolved") ends.set(notice.id, Date.parse(notice.at ?? notice.since));
  }
  for (const notice of alerts.recent) {
    const begin = Date.parse(notice.since);
    if (!marks.has(notice.id)) marks.set(notice.id, incident(begin, ends.get(notice.id), now, notice));
  }
  for (const notice of alerts.alerts) {
    if (notice.state === "firing") marks.set(notice.id, incident(Date.parse(notice.since), undefined, now, notice));
  }
  return [...marks.values()];
}

/** An outage may begin and end within a step of a second. */
const NOT_ALL_MS = 2_000;

/** Stretches of whole steps in which the target did not serve, and for how long of them where that was not all the time. */
export function outages(series: Series): Mark[] {
  const charts = series.charts;
  if (!charts) return [];
  const marks: Mark[] = [];
  for (const kind of ["down", "stalled"] as const) {
    const column = charts.columns[`${kind}_seconds`] ?? [];
    let open: Mark | null = null;
    let lasted = 0;
    column.forEach((value, i) => {
      const begin = charts.from + i * charts.step_seconds * 1000;
      if (!value) {
        open = null;
        return;
      }
      if (!open) {
        marks.push((open = { from: begin, to: begin, kind, label: kind }));
        lasted = 0;
      }
      open.to = begin + charts.step_seconds * 1000;
      lasted += value;
      open.label = open.to - open.from - lasted * 1000 < NOT_ALL_MS ? kind : `${kind} for ${seconds(lasted)}`;
    });
  }
  return marks;
}

export function restarts(series: Series): Mark[] {
  return (series.charts?.restarts ?? []).map((at) => ({ from: at, to: at, kind: "restart", label: `restarted at ${moment(at)}` }));
}

function told(mark: Mark): string {
  if (mark.kind === "restart") return mark.label;
  return mark.goesOn ? `${mark.label}, since ${moment(mark.from)}` : `${mark.label}, ${stretch(mark.from, mark.to)}`;
}

/** The marks in words, each behind the sign that it has in the charts: their legend, and what a screen reader has of them. */
export class MarkList {
  private shown = "";
  readonly root = h("ul", { class: "marks", id: "marks", "aria-label": "Marked in the charts", hidden: true });

  set(marks: Mark[], range: [number, number]): void {
    const within = marks.filter((mark) => mark.to >= range[0] * 1000 && mark.from <= range[1] * 1000);
    within.sort((a, b) => b.from - a.from);
    const lines = within.slice(0, MOST_TOLD).map((mark) => ({ kind: mark.kind, text: told(mark) }));
    const text = JSON.stringify(lines);
    if (text === this.shown) return;
    this.shown = text;
    const left = within.length - lines.length;
    this.root.replaceChildren(...lines.map((line) => h("li", {}, h("span", { class: `sign ${line.kind}`, "aria-hidden": "true" }), line.text)),
      ...(left > 0 ? [h("li", {}, `and ${left} more`)] : []));
    setHidden(this.root, !lines.length);
  }
}
