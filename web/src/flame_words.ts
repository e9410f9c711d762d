// What a frame of a flame graph is said to be, and how much it changed against the recording that it is compared with.
import type { Flame, FlameNode } from "./api";
import * as format from "./format";

/** From which change on, in parts of the whole, a frame has the next stronger colour; as the agent's SVG has it. */
const BANDS = [0.005, 0.03, 0.1];

/**
 * How much a frame grew, -1..1. On CPU both recordings have the same total here, so it is the difference of two shares. Off
 * CPU the waits are those of a recording of this length, and it is their difference as a part of the longer of both totals.
 */
export function change(flame: Flame, node: FlameNode): number {
  const whole = Math.max(flame.flame.value, flame.flame.before ?? 0);
  return whole > 0 ? (node.value - (node.before ?? 0)) / whole : 0;
}

/** -3..3; 0: hardly anything changed. */
export function band(change: number): number {
  const steps = BANDS.filter((from) => Math.abs(change) >= from).length;
  return change < 0 ? -steps || 0 : steps;
}

/** What the legend calls each band, in percentage points. */
export const BAND_NAMES: [number, string][] = [
  [-3, "−10 or more"], [-2, "−3 to −10"], [-1, "−0.5 to −3"], [0, "about the same"], [1, "+0.5 to +3"], [2, "+3 to +10"], [3, "+10 or more"],
];

function points(change: number): string {
  const size = Math.abs(change * 100).toFixed(1);
  const sign = Number(size) === 0 ? "±" : change < 0 ? "−" : "+";
  return `${sign}${size}\u00a0percentage points`;
}

export function amount(flame: Flame, value: number): string {
  return flame.unit === "samples" ? `${format.count(value)} samples` : format.withUnit(value, flame.unit);
}

/** "search (3 samples, 37.5 %; before 25 %: +12.5 percentage points)"; waits are compared by the second of recording. */
export function describe(flame: Flame, node: FlameNode): string {
  const root = flame.flame;
  const share = format.ratio(root.value > 0 ? node.value / root.value : 0);
  const now = `${amount(flame, node.value)}${flame.unit === "samples" ? "" : " waited"}, ${share}`;
  if (!flame.before || node.before === undefined) return `${node.name} (${now})`;
  const grew = points(change(flame, node));
  if (flame.unit === "samples") {
    return `${node.name} (${now}; before ${format.ratio(root.before ? node.before / root.before : 0)}: ${grew})`;
  }
  const perSecond = (value: number): string => format.seconds(flame.seconds > 0 ? value / flame.seconds : 0);
  return `${node.name} (${now}; per second ${perSecond(node.value)}, before ${perSecond(node.before)}: ${grew})`;
}
