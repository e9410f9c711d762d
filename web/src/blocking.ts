// Who waits for whom: queries that waited until a query of another type, or of their own, woke them. The agent tells of
// the newest interval; what the page has heard of the last minute is added up.
import type { Blocking, Snapshot } from "./api";
import { h, setHidden, setText } from "./dom";
import { FoldingTable, plain, type Cell, type Row } from "./folding_table";
import * as format from "./format";
import { WAIT_LABELS } from "./waits";

const SPAN_MS = 60_000;
const MOST_ROWS = 10;

interface Heard { at: number; seconds: number; pairs: Blocking[] }

/** The pairs of some intervals, the one that took most time first. */
function sumOf(heard: Heard[]): Blocking[] {
  const sums = new Map<string, Blocking>();
  for (const pair of heard.flatMap((one) => one.pairs)) {
    const key = JSON.stringify([pair.type, pair.blocked_by, pair.wait]);
    const sum = sums.get(key);
    if (sum) {
      sum.count += pair.count;
      sum.seconds += pair.seconds;
    } else {
      sums.set(key, { ...pair });
    }
  }
  return [...sums.values()].sort((a, b) => b.seconds - a.seconds);
}

export class BlockingPanel {
  private readonly note = h("p", { class: "note" });
  private readonly table = new FoldingTable("Those that took most time", ["who waits", "what for", "held up by", "time waited", "of all such time", "waits", "average wait"]);
  private heard: Heard[] = [];
  private type = "";
  readonly root = h("section", { class: "blocking", "aria-labelledby": "blocking-title", hidden: true },
    h("h2", { id: "blocking-title" }, "Who waits for whom"), this.note, this.table.root);

  constructor(private readonly statements: ReadonlyMap<string, string>) {}

  clear(): void {
    this.heard = [];
    this.draw();
  }

  /** Those that wait for queries of `type`, and those of `type` that wait; "": all. */
  select(type: string): void {
    if (type === this.type) return;
    this.type = type;
    this.draw();
  }

  hear(current: Snapshot): void {
    const at = Date.parse(current.timestamp);
    if (this.heard.at(-1)?.at !== at) this.heard.push({ at, seconds: current.interval_seconds, pairs: current.query_metrics.blocking ?? [] });
    // The newest stays, however long its interval is.
    this.heard = this.heard.filter((one) => one.at > at - SPAN_MS || one.at === at);
    this.draw();
  }

  private draw(): void {
    const type = this.type;
    const all = sumOf(this.heard);
    const pairs = type ? all.filter((pair) => pair.type === type || pair.blocked_by === type) : all;
    const whole = all.reduce((sum, pair) => sum + pair.seconds, 0);
    const span = this.heard.reduce((sum, one) => sum + one.seconds, 0);
    setHidden(this.root, !pairs.length);
    setText(this.note, `In the last ${format.seconds(span)}: waits for locks, conditions and other processes that ended took ${format.seconds(whole)}`);
    this.table.set(pairs.slice(0, MOST_ROWS).map((pair) => this.rowOf(pair, whole)));
  }

  private typeCell(type: string): Cell {
    const statement = this.statements.get(type);
    return { key: JSON.stringify([type, statement]), make: () => h("div", {}, h("strong", {}, type || "(no name)"),
      statement ? h("code", { class: "statement", title: statement }, statement) : null) };
  }

  private rowOf(pair: Blocking, whole: number): Row {
    return {
      id: JSON.stringify([pair.type, pair.blocked_by, pair.wait]),
      cells: [
        this.typeCell(pair.type), plain(WAIT_LABELS[pair.wait] ?? pair.wait),
        pair.blocked_by === null ? plain("no query of this target") : this.typeCell(pair.blocked_by),
        plain(format.seconds(pair.seconds)), plain(format.ratio(pair.seconds / whole)), plain(format.count(pair.count)), plain(format.seconds(pair.seconds / pair.count)),
      ],
    };
  }
}
