// Draws one flame graph; a chunk of its own, because few pages need it.
import flamegraph from "d3-flame-graph";
import { select } from "d3-selection";
import type { FlameNode } from "./api";

const FRAME_HEIGHT = 18;
// On CPU and off CPU differ in hue, frames beside each other in lightness.
const HUES: Record<string, [number, number]> = { on_cpu: [28, 85], off_cpu: [205, 65] };

function color(kind: string, name: string): string {
  let hash = 0;
  for (let i = 0; i < name.length; ++i) hash = (hash * 31 + name.charCodeAt(i)) % 1_009;
  const [hue, saturation] = HUES[kind] ?? HUES["on_cpu"]!;
  return `hsl(${hue + (hash % 16) - 8}, ${saturation}%, ${60 + (hash % 17)}%)`;
}

export function drawFlame(place: HTMLElement, root: FlameNode, kind: string): void {
  place.replaceChildren();
  const chart = flamegraph()
    .width(Math.max(place.clientWidth, 300))
    .cellHeight(FRAME_HEIGHT)
    .minFrameSize(2)
    .transitionDuration(0)
    .sort(true)
    .tooltip(false)
    .setColorMapper((frame: { data: FlameNode }) => color(kind, frame.data.name));
  select(place).datum(root).call(chart);
}
