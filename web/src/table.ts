// The table of query types: sortable by every column, a click filters the charts. At most so many rows are drawn at a
// time; the box above finds the others.
import { whose, type TypeRow, type TypeTable } from "./api";
import { h, setText } from "./dom";
import * as format from "./format";
import { stretch } from "./format";
import { waitBar } from "./wait_bar";

const MOST_ROWS = 200;

interface Column {
  id: string;
  title: string;
  hint: string;
  value(row: TypeRow): number | string | null | undefined;
  cell(row: TypeRow): string | HTMLElement;
}

const numeric = (id: keyof TypeRow & string, title: string, hint: string, how: (value: format.Maybe) => string): Column => ({
  id, title, hint, value: (row) => row[id] as format.Maybe, cell: (row) => how(row[id] as format.Maybe),
});

/** p95 now against an hour ago: growth is worse. */
function growth(row: TypeRow): number | null {
  const before = row.before?.p95_response_time_seconds;
  const now = row.p95_response_time_seconds;
  return before && now ? now / before : null;
}

function growthCell(row: TypeRow): HTMLElement {
  const by = growth(row);
  const text = format.change(row.p95_response_time_seconds, row.before?.p95_response_time_seconds);
  const level = by === null ? "" : by > 1.2 ? "bad" : by < 0.83 ? "good" : "";
  const arrow = level === "bad" ? "▲ " : level === "good" ? "▼ " : "";
  const title = by === null ? "nothing to compare with" : `p95 before: ${format.seconds(row.before?.p95_response_time_seconds)}`;
  return h("span", { class: `growth ${level}`, title }, arrow + text);
}

const COLUMNS: Column[] = [
  numeric("queries_per_second", "count/s", "Queries a second", (value) => format.count(value)),
  numeric("share", "share", "Share of all queries' time. A query inside another one counts in both, so that the sum may exceed 100 %", format.ratio),
  numeric("avg_response_time_seconds", "average", "Average response time", format.seconds),
  numeric("p95_response_time_seconds", "p95", "95 % were faster", format.seconds),
  numeric("p99_response_time_seconds", "p99", "99 % were faster", format.seconds),
  numeric("error_rate", "errors", "Share of failed queries", format.ratio),
  numeric("cache_hit_rate", "hit rate", "Cache hit rate", format.ratio),
  { id: "waits", title: "where the time goes", hint: "Sorted by the share on CPU", value: (row) => row.waits?.["cpu"] ?? null, cell: (row) => waitBar(row.waits) },
  { id: "change", title: "p95 change", hint: "p95 against the same window before", value: growth, cell: growthCell },
];

export class TypesTable {
  private readonly search = h("input", { type: "search", id: "type-filter", placeholder: "Filter types", "aria-label": "Filter types by name, statement, user or database", input: () => this.draw() });
  private readonly caption = h("caption", {});
  private readonly note = h("p", { class: "note", role: "status" });
  private readonly body = h("tbody", {});
  private readonly heads = new Map<string, HTMLTableCellElement>();
  private sortBy = "share";
  private ascending = false;
  private table: TypeTable | null = null;
  private selected = "";

  readonly root: HTMLElement;

  constructor(private readonly choose: (type: string) => void) {
    const name: Column = { id: "name", title: "type", hint: "Query type", value: (row) => row.name, cell: (row) => row.name };
    const head = h("tr", {}, ...[name, ...COLUMNS].map((column) => this.headOf(column)));
    this.root = h("section", { class: "types", "aria-labelledby": "types-title" },
      h("div", { class: "types-head" }, h("h2", { id: "types-title" }, "Query types"), this.search),
      h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Query types, scrollable" }, h("table", { id: "types" }, this.caption, h("thead", {}, head), this.body)), this.note);
    this.showOrder();
  }

  private headOf(column: Column): HTMLTableCellElement {
    const cell = h("th", { scope: "col", title: column.hint },
      h("button", { type: "button", "data-sort": column.id, click: () => this.sort(column.id) }, column.title));
    this.heads.set(column.id, cell);
    return cell;
  }

  private sort(id: string): void {
    this.ascending = this.sortBy === id ? !this.ascending : id === "name";
    this.sortBy = id;
    this.showOrder();
    this.draw();
  }

  private showOrder(): void {
    for (const [id, cell] of this.heads) {
      if (id === this.sortBy) cell.setAttribute("aria-sort", this.ascending ? "ascending" : "descending");
      else cell.removeAttribute("aria-sort");
    }
  }

  set(table: TypeTable | null): void {
    this.table = table;
    this.draw();
  }

  select(type: string): void {
    if (type === this.selected) return;
    this.selected = type;
    this.draw();
  }

  private ordered(rows: TypeRow[]): TypeRow[] {
    const column = COLUMNS.find((each) => each.id === this.sortBy);
    const value = column ? column.value : (row: TypeRow) => row.name;
    const sign = this.ascending ? 1 : -1;
    return [...rows].sort((a, b) => {
      const [left, right] = [value(a), value(b)];
      // What is not known comes last either way.
      if (left === null || left === undefined) return right === null || right === undefined ? 0 : 1;
      if (right === null || right === undefined) return -1;
      return sign * (typeof left === "string" ? left.localeCompare(String(right)) : left - (right as number));
    });
  }

  private draw(): void {
    const wanted = this.search.value.toLowerCase();
    const all = this.table?.types ?? [];
    const found = wanted ? all.filter((row) => `${row.name} ${row.statement ?? ""} ${whose(row)}`.toLowerCase().includes(wanted)) : all;
    const rows = this.ordered(found).slice(0, MOST_ROWS);
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset["type"] : undefined;
    this.body.replaceChildren(...rows.map((row) => this.rowOf(row)));
    if (focused !== undefined) this.buttonOf(focused)?.focus();
    const left = found.length - rows.length;
    setText(this.note, !all.length ? "No query ended in this window" : left > 0 ? `${rows.length} of ${found.length} types are shown; filter to see others` : wanted ? `${found.length} of ${all.length} types` : "");
    if (this.table) setText(this.caption, `${stretch(this.table.from, this.table.to)}, compared with ${stretch(this.table.before_from, this.table.before_to)}`);
  }

  private buttonOf(type: string): HTMLElement | undefined {
    return [...this.body.querySelectorAll<HTMLElement>("button")].find((button) => button.dataset["type"] === type);
  }

  private rowOf(row: TypeRow): HTMLTableRowElement {
    const chosen = row.name === this.selected;
    const button = h("button", {
      type: "button", "data-type": row.name, "aria-pressed": String(chosen),
      title: chosen ? "Show all types again" : "Show this type alone", click: () => this.choose(chosen ? "" : row.name),
    }, row.name || "(no name)");
    const statement = row.statement ? h("code", { class: "statement", title: row.statement }, row.statement) : null;
    const owner = whose(row) ? h("span", { class: "whose" }, whose(row)) : null;
    return h("tr", { class: chosen ? "chosen" : null }, h("th", { scope: "row" }, button, owner, statement),
      ...COLUMNS.map((column) => h("td", { "data-column": column.id }, column.cell(row))));
  }
}
