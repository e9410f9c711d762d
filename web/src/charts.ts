// All charts: which there are, what each draws, and the one span of time that they share.
import type { Charts } from "./api";
import { TimeChart, type ChartEvents, type ChartSpec, type Line } from "./chart";
import { forgetThemeColors, h } from "./dom";
import * as format from "./format";
import type { Maybe } from "./format";
import { HeatMap } from "./heat";
import type { Mark } from "./mark_signs";
import { MarkList } from "./marks";
import type { Drawn, Series } from "./series";
import { waitColor, WAIT_LABELS, WAITS } from "./waits";

interface Definition {
  spec: ChartSpec;
  lines: Line[];
  /** It has no figures of a single type. */
  wholeTarget?: boolean;
}

const line = (key: string, label: string, color: string, more: Partial<Line> = {}): Line => ({ key, label, color, ...more });
const DASHED = [7, 4];
const DOTTED = [2, 3];

const DEFINITIONS: Definition[] = [
  {
    spec: { id: "response", title: "Response time", format: format.seconds },
    lines: [
      line("avg", "average", "--blue", { width: 2 }), line("p50", "p50", "--green", { dash: DOTTED }),
      line("p95", "p95", "--orange", { dash: DASHED }), line("p99", "p99", "--vermillion", { width: 2 }),
    ],
  },
  { spec: { id: "throughput", title: "Throughput", format: format.rate }, lines: [line("qps", "queries", "--blue", { fill: true })] },
  {
    spec: { id: "errors", title: "Errors", format: format.ratio },
    lines: [line("error_rate", "failed queries", "--vermillion", { fill: true })],
  },
  {
    spec: { id: "concurrency", title: "Concurrency", format: format.count },
    lines: [line("peak_concurrent", "peak", "--orange", { dash: DASHED }), line("current_concurrent", "in flight", "--blue", { width: 2 })],
    wholeTarget: true,
  },
  {
    spec: { id: "cpu", title: "CPU", format: format.percent, most: 100 },
    lines: [line("target_metrics.cpu_usage", "target", "--blue", { fill: true }), line("system_metrics.cpu_usage", "host", "--orange", { dash: DASHED })],
    wholeTarget: true,
  },
  {
    spec: { id: "memory", title: "Memory", format: format.ratio, most: 1 },
    lines: [line("target_metrics.memory_usage", "target", "--blue", { fill: true }), line("system_metrics.memory_usage", "host", "--orange", { dash: DASHED })],
    wholeTarget: true,
  },
  {
    spec: { id: "io", title: "Disk and network", format: (value) => format.withUnit(value, "MiB/s"), binary: true },
    lines: [
      line("target_metrics.disk_read_mb_per_second", "disk read", "--blue"),
      line("target_metrics.disk_write_mb_per_second", "disk write", "--vermillion", { dash: DASHED }),
      line("target_metrics.network_rx_mb_per_second", "received", "--green", { dash: DOTTED }),
      line("target_metrics.network_tx_mb_per_second", "sent", "--purple"),
    ],
    wholeTarget: true,
  },
  {
    spec: { id: "cache", title: "Cache performance", format: format.ratio, most: 1 },
    lines: [line("cache_hit_rate", "hit rate", "--green", { fill: true })],
  },
  { spec: { id: "health", title: "Health score", format: format.count, most: 100 }, lines: [line("health", "score", "--blue", { fill: true })], wholeTarget: true },
  {
    spec: { id: "cost", title: "What watching costs", format: format.percent },
    lines: [line("overhead.percent_of_target_cpu", "of the target's CPU", "--purple", { fill: true })],
    wholeTarget: true,
  },
];

const WAIT_SPEC: ChartSpec = { id: "waits", title: "Where the time goes, in an average query", format: format.seconds, stacked: true };
const HEAT_SPEC: ChartSpec = { id: "heat", title: "Latency heat map", format: format.seconds, log: true, plain: true };

function multiply(share: Maybe, whole: Maybe): Maybe {
  return share === null || share === undefined || whole === null || whole === undefined ? null : share * whole;
}

/** The waits that occur, as parts of the average response time; the largest lies at the bottom. */
function waitColumns(drawn: Drawn): { lines: Line[]; columns: Maybe[][] } {
  const whole = drawn.column("avg");
  const found = WAITS.map((name) => {
    const column = drawn.column(`waits.${name}_share`);
    let sum = 0;
    for (let i = 0; i < column.length; ++i) {
      const part = multiply(column[i], whole[i]);
      column[i] = part;
      sum += part ?? 0;
    }
    return { name, column, sum };
  });
  const all = found.reduce((sum, each) => sum + each.sum, 0);
  const seen = found.filter((each) => each.sum > all * 1e-4);
  const order = WAITS as readonly string[];
  seen.sort((a, b) => order.indexOf(b.name) - order.indexOf(a.name));
  return { lines: seen.map(({ name }) => line(name, WAIT_LABELS[name]!, waitColor(name))), columns: seen.map((each) => each.column) };
}

export class ChartBoard {
  private readonly list = new MarkList();
  private readonly grid = h("div", { class: "charts" });
  readonly root = h("section", { class: "board", "aria-label": "Charts" }, this.list.root, this.grid);
  private readonly charts: { definition: Definition; chart: TimeChart }[];
  private readonly waits: TimeChart;
  private readonly heatChart: TimeChart;
  private readonly heat: HeatMap;

  constructor(events: ChartEvents) {
    this.charts = DEFINITIONS.map((definition) => ({ definition, chart: new TimeChart(definition.spec, events) }));
    this.waits = new TimeChart(WAIT_SPEC, events);
    this.heatChart = new TimeChart(HEAT_SPEC, events);
    this.heat = new HeatMap(this.heatChart);
    const [response, ...others] = this.charts.map((each) => each.chart);
    this.grid.append(response!.root, this.waits.root, this.heatChart.root, ...others.map((chart) => chart.root));
  }

  private everyChart(): TimeChart[] {
    return [...this.charts.map((each) => each.chart), this.waits, this.heatChart];
  }

  draw(series: Series, range: [number, number], live: boolean, type: string): void {
    const drawn = series.drawn(live);
    for (const { definition, chart } of this.charts) {
      chart.set(drawn.times, definition.lines, definition.lines.map((each) => drawn.column(each.key)), range);
    }
    const waits = waitColumns(drawn);
    this.waits.set(drawn.times, waits.lines, waits.columns, range);
    for (const { definition, chart } of this.charts) {
      chart.tell();
      chart.root.classList.toggle("whole", !!definition.wholeTarget && type !== "");
    }
    this.waits.tell();
  }

  drawHeat(charts: Charts | null, range: [number, number]): void {
    this.heat.set(charts, range);
    this.heatChart.tell();
  }

  /** For the next drawing; `range` in Unix seconds. */
  mark(marks: Mark[], range: [number, number]): void {
    this.list.set(marks, range);
    for (const chart of this.everyChart()) chart.marks = marks;
  }

  retheme(): void {
    forgetThemeColors();
    for (const chart of this.everyChart()) chart.rebuild();
  }
}
