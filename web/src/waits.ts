// Where time goes, by class: names, colours, shares.
import type { Waits } from "./api";

export const WAITS = [
  "cpu", "run_queue", "disk", "page_fault", "lock", "sync", "network", "poll", "sleep", "ipc", "io_uring", "other",
  "unattributed", "throttled",
] as const;

export const WAIT_LABELS: Record<string, string> = {
  cpu: "on CPU", run_queue: "waiting for a CPU", disk: "disk", page_fault: "page fault", lock: "lock", sync: "sync",
  network: "network", poll: "poll", sleep: "sleep", ipc: "ipc", io_uring: "io_uring", other: "other",
  unattributed: "not known", throttled: "no CPU quota left",
};

export function waitColor(name: string): string {
  return `--wait-${name.replace("_", "-")}`;
}

/** Seconds by class, of `lock_seconds` and the like. */
export function byClass(waits: Waits | null): Waits | null {
  return waits && Object.fromEntries(Object.entries(waits).map(([name, seconds]) => [name.replace(/_seconds$/, ""), seconds]));
}

/** Seconds, or whatever they are in, as shares of their sum; null if there is nothing to share. */
export function sharesOf(waits: Waits | null): Waits | null {
  const all = waits ? Object.values(waits).reduce((sum, each) => sum + each, 0) : 0;
  return waits && all > 0 ? Object.fromEntries(Object.entries(waits).map(([name, each]) => [name, each / all])) : null;
}
