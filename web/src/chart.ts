// One chart: uPlot with a legend of our own, which is text, can be reached by keyboard, and tells the values under the
// cursor or the newest ones.
import uPlot from "uplot";
import { h, setHidden, setText, themeColor } from "./dom";
import { clock, moment, type Maybe } from "./format";
import { drawMarks, type Mark } from "./mark_signs";

export interface Line {
  key: string;
  label: string;
  /** A custom property of the style sheet. */
  color: string;
  dash?: number[];
  width?: number;
  fill?: boolean;
}

export interface ChartSpec {
  id: string;
  title: string;
  /** How a value reads. */
  format: (value: Maybe) => string;
  /** Of the axis, if it is never less than this: 0..1 and the like. */
  least?: number;
  most?: number;
  stacked?: boolean;
  log?: boolean;
  /** Round numbers are powers of two, as for bytes. */
  binary?: boolean;
  /** Without a legend: there is one thing to see. */
  plain?: boolean;
}

export interface ChartEvents {
  zoom(fromMs: number, toMs: number): void;
  reset(): void;
}

/** How near the cursor has to be for a mark to be named, in pixels. */
const NEAR_PIXELS = 6;

const sync = uPlot.sync("outrider");

export class TimeChart {
  readonly root: HTMLElement;
  private readonly place = h("div", { class: "plot" });
  private readonly legend = h("ul", { class: "legend" });
  private readonly when = h("span", { class: "when" });
  private readonly empty = h("p", { class: "empty", hidden: true }, "Nothing to draw in this window");
  private readonly heading: HTMLElement;
  private plot: uPlot | null = null;
  private lines: Line[] = [];
  private values: HTMLElement[] = [];
  private raw: Maybe[][] = [];
  private data: uPlot.AlignedData = [[]];
  private range: [number, number] = [0, 1];
  private readonly hidden = new Set<string>();
  private dirty = false;
  private visible = true;

  marks: Mark[] = [];
  /** Draws before the lines. */
  under: ((plot: uPlot) => void) | null = null;
  yRange: ((min: number, max: number) => [number, number]) | null = null;
  legendText: ((plot: uPlot, index: number | null) => string) | null = null;

  constructor(readonly spec: ChartSpec, private readonly events: ChartEvents) {
    this.heading = h("figcaption", {}, h("h3", {}, spec.title), this.when);
    this.legend.hidden = !!spec.plain;
    this.root = h("figure", { class: "chart", "data-chart": spec.id, tabindex: 0, "aria-label": spec.title, "aria-describedby": "marks" },
      this.heading, this.legend, this.place, this.empty);
    new ResizeObserver(() => this.resize()).observe(this.place);
    new IntersectionObserver((seen) => {
      this.visible = seen.at(-1)?.isIntersecting ?? true;
      if (this.visible && this.dirty) this.draw();
    }, { rootMargin: "100px" }).observe(this.root);
  }

  /** New data; tell() then says the values. `columns` are as `lines`, in their unit; `range` is in Unix seconds. */
  set(times: number[], lines: Line[], columns: Maybe[][], range: [number, number]): void {
    const same = lines.length === this.lines.length && lines.every((line, i) => line.key === this.lines[i]!.key);
    this.range = range;
    this.raw = columns;
    this.data = [times, ...this.shaped(lines, columns)] as uPlot.AlignedData;
    const some = columns.some((column) => column.some((value) => value !== null && value !== undefined)) || !!this.under;
    setHidden(this.empty, some);
    setHidden(this.place, !some);
    if (!same) {
      this.lines = lines;
      this.dismantle();
    }
    this.dirty = true;
    if (this.visible) this.paint();
  }

  /** Says the values. Apart from set(): a text that changed makes the browser work out styles anew for the next canvas's font. */
  tell(): void {
    this.tellValues(this.visible && !this.place.hidden ? this.plot?.cursor.idx ?? null : null);
  }

  /** Stacked values lie upon those that come after them in the list. */
  private shaped(lines: Line[], columns: Maybe[][]): Maybe[][] {
    if (!this.spec.stacked) return columns;
    const shaped: Maybe[][] = columns.map((column) => [...column]);
    for (let i = lines.length - 2; i >= 0; --i) {
      const below = shaped[i + 1]!;
      const here = shaped[i]!;
      const shown = !this.hidden.has(lines[i]!.key);
      for (let k = 0; k < here.length; ++k) {
        const value = shown ? here[k] : 0;
        here[k] = value === null || value === undefined || below[k] === null ? null : value + (below[k] ?? 0);
      }
    }
    const last = lines.length - 1;
    if (last >= 0 && this.hidden.has(lines[last]!.key)) shaped[last] = shaped[last]!.map((v) => (v === null ? null : 0));
    return shaped;
  }

  private draw(): void {
    this.paint();
    this.tell();
  }

  private paint(): void {
    this.dirty = false;
    if (this.place.hidden) return;
    if (this.plot) {
      this.plot.setData(this.data, false);
      this.plot.batch(() => this.plot!.setScale("x", { min: this.range[0], max: this.range[1] }));
    } else {
      this.build(); // which draws
    }
  }

  private dismantle(): void {
    this.plot?.destroy();
    this.plot = null;
    this.buildLegend();
  }

  /** The theme has changed. */
  rebuild(): void {
    this.dismantle();
    this.dirty = this.data[0]!.length > 0; // else there is nothing to draw yet, not even a span of time
    if (this.visible && this.dirty) this.draw();
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.place;
    if (this.plot && width > 0 && (width !== this.plot.width || height !== this.plot.height)) this.plot.setSize({ width, height });
  }

  private buildLegend(): void {
    this.values = this.lines.map((line) => h("span", { class: "value", "data-metric": line.key }));
    this.legend.replaceChildren(...this.lines.map((line, i) => {
      const swatch = h("span", { class: line.fill || this.spec.stacked ? "swatch area" : "swatch", "aria-hidden": "true" });
      swatch.style.setProperty("--line", `var(${line.color})`);
      if (line.dash) swatch.classList.add(line.dash[0]! < 4 ? "dotted" : "dashed");
      const button = h("button", {
        type: "button", "aria-pressed": String(!this.hidden.has(line.key)), title: "Show or hide",
        click: () => this.toggle(line.key, button),
      }, swatch, h("span", {}, line.label), this.values[i]!);
      return h("li", {}, button);
    }));
  }

  private toggle(key: string, button: HTMLElement): void {
    if (!this.hidden.delete(key)) this.hidden.add(key);
    button.setAttribute("aria-pressed", String(!this.hidden.has(key)));
    if (this.spec.stacked) {
      this.data = [this.data[0]!, ...this.shaped(this.lines, this.raw)] as uPlot.AlignedData;
      this.paint();
    } else { // which draws
      this.plot?.setSeries(this.lines.findIndex((line) => line.key === key) + 1, { show: !this.hidden.has(key) });
    }
    this.tell();
  }

  private tellValues(index: number | null): void {
    const times = this.data[0]!;
    const at = index ?? times.length - 1;
    const time = times[at];
    const label = time === undefined ? "" : index === null ? `at ${clock(time * 1000)}` : moment(time * 1000);
    const said = this.legendText && this.plot ? this.legendText(this.plot, index) : label;
    setText(this.when, [said, ...this.marksNear()].join("; "));
    this.raw.forEach((column, i) => {
      const value = this.values[i];
      if (value) setText(value, this.spec.format(column[at] ?? null));
    });
  }

  /** What the marks under the cursor are called. */
  private marksNear(): string[] {
    const left = this.plot?.cursor.left ?? -1;
    if (!this.plot || left < 0) return [];
    const from = this.plot.posToVal(left - NEAR_PIXELS, "x") * 1000;
    const to = this.plot.posToVal(left + NEAR_PIXELS, "x") * 1000;
    return this.marks.filter((mark) => mark.to >= from && mark.from <= to).map((mark) => mark.label);
  }

  private build(): void {
    const ink = themeColor("--ink-soft");
    const grid = { stroke: themeColor("--grid"), width: 1 };
    const spec = this.spec;
    const font = "11px system-ui, sans-serif";
    const options: uPlot.Options = {
      width: Math.max(this.place.clientWidth, 200),
      height: this.place.clientHeight,
      padding: [10, 24, 0, 0], // half of the last time stands to the right of its line
      legend: { show: false },
      cursor: {
        sync: { key: sync.key, scales: ["x", null] },
        drag: { x: true, y: false, setScale: false },
        points: { show: !spec.stacked },
        bind: { dblclick: () => () => { this.events.reset(); return null; } },
      },
      scales: {
        x: { time: true, range: () => this.range },
        y: { range: (_, min, max) => this.limits(min, max), distr: spec.log ? 3 : 1, log: 10 },
      },
      axes: [
        { stroke: ink, grid, ticks: grid, font, values: (_, splits, __, ___, increment) => splits.map((s) => axisTime(s, increment)), space: timeSpace, size: 30 },
        {
          stroke: ink, grid, ticks: grid, font, space: 32, size: (_, texts) => axisWidth(texts),
          values: (_, splits) => splits.map((s) => (s === null ? "" : spec.format(s))),
          ...(spec.binary ? { incrs: POWERS_OF_TWO } : {}),
          ...(spec.log ? { splits: (_: uPlot, __: number, min: number, max: number) => decades(min, max) } : {}),
        },
      ],
      series: [{}, ...this.lines.map((line) => this.seriesOf(line))],
      hooks: {
        drawClear: [(plot) => { drawMarks(plot, this.marks, this.range); }],
        drawAxes: [(plot) => { this.under?.(plot); }],
        setCursor: [(plot) => this.tellValues(plot.cursor.idx ?? null)],
        setSelect: [(plot) => this.select(plot)],
      },
    };
    this.plot = new uPlot(options, this.data, this.place);
  }

  private seriesOf(line: Line): uPlot.Series {
    const color = themeColor(line.color);
    const filled = line.fill || this.spec.stacked;
    return {
      stroke: this.spec.stacked ? themeColor("--panel") : color,
      width: this.spec.stacked ? 0.5 : line.width ?? 1.5,
      dash: line.dash,
      fill: filled ? (this.spec.stacked ? color : `${color}33`) : undefined,
      show: this.spec.stacked || !this.hidden.has(line.key),
      points: { size: 4, filter: (plot, index, show) => (show ? null : lonely(plot.data[index]!)) },
    };
  }

  private limits(min: number | null, max: number | null): [number, number] {
    if (this.yRange) return this.yRange(min ?? 0, max ?? 1);
    const low = Math.min(this.spec.least ?? 0, min ?? 0);
    let high = Math.max(max ?? 0, this.spec.most ?? 0);
    if (high <= low) high = low + (this.spec.format(1).includes("%") ? 0.01 : 1);
    return [low, this.spec.most !== undefined && high <= this.spec.most ? high : low + (high - low) * 1.08];
  }

  private select(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width < 4) return;
    const from = plot.posToVal(left, "x") * 1000;
    const to = plot.posToVal(left + width, "x") * 1000;
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.events.zoom(from, to);
  }
}

/** Points with a gap on either side: no line leads to them, and they shall be seen. */
function lonely(values: ArrayLike<Maybe>): number[] | null {
  const found: number[] = [];
  const none = (i: number): boolean => values[i] === null || values[i] === undefined;
  for (let i = 0; i < values.length; ++i) if (!none(i) && none(i - 1) && none(i + 1)) found.push(i);
  return found.length ? found : null;
}

/** For the longest text at an axis, at 11 px. */
function axisWidth(texts: string[] | null): number {
  return 18 + 6.3 * Math.max(3, ...(texts ?? []).map((text) => text?.length ?? 0));
}

const POWERS_OF_TWO = Array.from({ length: 60 }, (_, i) => 2 ** (i - 20));

/** Pixels for the text of a time: less where times are more than 30 s apart and so have no seconds. */
function timeSpace(_: uPlot, __: number, min: number, max: number, pixels: number): number {
  const [short, long] = [44, 60];
  return ((max - min) / pixels) * short > 30 ? short : long;
}

/** The powers of ten in between. */
function decades(min: number, max: number): number[] {
  const found: number[] = [];
  for (let power = Math.ceil(Math.log10(min)); 10 ** power <= max; ++power) found.push(10 ** power);
  return found;
}

function axisTime(seconds: number, increment: number): string {
  const date = new Date(seconds * 1000);
  if (increment >= 86_400) return `${date.getMonth() + 1}/${date.getDate()}`;
  const text = clock(seconds * 1000);
  const midnight = date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0;
  if (midnight && increment >= 1800) return `${date.getMonth() + 1}/${date.getDate()}`;
  return increment < 60 ? text : text.slice(0, 5);
}
