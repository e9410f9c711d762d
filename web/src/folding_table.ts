// Tables whose rows a phone shows as blocks, each cell behind the name of its column.
import { arrange, h, setText, shown, type Child } from "./dom";

export interface Cell {
  /** What it shows, in short: it is made anew only if this differs. */
  key: string;
  make(): Child;
}

export interface Row { id: string; cells: Cell[] }

export const plain = (text: string): Cell => ({ key: text, make: () => text });

interface Kept { root: HTMLTableRowElement; cells: HTMLTableCellElement[]; keys: string[] }

/** In a region that scrolls by itself where it is too wide. */
export class FoldingTable {
  private readonly caption = h("caption", {});
  private readonly body = h("tbody", { role: "rowgroup" });
  private rows = new Map<string, Kept>();
  readonly root: HTMLElement;

  constructor(caption: string, private readonly heads: string[]) {
    // The roles are said, because a table whose rows are blocks is none, and is not read as one.
    const head = h("tr", { role: "row" }, ...heads.map((each) => h("th", { scope: "col", role: "columnheader" }, each)));
    this.root = h("div", { class: "scroll", tabindex: 0, role: "region" },
      h("table", { class: "folding", role: "table" }, this.caption, h("thead", { role: "rowgroup" }, head), this.body));
    this.name(caption);
  }

  name(caption: string): void {
    setText(this.caption, caption);
    this.root.setAttribute("aria-label", caption);
  }

  /** Rows and cells that did not change stay, and with them what is open, selected or has the focus. */
  set(rows: Row[]): void {
    const before = this.rows;
    this.rows = new Map();
    for (const { id, cells } of rows) {
      let free = id;
      while (this.rows.has(free)) free += "'";
      const row = before.get(free) ?? this.emptyRow(cells.length);
      cells.forEach((cell, i) => {
        if (row.keys[i] === cell.key) return;
        row.keys[i] = cell.key;
        const made = cell.make() ?? "";
        row.cells[i]!.replaceChildren(typeof made === "string" ? shown(made) : made);
      });
      this.rows.set(free, row);
    }
    arrange(this.body, [...this.rows.values()].map((row) => row.root));
  }

  private emptyRow(size: number): Kept {
    const cells = Array.from({ length: size }, (_, i) => h("td", { role: "cell", "data-head": this.heads[i] }));
    return { root: h("tr", { role: "row" }, ...cells), cells, keys: [] };
  }
}
