// Where the time of a query type, or of one query, goes: a bar, with the largest part in words.
import type { Waits } from "./api";
import { h } from "./dom";
import * as format from "./format";
import { waitColor, WAIT_LABELS, WAITS } from "./waits";

/** Shares below this are not seen in a bar. */
const LEAST_SHARE = 0.002;

/** `figure` says the value of a class, for the tooltip; else it is its share. */
export function waitBar(shares: Waits | null, figure?: (name: string) => string): HTMLElement {
  const waits = WAITS.filter((name) => (shares?.[name] ?? 0) > LEAST_SHARE).map((name) => [name, shares![name]!] as const);
  if (!waits.length) return h("span", {}, format.NONE);
  const [top, share] = [...waits].sort((a, b) => b[1] - a[1])[0]!;
  const all = waits.map(([name, part]) => `${WAIT_LABELS[name]} ${figure ? figure(name) : format.ratio(part)}`).join(", ");
  const bar = h("span", { class: "waitbar", role: "img", "aria-label": all }, ...waits.map(([name, part]) => {
    const piece = h("span", {});
    piece.style.setProperty("--share", String(part));
    piece.style.setProperty("--color", `var(${waitColor(name)})`);
    return piece;
  }));
  return h("span", { class: "waits", title: all }, bar, h("span", { class: "top" }, `${WAIT_LABELS[top]} ${Math.round(share * 100)}\u00a0%`));
}
