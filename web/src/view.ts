// What is looked at: page, target, type and span of time. Kept in the address, so that a reload and a link show the same.

export type Span = { live: true; seconds: number } | { live: false; from: number; to: number };
export type Page = "overview" | "alerts" | "data";

export interface View {
  page: Page;
  target: string;
  type: string;
  span: Span;
}

export const SPANS: readonly (readonly [string, number])[] = [
  ["5m", 300], ["15m", 900], ["1h", 3600], ["6h", 21_600], ["24h", 86_400], ["7d", 604_800], ["30d", 2_592_000],
];
export const SHORTEST_MS = 5_000;
export const LONGEST_MS = 31 * 86_400_000;
const DEFAULT_SECONDS = 3600;

type Listener = (view: View, before: View) => void;
const listeners: Listener[] = [];
let current = read();

function readSpan(query: URLSearchParams): Span {
  const from = Number(query.get("from"));
  const to = Number(query.get("to"));
  if (from > 0 && to - from >= SHORTEST_MS) return { live: false, from, to };
  const last = query.get("last") ?? "";
  const named = SPANS.find(([name]) => name === last);
  const seconds = named ? named[1] : Number(/^(\d+)s$/.exec(last)?.[1] ?? 0);
  return { live: true, seconds: seconds > 0 && seconds * 1000 <= LONGEST_MS ? seconds : DEFAULT_SECONDS };
}

/** The address says which span; else it is the agent's to say. */
export function spanIsChosen(): boolean {
  return /[?&](last|from)=/.test(location.hash);
}

function read(): View {
  const [path = "", text = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const query = new URLSearchParams(text);
  const page: Page = path === "alerts" || path === "data" ? path : "overview";
  return { page, target: query.get("target") ?? "", type: query.get("type") ?? "", span: readSpan(query) };
}

export function link(view: View): string {
  const query = new URLSearchParams();
  if (view.target) query.set("target", view.target);
  if (view.type) query.set("type", view.type);
  const span = view.span;
  if (span.live) {
    const named = SPANS.find(([, seconds]) => seconds === span.seconds);
    query.set("last", named ? named[0] : `${Math.round(span.seconds)}s`);
  } else {
    query.set("from", String(Math.round(span.from)));
    query.set("to", String(Math.round(span.to)));
  }
  const text = query.toString();
  return `#/${view.page}${text ? `?${text}` : ""}`;
}

export function view(): View {
  return current;
}

export function onView(listener: Listener): void {
  listeners.push(listener);
}

function become(next: View): void {
  const before = current;
  current = next;
  for (const listener of listeners) listener(next, before);
}

export function setView(change: Partial<View>): void {
  const next = { ...current, ...change };
  history.replaceState(null, "", link(next));
  become(next);
}

/** The span in Unix milliseconds, given the present. */
export function limits(span: Span, now: number): [number, number] {
  return span.live ? [now - span.seconds * 1000, now] : [span.from, span.to];
}

/** As parameters of the API. */
export function spanParameters(span: Span): Record<string, string> {
  if (span.live) return { since: `${span.seconds}s` };
  return { from: new Date(span.from).toISOString(), to: new Date(span.to).toISOString() };
}

window.addEventListener("hashchange", () => become(read()));
