// The latency heat map: a column a step, a row a quarter of an octave, darker (on dark ground: brighter) with more
// queries. One hue, so that only lightness has to be told apart.
import type uPlot from "uplot";
import type { Charts } from "./api";
import type { TimeChart } from "./chart";
import { themeColor } from "./dom";
import { clock, count, seconds } from "./format";

export class HeatMap {
  private charts: Charts | null = null;
  private most = 1;
  private highest = 1e-3;
  private lowest = 1e-6;

  constructor(private readonly chart: TimeChart) {
    chart.yRange = () => [this.lowest, this.highest];
    chart.legendText = (plot, index) => this.textAt(plot, index);
  }

  set(charts: Charts | null, range: [number, number]): void {
    this.charts = charts;
    const edges = charts?.heat_map.lower_seconds ?? [];
    this.chart.under = edges.length > 1 ? (plot) => this.draw(plot) : null;
    if (!charts || edges.length < 2) {
      this.chart.set([], [], [], range);
      return;
    }
    this.lowest = Math.max(edges[0]!, 1e-8);
    this.highest = edges.at(-1)!;
    this.most = 1;
    for (const column of charts.heat_map.columns) {
      for (let i = 1; i < (column?.length ?? 0); i += 2) this.most = Math.max(this.most, column![i]!);
    }
    const times = charts.heat_map.columns.map((_, i) => charts.from / 1000 + i * charts.step_seconds);
    // uPlot wants a line to have a scale; nothing of it is seen.
    const line = [{ key: "heat", label: "queries", color: "--ink-soft", width: 0 }];
    this.chart.set(times, line, [times.map(() => null)], range);
  }

  private draw(plot: uPlot): void {
    const charts = this.charts;
    if (!charts) return;
    const { ctx, bbox } = plot;
    const edges = charts.heat_map.lower_seconds;
    const tops = edges.map((edge) => plot.valToPos(Math.max(edge, this.lowest), "y", true));
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.fillStyle = themeColor("--heat");
    charts.heat_map.columns.forEach((column, i) => {
      if (!column) return;
      const begin = charts.from / 1000 + i * charts.step_seconds;
      const left = plot.valToPos(begin, "x", true);
      const width = Math.max(plot.valToPos(begin + charts.step_seconds, "x", true) - left, 1);
      for (let k = 0; k + 1 < column.length; k += 2) {
        const row = column[k]!;
        ctx.globalAlpha = 0.12 + 0.88 * (Math.log(column[k + 1]! + 1) / Math.log(this.most + 1));
        ctx.fillRect(left, tops[row + 1]!, width + 0.5, tops[row]! - tops[row + 1]!);
      }
    });
    ctx.restore();
  }

  private textAt(plot: uPlot, index: number | null): string {
    const charts = this.charts;
    const top = plot.cursor.top ?? -1;
    if (!charts || index === null || top < 0) return `darkest: ${count(this.most)} queries`;
    const column = charts.heat_map.columns[index];
    const value = plot.posToVal(top, "y");
    const edges = charts.heat_map.lower_seconds;
    const row = edges.findIndex((edge, i) => value >= edge && value < (edges[i + 1] ?? Infinity));
    let found = 0;
    for (let k = 0; column && k + 1 < column.length; k += 2) if (column[k] === row) found = column[k + 1]!;
    const when = clock((charts.from / 1000 + index * charts.step_seconds) * 1000);
    if (!column) return `${when}: not watched`;
    if (row < 0 || row + 1 >= edges.length) return when;
    return `${when}: ${count(found)} of ${seconds(edges[row])} to ${seconds(edges[row + 1])}`;
  }
}
