// What is looked at, to be changed: spans of time, zoom and pan, the type filter.
import { h, setHidden, setText } from "./dom";
import { seconds, stretch } from "./format";
import { limits, LONGEST_MS, setView, SHORTEST_MS, SPANS, view, type Span } from "./view";

const ZOOM = 2;
const PAN = 0.5;

/** A fixed span, on whole seconds, which the history answers exactly, and not beyond the present. */
function fixed(from: number, to: number, now: number): Span {
  const length = Math.min(Math.max(to - from, SHORTEST_MS), LONGEST_MS);
  const end = Math.min(to, now);
  const begin = end - length;
  return { live: false, from: Math.floor(begin / 1000) * 1000, to: Math.ceil(end / 1000) * 1000 };
}

export class Toolbar {
  private readonly spans = SPANS.map(([name, length]) =>
    h("button", { type: "button", "data-span": name, click: () => setView({ span: { live: true, seconds: length } }) }, name));
  private readonly shown = h("span", { class: "shown", "aria-live": "polite" });
  private readonly filter = h("button", { type: "button", class: "filter", hidden: true, title: "Show all types again", click: () => setView({ type: "" }) });
  private readonly nowButton = this.action("now", "Back to now", () => this.toNow());
  private lastSeconds = 3600;

  readonly root = h("div", { class: "toolbar", role: "toolbar", "aria-label": "Time and filter" },
    h("div", { class: "segments", role: "group", "aria-label": "Window" }, ...this.spans),
    h("div", { class: "segments", role: "group", "aria-label": "Zoom and pan" },
      this.action("earlier", "◀", () => this.pan(-PAN), "Earlier"), this.action("in", "+", () => this.zoom(1 / ZOOM), "Zoom in"),
      this.action("out", "−", () => this.zoom(ZOOM), "Zoom out"), this.action("later", "▶", () => this.pan(PAN), "Later")),
    this.nowButton, this.filter, this.shown);

  constructor(private readonly now: () => number) {}

  private action(id: string, text: string, run: () => void, label?: string): HTMLButtonElement {
    return h("button", { type: "button", "data-action": id, "aria-label": label, title: label, click: run }, text);
  }

  zoomTo(fromMs: number, toMs: number): void {
    setView({ span: fixed(fromMs, toMs, this.now()) });
  }

  zoom(factor: number): void {
    const [from, to] = limits(view().span, this.now());
    const middle = (from + to) / 2;
    const half = ((to - from) / 2) * factor;
    this.zoomTo(middle - half, middle + half);
  }

  pan(share: number): void {
    const [from, to] = limits(view().span, this.now());
    const by = (to - from) * share;
    if (share > 0 && view().span.live) return;
    this.zoomTo(from + by, to + by);
  }

  toNow(): void {
    setView({ span: { live: true, seconds: this.lastSeconds } });
  }

  /** Keys while a chart has the focus. True: it was one of them. */
  key(name: string): boolean {
    const actions: Record<string, () => void> = {
      ArrowLeft: () => this.pan(-PAN / 2), ArrowRight: () => this.pan(PAN / 2),
      "+": () => this.zoom(1 / ZOOM), "-": () => this.zoom(ZOOM), "0": () => this.toNow(),
    };
    actions[name]?.();
    return name in actions;
  }

  update(note: string): void {
    const { span, type } = view();
    if (span.live) this.lastSeconds = span.seconds;
    this.spans.forEach((button, i) => {
      button.setAttribute("aria-pressed", String(span.live && span.seconds === SPANS[i]![1]));
    });
    setHidden(this.nowButton, span.live);
    setHidden(this.filter, type === "");
    setText(this.filter, `Type: ${type} ✕`);
    const text = span.live ? "" : `${stretch(span.from, span.to)}, ${seconds((span.to - span.from) / 1000)}`;
    setText(this.shown, [text, note].filter((each) => each !== "").join("; "));
  }
}
