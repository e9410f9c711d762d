// The columns that the charts draw: history, and behind it the events that came since it was asked for.
import type { Charts, LiveEvent, TypeFigures, Waits } from "./api";
import type { Maybe } from "./format";
import { byClass, sharesOf, WAITS } from "./waits";

type Row = Record<string, Maybe>;
interface Live { ms: number; row: Row }

export interface Drawn {
  /** Unix seconds. */
  times: number[];
  column(name: string): Maybe[];
}

/** A figure of the whole target that a snapshot has under the same name. */
const TARGET_FIGURES = ["cpu_usage", "memory_usage", "rss_mb"] as const;
const AMOUNTS = ["disk_read_mb", "disk_write_mb", "network_rx_mb", "network_tx_mb"] as const;
/** A live tail is as long as the longest time between two looks at history, and no longer. */
const LONGEST_TAIL = 400;
/** A clock that steps back by less than this is waited for. */
const SET_BACK_MS = 2_000;
/** A hidden page asks every half a minute. */
const SILENCE_MS = 60_000;

function shares(waits: Waits | null, row: Row): void {
  const parts = sharesOf(byClass(waits));
  for (const name of WAITS) row[`waits.${name}_share`] = parts ? parts[name] ?? 0 : null;
}

function queryRow(event: LiveEvent, row: Row): void {
  const queries = event.current!.query_metrics;
  row["avg"] = queries["avg_response_time_seconds"];
  row["p50"] = queries["p50_response_time_seconds"];
  row["p95"] = queries["p95_response_time_seconds"];
  row["p99"] = queries["p99_response_time_seconds"];
  row["qps"] = queries["queries_per_second"];
  row["error_rate"] = queries["error_rate"];
  row["cache_hit_rate"] = event.current!.cache_metrics.hit_rate;
  shares(queries.waits, row);
}

function typeRow(type: TypeFigures | undefined, row: Row): void {
  if (!type) return;
  row["avg"] = type.avg_response_time_seconds;
  row["p50"] = type.p50_response_time_seconds;
  row["p95"] = type.p95_response_time_seconds;
  row["p99"] = type.p99_response_time_seconds;
  row["qps"] = type.queries_per_second;
  row["error_rate"] = type.success_rate === null || type.success_rate === undefined ? null : 1 - type.success_rate;
  row["cache_hit_rate"] = type.cache_hit_rate;
  shares(type.waits, row);
}

/** One event as a row of the charts. */
export function rowOf(event: LiveEvent, type: string): Row {
  const current = event.current!;
  const row: Row = {};
  if (type) typeRow(current.query_metrics.query_type_breakdown[type], row);
  else queryRow(event, row);
  row["peak_concurrent"] = current.query_metrics["peak_concurrent"];
  row["current_concurrent"] = current.query_metrics["current_concurrent"];
  row["health"] = current.health_score;
  row["system_metrics.cpu_usage"] = current.system_metrics["cpu_usage"];
  row["system_metrics.memory_usage"] = current.system_metrics["memory_usage"];
  row["overhead.percent_of_target_cpu"] = current.overhead.percent_of_target_cpu;
  for (const name of TARGET_FIGURES) row[`target_metrics.${name}`] = current.target_metrics[name];
  for (const name of AMOUNTS) {
    const amount = current.target_metrics[name];
    const known = amount !== null && amount !== undefined && current.interval_seconds > 0;
    row[`target_metrics.${name}_per_second`] = known ? amount / current.interval_seconds : null;
  }
  return row;
}

export class Series {
  private history: Charts | null = null;
  private rows = 0;
  private tail: Live[] = [];

  clear(): void {
    this.history = null;
    this.rows = 0;
    this.tail = [];
  }

  get charts(): Charts | null {
    return this.history;
  }

  /** History anew. `present`: it ends now, and its last steps may not be written yet. */
  take(charts: Charts, present: number | null): void {
    this.history = charts;
    const columns = Object.values(charts.columns);
    this.rows = columns[0]?.length ?? 0;
    if (present === null) return;
    // Nor are they where history is off or cannot be written; what was heard since then is all there is.
    const heard = this.tail[0]?.ms ?? Infinity;
    const unwritten = Math.min(present - 3_000 - charts.step_seconds * 1000, heard - charts.step_seconds * 1000);
    while (this.rows > 0 && this.time(this.rows - 1) * 1000 >= unwritten && columns.every((c) => c[this.rows - 1] === null)) {
      --this.rows;
    }
    const end = charts.from + this.rows * charts.step_seconds * 1000;
    this.tail = this.tail.filter((each) => each.ms >= end);
  }

  append(event: LiveEvent, type: string): void {
    if (!event.current) return;
    const ms = Date.parse(event.current.timestamp) - event.current.interval_seconds * 1000;
    let last = this.tail.at(-1)?.ms ?? 0;
    // The agent's clock was set back: what came before is of a time that is yet to come.
    const steps = Math.max(event.current.interval_seconds, this.history?.step_seconds ?? 0) * 1000;
    if (last - ms > Math.max(SET_BACK_MS, steps)) {
      this.tail = [];
      last = 0;
    }
    const end = this.history ? this.history.from + this.rows * this.history.step_seconds * 1000 : 0;
    // An interval ends some ms before or after the grid's mark.
    if (ms <= last || ms < end - event.current.interval_seconds * 500) return;
    // A type that the event leaves out may have run all the same: history knows.
    if (type && event.types_left_out > 0 && !event.current.query_metrics.query_type_breakdown[type]) return;
    // No line leads over a time of which nothing was heard.
    if (last > 0 && ms - last > Math.max(SILENCE_MS, 3_000 * event.current.interval_seconds)) this.tail.push({ ms: last + 1, row: {} });
    this.tail.push({ ms: Math.max(ms, end), row: rowOf(event, type) });
    while (this.tail.length > LONGEST_TAIL) this.tail.shift();
  }

  private time(index: number): number {
    return this.history!.from / 1000 + index * this.history!.step_seconds;
  }

  /** Where history begins: the first step that has anything, in Unix milliseconds. */
  firstMs(): number | null {
    if (!this.history) return null;
    const columns = Object.values(this.history.columns);
    for (let i = 0; i < this.rows; ++i) {
      if (columns.some((column) => column[i] !== null)) return this.history.from + i * this.history.step_seconds * 1000;
    }
    return null;
  }

  drawn(withTail: boolean): Drawn {
    const tail = withTail ? this.tail : [];
    const length = this.rows + tail.length;
    // One array each, of its final length: this happens each second, for some thirty columns.
    const filled = <T>(past: (row: number) => T, live: (each: Live) => T): T[] => {
      const column = new Array<T>(length);
      for (let i = 0; i < this.rows; ++i) column[i] = past(i);
      for (let i = 0; i < tail.length; ++i) column[this.rows + i] = live(tail[i]!);
      return column;
    };
    return {
      times: filled((row) => this.time(row), (each) => each.ms / 1000),
      column: (name) => {
        const past = this.history?.columns[name];
        return filled<Maybe>((row) => past?.[row] ?? null, (each) => each.row[name] ?? null);
      },
    };
  }
}
