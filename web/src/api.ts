// What the agent answers, as far as the page reads it; names and units are the API's.
import type { Maybe } from "./format";
import { released } from "./press";

export interface Waits { [name: string]: number }

export interface TypeFigures {
  count: number;
  queries_per_second: number;
  avg_response_time_seconds: Maybe;
  p50_response_time_seconds: Maybe;
  p95_response_time_seconds: Maybe;
  p99_response_time_seconds: Maybe;
  success_rate: Maybe;
  cache_hit_rate: Maybe;
  waits: Waits | null;
  statement?: string | null;
  database?: string | null;
  user?: string | null;
}

/** Queries of `type` waited until one of `blocked_by` woke them; null: none of the target's did. */
export interface Blocking {
  type: string;
  blocked_by: string | null;
  wait: string;
  count: number;
  seconds: number;
}

export interface Snapshot {
  timestamp: string;
  target: string;
  interval_seconds: number;
  query_metrics: Record<string, Maybe> & {
    total_queries: number;
    query_type_breakdown: Record<string, TypeFigures>;
    waits: Waits | null;
    blocking?: Blocking[];
  };
  system_metrics: Record<string, Maybe>;
  target_metrics: Record<string, Maybe>;
  cache_metrics: { hit_rate: Maybe };
  health_score: number;
  health_deductions: { rule: string; value: number; threshold: number; penalty: number }[];
  overhead: { ns_per_query: Maybe; percent_of_target_cpu: Maybe; mode: string; sampled_share: number };
  losses: Record<string, number | string[]>;
}

export interface Availability {
  state: string;
  ratio_1h: Maybe;
  ratio_24h: Maybe;
  ratio_30d: Maybe;
  error_budget_left: Maybe;
}

/** What was seen against what the engine itself has counted. */
export interface Audit {
  error: string | null;
  comparison: { since_ms: number; engine_queries: number; difference: number; uncertainty: number } | null;
}

export interface TargetState {
  name: string;
  attached: boolean;
  error: string | null;
  processes: number;
  interval_seconds: number;
  availability: Availability;
  availability_objective: number;
  audit: Audit | null;
}

export interface Notice {
  at?: string;
  event?: string;
  state?: string;
  held?: boolean;
  id: string;
  name: string;
  severity: string;
  target: string;
  type: string;
  metric: string;
  value: Maybe;
  threshold: Maybe;
  expected: Maybe;
  since: string;
  cause: string;
  text: string;
  annotation: string;
}

export interface LiveEvent {
  time: number;
  target: string;
  state: TargetState | null;
  current: Snapshot | null;
  types_left_out: number;
  targets: { name: string; state: string; attached: boolean; health_score: Maybe }[];
  /** `elsewhere`: alerts of other targets that fire. */
  alerts: { firing: number; pending: number; elsewhere: number; active: Notice[] } | null;
  agent: { version: string; uptime_seconds: number; history: boolean; history_error: string | null };
  page: { real_time: boolean; update_seconds: number; window_seconds: number; collection_seconds: number };
}

export interface Charts {
  target: string;
  type: string | null;
  from: number;
  to: number;
  step_seconds: number;
  resolution_seconds: number;
  metrics: Record<string, { unit: string; of_type: boolean }>;
  columns: Record<string, Maybe[]>;
  heat_map: { lower_seconds: number[]; columns: (number[] | null)[] };
  /** When the target was started anew, Unix ms. */
  restarts: number[];
  health_trend: { direction: string; change: Maybe; significant: boolean };
}

export interface WindowFigures {
  queries: Maybe;
  queries_per_second: Maybe;
  avg_response_time_seconds: Maybe;
  p95_response_time_seconds: Maybe;
  p99_response_time_seconds: Maybe;
  error_rate: Maybe;
}

export interface TypeRow extends WindowFigures {
  name: string;
  share: Maybe;
  cache_hit_rate: Maybe;
  waits: Waits | null;
  before: WindowFigures | null;
  /** What it says without its data, where the type is a statement that ran since the agent attached. */
  statement?: string | null;
  /** Whose executions alone it is about, where types are told apart by that. */
  database?: string | null;
  user?: string | null;
}

export interface TypeTable {
  from: number;
  to: number;
  before_from: number;
  before_to: number;
  types: TypeRow[];
}

/** A query that is done or not; `waits` are named as in a snapshot (`lock_seconds`), null where they were not followed. */
interface OneQuery {
  type: string;
  start: string;
  start_ms: number;
  process: number;
  /** null: it may change threads. */
  thread: number | null;
  waits: Waits | null;
  text: string | null;
  /** Of an engine whose processes say whose work they do. */
  database?: string | null;
  user?: string | null;
  client?: string | null;
}

export interface EndedQuery extends OneQuery {
  duration_seconds: number;
  failed: boolean;
}

export interface HangingQuery extends OneQuery {
  seconds: number;
  state: "running" | "run_queue" | "waiting" | null;
  /** That the thread has been in this state. */
  state_seconds: number | null;
  wait: string | null;
  /** The outermost frame first. */
  stack: string[] | null;
  stack_missing: string | null;
}

export interface Queries {
  target: string;
  slow_of_seconds: number;
  in_flight_after_seconds: number;
  text: "off" | "normalised" | "raw";
  slow: EndedQuery[];
  /** null: `in_flight_missing` says why it is not known. */
  in_flight: HangingQuery[] | null;
  in_flight_missing: string | null;
}

export interface Channel {
  name: string;
  sent: number;
  failed: number;
  dropped: number;
  queued: number;
  failing: boolean;
  last_error: string | null;
}

export interface Alerts {
  alerts: Notice[];
  recent: Notice[];
  channels: Channel[];
}

/** `before`: its value in the recording that is compared with, scaled to be comparable. */
export interface FlameNode { name: string; value: number; before?: number; children?: FlameNode[] }

export interface Flame {
  kind: string;
  unit: string;
  time: number;
  seconds: number;
  total: number;
  broken_share: Maybe;
  before?: { time: number; seconds: number; total: number; gone_share: number } | null;
  flame: FlameNode;
}

export interface FlameRecordings {
  recordings: { time: number; seconds: number; stacks: number; total: number }[];
}

/** The first answer of a question that takes time: ask again. */
export interface Recording {
  state: "recording";
  seconds_left: number;
}

/** An answer that is none: the status (0: nothing answered at all), the reason in words, and for some a code. */
export class Refusal extends Error {
  constructor(readonly status: number, reason: string, readonly code = "") {
    super(reason);
  }
}

export type Parameters = Record<string, string | number | undefined>;

export function address(path: string, parameters: Parameters = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** An answer that takes longer does not come any more: whoever waits for it would ask nothing else. */
const PATIENCE_MS = 15_000;

/** The answer; a Refusal if there is none in time. Rejects with what fetch does once `signal` is aborted. */
export async function get<T>(path: string, parameters: Parameters = {}, signal?: AbortSignal): Promise<T> {
  // By hand, since AbortSignal.any is younger than browsers that people still use.
  const asked = new AbortController();
  const end = (): void => asked.abort();
  const timer = setTimeout(end, PATIENCE_MS);
  signal?.addEventListener("abort", end);
  if (signal?.aborted) end();
  let response: Response;
  let text: string;
  try {
    response = await fetch(address(path, parameters), { headers: { Accept: "application/json" }, signal: asked.signal });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refusal(0, "the agent does not answer");
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
    await released(); // whatever comes of it will be drawn
  }
  signal?.throwIfAborted();
  if (response.ok) return JSON.parse(text) as T;
  let refusal: { error: string; code?: string } = { error: text.trim() };
  try {
    refusal = JSON.parse(text) as typeof refusal;
  } catch { /* not every refusal is JSON */ }
  throw new Refusal(response.status, refusal.error, refusal.code);
}

/** "user alice, database bench", where types are told apart by that. */
export function whose(type: { database?: string | null; user?: string | null }): string {
  return [type.user && `user ${type.user}`, type.database && `database ${type.database}`].filter(Boolean).join(", ");
}
