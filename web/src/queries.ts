// The single queries that matter now: those that are in flight for long, with what they wait for and where, and the
// slowest that ended.
import { get, Refusal, type EndedQuery, type HangingQuery, type Queries, type Waits } from "./api";
import { h, setHidden, setText } from "./dom";
import { FoldingTable, plain, type Cell, type Row } from "./folding_table";
import * as format from "./format";
import { waitBar } from "./wait_bar";
import { byClass, sharesOf, WAIT_LABELS } from "./waits";

const EVERY_MS = 5_000;
const HEADS = ["start", "duration", "type", "status", "where the time went", "thread"];

const idOf = (query: EndedQuery | HangingQuery): string => `${query.process} ${query.thread} ${query.start_ms} ${query.type}`;

function startCell(query: EndedQuery | HangingQuery): Cell {
  const local = format.moment(query.start_ms);
  return { key: local, make: () => h("time", { datetime: query.start, title: query.start }, local) };
}

function waitsCell(told: Waits | null): Cell {
  const waits = byClass(told);
  return { key: JSON.stringify(waits), make: () => waitBar(sharesOf(waits), (name) => format.seconds(waits?.[name])) };
}

function statusCell(text: string, level: string): Cell {
  return { key: text, make: () => h("span", { class: `status ${level}` }, text) };
}

function threadOf(query: EndedQuery | HangingQuery): string {
  if (query.thread === null) return `one of ${query.process}`;
  return query.process === query.thread ? String(query.thread) : `${query.thread} of ${query.process}`;
}

/** Which thread, and whose work it does. */
function threadCell(query: EndedQuery | HangingQuery): Cell {
  const thread = threadOf(query);
  if (!query.user) return plain(thread);
  return { key: JSON.stringify([thread, query.user, query.database, query.client]),
    make: () => h("div", {}, thread, h("p", { class: "session" }, `${query.user} on ${query.database ?? format.NONE}, ${query.client ?? format.NONE}`)) };
}

function doing(query: HangingQuery): string {
  if (query.state === null) return "in flight";
  if (query.state === "running") return "in flight, runs";
  const since = query.state_seconds === null ? "" : ` for ${format.seconds(query.state_seconds)}`;
  if (query.state === "run_queue") return `in flight, waits for a CPU${since}`;
  return `in flight, waits${since}${query.wait === null ? "" : `: ${WAIT_LABELS[query.wait] ?? query.wait}`}`;
}

function stackOf(frames: string[]): HTMLElement {
  const inner = frames.at(-1) ?? "";
  return h("details", { class: "stack" }, h("summary", {}, `in ${inner}, ${frames.length} frame${frames.length === 1 ? "" : "s"}`),
    h("ol", { "aria-label": "Stack, the outermost frame first" }, ...frames.map((frame) => h("li", {}, frame))));
}

const textOf = (text: string | null): HTMLElement | null => (text === null ? null : h("code", { class: "query-text" }, text));

/** The query's own text, or else what its type says. */
const saidBy = (query: EndedQuery | HangingQuery, statements: ReadonlyMap<string, string>): string | null => query.text ?? statements.get(query.type) ?? null;

function whereCell(query: HangingQuery, statements: ReadonlyMap<string, string>): Cell {
  const said = saidBy(query, statements);
  return {
    key: JSON.stringify([said, query.stack, query.stack_missing]),
    make: () => h("div", {}, textOf(said),
      query.stack?.length ? stackOf(query.stack) : query.stack_missing ? h("p", { class: "note" }, `No stack: ${query.stack_missing}`) : null),
  };
}

function commonCells(query: EndedQuery | HangingQuery, seconds: number, status: Cell): Cell[] {
  return [startCell(query), plain(format.seconds(seconds)), plain(query.type || "(no name)"), status, waitsCell(query.waits), threadCell(query)];
}

function hangingRow(query: HangingQuery, statements: ReadonlyMap<string, string>): Row {
  return { id: idOf(query), cells: [...commonCells(query, query.seconds, statusCell(doing(query), "going")), whereCell(query, statements)] };
}

function endedRow(query: EndedQuery, statements: ReadonlyMap<string, string>): Row {
  const said = saidBy(query, statements);
  const status = query.failed ? statusCell("failed", "bad") : statusCell("ended", "");
  return {
    id: `${idOf(query)} ${query.duration_seconds}`,
    cells: [...commonCells(query, query.duration_seconds, status), { key: JSON.stringify(said), make: () => textOf(said) ?? format.NONE }],
  };
}

/** What is to be said where there is nothing to be shown. */
function noteOf(answer: Queries): string {
  const long = format.seconds(answer.in_flight_after_seconds);
  const span = format.seconds(answer.slow_of_seconds);
  if (!answer.in_flight) return `Whether a query hangs is not known: ${answer.in_flight_missing}.`;
  if (answer.in_flight.length && answer.slow.length) return "";
  if (answer.in_flight.length) return `None of the queries that ended in the last ${span} is kept.`;
  return answer.slow.length ? `No query has been in flight for more than ${long}.` : `Nothing hangs: no query has been in flight for more than ${long}, and none ended in the last ${span}.`;
}

export class QueriesPanel {
  private readonly note = h("p", { class: "note", role: "status" });
  private readonly hanging = new FoldingTable("", [...HEADS, "text and stack"]);
  private readonly slow = new FoldingTable("", [...HEADS, "text"]);
  private asked = new AbortController();
  private timer = 0;
  private target = "";
  private type = "";
  private seen = false;
  readonly root = h("section", { class: "queries", "aria-labelledby": "queries-title" },
    h("h2", { id: "queries-title" }, "Slow and hanging queries"), this.note, this.hanging.root, this.slow.root);

  /** `statements`: what the types say that are statements. */
  constructor(private readonly statements: ReadonlyMap<string, string>) {
    this.clear("");
  }

  /** Asks at once if it is another question than before, and again every few seconds while somebody looks. */
  show(target: string, type: string, seen: boolean): void {
    const same = target === this.target && type === this.type;
    if (same && seen === this.seen) return;
    if (!same) this.clear("");
    this.target = target;
    this.type = type;
    this.seen = seen;
    this.asked.abort();
    clearTimeout(this.timer);
    if (!seen || target === "") return;
    this.asked = new AbortController();
    void this.ask(this.asked.signal);
  }

  private async ask(signal: AbortSignal): Promise<void> {
    try {
      const answer = await get<Queries>("/api/v1/queries", { target: this.target, type: this.type }, signal);
      if (signal.aborted) return;
      this.set(answer);
    } catch (error) {
      if (signal.aborted) return;
      this.clear(`No single queries: ${error instanceof Refusal ? error.message : "the answer could not be read"}`);
    }
    this.timer = window.setTimeout(() => void this.ask(signal), EVERY_MS);
  }

  private clear(reason: string): void {
    setText(this.note, reason);
    for (const table of [this.hanging, this.slow]) {
      table.set([]);
      setHidden(table.root, true);
    }
  }

  private set(answer: Queries): void {
    setText(this.note, noteOf(answer));
    this.hanging.name(`In flight for more than ${format.seconds(answer.in_flight_after_seconds)}`);
    const hanging = answer.in_flight ?? [];
    this.hanging.set(hanging.map((query) => hangingRow(query, this.statements)));
    this.slow.name(`The slowest that ended in the last ${format.seconds(answer.slow_of_seconds)}`);
    this.slow.set(answer.slow.map((query) => endedRow(query, this.statements)));
    setHidden(this.hanging.root, !hanging.length);
    setHidden(this.slow.root, !answer.slow.length);
    this.slow.root.classList.toggle("without-text", answer.slow.every((query) => saidBy(query, this.statements) === null));
  }
}
