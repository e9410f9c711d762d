// Draws one flame graph; a chunk of its own, because few pages need it.
import flamegraph from "d3-flame-graph";
import { select } from "d3-selection";
import type { Flame } from "./api";
import { h, setText, shown, themeColor } from "./dom";
import { FlameKeys, type Frame } from "./flame_keys";
import { band, BAND_NAMES, change, describe } from "./flame_words";

const FRAME_HEIGHT = 18;
// On CPU and off CPU differ in hue, frames beside each other in lightness.
const HUES: Record<string, [number, number]> = { on_cpu: [28, 85], off_cpu: [205, 65] };

function color(kind: string, name: string): string {
  let hash = 0;
  for (let i = 0; i < name.length; ++i) hash = (hash * 31 + name.charCodeAt(i)) % 1_009;
  const [hue, saturation] = HUES[kind] ?? HUES["on_cpu"]!;
  return `hsl(${hue + (hash % 16) - 8}, ${saturation}%, ${60 + (hash % 17)}%)`;
}

// d3-flame-graph colours differences too, but each by the frame's own width and without steps: its narrowest frames are
// the loudest, and no legend can say what a colour stands for.
const changeColor = (flame: Flame, frame: Frame): string => themeColor(`--change${band(change(flame, frame.data))}`);

function legend(): HTMLElement {
  return h("ul", { class: "flame-legend", "aria-label": "Colours: the change in percentage points" },
    h("li", {}, "Change in percentage points:"),
    ...BAND_NAMES.map(([step, name]) => h("li", {}, h("span", { class: "patch", "data-band": step }), name)));
}

/** Frames are as wide as their values, or with `byBefore` as in the recording that is compared with. */
export function drawFlame(place: HTMLElement, flame: Flame, byBefore: boolean): void {
  const detail = h("p", { class: "note flame-detail" });
  const tree = h("div", { class: "flame-tree", tabindex: 0, role: "tree", "aria-label": "Frames: arrow keys move, Enter enlarges, Escape shows all" });
  place.replaceChildren(...(flame.before ? [legend()] : []), detail, tree);
  place.classList.toggle("compared", Boolean(flame.before));
  const width = Math.max(place.clientWidth, 300);
  const tell = (frame: Frame): void => setText(detail, describe(flame, frame.data));
  const chart = flamegraph()
    .width(width)
    .cellHeight(FRAME_HEIGHT)
    .minFrameSize(2)
    .transitionDuration(0)
    .sort(true)
    .tooltip(false)
    .label((frame: Frame) => shown(describe(flame, frame.data)))
    .onHover(tell)
    .setColorMapper((frame: Frame) => (flame.before ? changeColor(flame, frame) : color(flame.kind, frame.data.name)));
  if (byBefore) chart.getValue((node: Flame["flame"]) => node.before ?? 0);
  select(tree).datum(flame.flame).call(chart);
  const keys = new FlameKeys(tree, {
    width, rowHeight: FRAME_HEIGHT, height: () => chart.height() as number, zoomTo: (frame) => chart.zoomTo(frame),
    showAll: () => chart.resetZoom(), describe: (frame) => describe(flame, frame.data), onCurrent: tell,
  });
  chart.onClick((frame: Frame) => keys.update(frame));
}
