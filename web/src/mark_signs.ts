// How what is marked looks in a chart: a stretch is shaded with a bar on top, a restart is a dashed line below a triangle.
import type uPlot from "uplot";
import { themeColor } from "./dom";

/** A stretch, or with a restart a moment, that is marked in every chart. Unix milliseconds. */
export interface Mark { from: number; to: number; kind: "incident" | "down" | "stalled" | "restart"; label: string; goesOn?: boolean }

const BAR = 3;
const SIGN = 4;
const DASHES = [3, 3];

/** `range` is what the chart shows, in Unix seconds. */
export function drawMarks(plot: uPlot, marks: Mark[], range: [number, number]): void {
  plot.ctx.save();
  for (const mark of marks) {
    const from = Math.max(mark.from / 1000, range[0]);
    const to = Math.min(mark.to / 1000, range[1]);
    if (to < from) continue;
    const left = plot.valToPos(from, "x", true);
    if (mark.kind === "restart") drawMoment(plot, left);
    else drawStretch(plot, mark.kind, left, plot.valToPos(to, "x", true) - left);
  }
  plot.ctx.restore();
}

function drawStretch({ ctx, bbox }: uPlot, kind: string, left: number, length: number): void {
  const width = Math.max(length, 2 * devicePixelRatio);
  ctx.fillStyle = themeColor(`--mark-${kind}`);
  ctx.fillRect(left, bbox.top, width, bbox.height);
  ctx.fillStyle = themeColor(`--edge-${kind}`);
  ctx.fillRect(left, bbox.top - SIGN * devicePixelRatio, width, BAR * devicePixelRatio);
}

function drawMoment({ ctx, bbox }: uPlot, at: number): void {
  const size = SIGN * devicePixelRatio;
  ctx.strokeStyle = ctx.fillStyle = themeColor("--edge-restart");
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash(DASHES.map((each) => each * devicePixelRatio));
  ctx.beginPath();
  ctx.moveTo(at, bbox.top);
  ctx.lineTo(at, bbox.top + bbox.height);
  ctx.stroke();
  ctx.beginPath();
  ctx.moveTo(at - size, bbox.top - 2 * size);
  ctx.lineTo(at + size, bbox.top - 2 * size);
  ctx.lineTo(at, bbox.top);
  ctx.fill();
}
