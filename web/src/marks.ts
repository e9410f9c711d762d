// What is marked in every chart: incidents, and when the target was down or stalled.
import type { Alerts, Notice } from "./api";
import type { Mark } from "./chart";
import type { Series } from "./series";

function incident(from: number, to: number, notice: Notice): Mark {
  return { from, to, kind: "incident", label: notice.name };
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
    if (!marks.has(notice.id)) marks.set(notice.id, incident(begin, ends.get(notice.id) ?? now, notice));
  }
  for (const notice of alerts.alerts) {
    if (notice.state === "firing") marks.set(notice.id, incident(Date.parse(notice.since), now, notice));
  }
  return [...marks.values()];
}

/** Stretches in which the target did not serve. */
export function outages(series: Series): Mark[] {
  const charts = series.charts;
  if (!charts) return [];
  const marks: Mark[] = [];
  for (const kind of ["down", "stalled"] as const) {
    const column = charts.columns[`${kind}_seconds`] ?? [];
    let open: Mark | null = null;
    column.forEach((value, i) => {
      const begin = charts.from + i * charts.step_seconds * 1000;
      if (!value) {
        open = null;
        return;
      }
      if (!open) marks.push((open = { from: begin, to: begin, kind, label: kind }));
      open.to = begin + charts.step_seconds * 1000;
    });
  }
  return marks;
}
