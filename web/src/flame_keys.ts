// A flame graph without a mouse: one tab stop, a tree of frames to screen readers. The arrow keys go where the frames are
// drawn: up to the widest frame that this one calls, down to its caller, left and right to the frames beside it.
import { select } from "d3-selection";
import type { FlameNode } from "./api";

/** A frame as d3-flame-graph lays it out: x0 and x1 are 0..1 of the width. */
export interface Frame {
  id: number;
  data: FlameNode;
  depth: number;
  x0: number;
  x1: number;
  parent: Frame | null;
  children?: Frame[];
}

/** What is done to the graph, and what is said of it. */
export interface Graph {
  width: number;
  rowHeight: number;
  height(): number;
  zoomTo(frame: Frame): void;
  showAll(): void;
  describe(frame: Frame): string;
  onCurrent(frame: Frame): void;
}

const SVG = "http://www.w3.org/2000/svg";

export class FlameKeys {
  private frames = new Map<Frame, Element>();
  private current: Frame | null = null;
  private readonly mark = document.createElementNS(SVG, "rect");

  /** `tree` has the drawing in it already. */
  constructor(private readonly tree: HTMLElement, private readonly graph: Graph) {
    this.mark.setAttribute("class", "flame-mark");
    tree.querySelector("svg")?.setAttribute("role", "none");
    tree.querySelector("svg")?.append(this.mark);
    tree.addEventListener("keydown", (event) => this.onKey(event));
    tree.addEventListener("focus", () => this.current && this.graph.onCurrent(this.current));
    this.update();
  }

  /** After each drawing: other frames are to be seen, at other places. */
  update(current = this.current): void {
    this.frames = new Map([...this.tree.querySelectorAll("g.frame")].map((element) => [select(element).datum() as Frame, element]));
    for (const [frame, element] of this.frames) this.tell(frame, element);
    const root = [...this.frames.keys()].find((frame) => frame.parent === null) ?? null;
    while (current && !this.frames.has(current)) current = current.parent; // too narrow now
    this.go(current ?? root);
  }

  private tell(frame: Frame, element: Element): void {
    const beside = this.beside(frame);
    const attributes = {
      id: `flame-frame-${frame.id}`, role: "treeitem", "aria-level": frame.depth + 1, "aria-setsize": beside.length,
      "aria-posinset": beside.indexOf(frame) + 1, "aria-label": this.graph.describe(frame),
    };
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
    element.querySelector("foreignObject")?.setAttribute("aria-hidden", "true");
  }

  private shown(frames: Frame[] | undefined): Frame[] {
    return (frames ?? []).filter((frame) => this.frames.has(frame)).sort((a, b) => a.x0 - b.x0);
  }

  private beside(frame: Frame): Frame[] {
    return this.shown(frame.parent ? frame.parent.children : [frame]);
  }

  private neighbour(key: string, frame: Frame): Frame | null | undefined {
    const beside = this.beside(frame);
    switch (key) {
      case "ArrowUp": return this.shown(frame.children).sort((a, b) => b.x1 - b.x0 - (a.x1 - a.x0))[0];
      case "ArrowDown": return frame.parent;
      case "ArrowLeft": return beside[beside.indexOf(frame) - 1];
      case "ArrowRight": return beside[beside.indexOf(frame) + 1];
      case "Home": return [...this.frames.keys()].find((each) => each.parent === null);
      default: return null;
    }
  }

  private onKey(event: KeyboardEvent): void {
    if (!this.current || event.ctrlKey || event.altKey || event.metaKey) return;
    const frame = this.current;
    switch (event.key) {
      case "Enter": case " ": this.graph.zoomTo(frame); break;
      case "Escape":
        this.graph.showAll();
        this.update(frame);
        break;
      case "ArrowUp": case "ArrowDown": case "ArrowLeft": case "ArrowRight": case "Home":
        this.go(this.neighbour(event.key, frame) ?? frame);
        break;
      default: return;
    }
    event.preventDefault();
    this.mark.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  private go(frame: Frame | null): void {
    this.current = frame;
    if (!frame) return;
    const { width, rowHeight } = this.graph;
    const inset = 1.5; // half of the line, so that all of it is on the frame's own colour
    const box = {
      x: frame.x0 * width + inset, y: this.graph.height() - (frame.depth + 1) * rowHeight + inset,
      width: Math.max(1, (frame.x1 - frame.x0) * width - 2 * inset), height: rowHeight - 2 * inset,
    };
    for (const [name, value] of Object.entries(box)) this.mark.setAttribute(name, String(value));
    this.tree.setAttribute("aria-activedescendant", `flame-frame-${frame.id}`);
    if (document.activeElement === this.tree) this.graph.onCurrent(frame);
  }
}
