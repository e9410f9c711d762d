// The agent's events: one each interval. A connection that is lost is opened again, and while no stream is to be had
// (all are taken) the same is asked for every few seconds. A page that nobody sees keeps no stream: a browser opens six
// connections to an agent, and six such tabs would leave none for what the seventh asks.
import { address, get, Refusal, type LiveEvent } from "./api";
import { released } from "./press";

export type Status = "connecting" | "live" | "polling" | "lost";

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 10_000;
/** Without an event for so many intervals, and at least so long, the connection counts as lost: it may hang. */
const SILENT_INTERVALS = 5;
const LEAST_SILENCE_MS = 8_000;
/** The title of a hidden page still says how many alerts fire. */
const HIDDEN_ASK_MS = 30_000;

/** How long nothing may be heard. Of a target that is not attached, the agent tells as often as it looks around. */
export function patienceMs({ state, page }: LiveEvent): number {
  const seconds = Math.max(state?.interval_seconds ?? 0, page.collection_seconds);
  return Math.max(LEAST_SILENCE_MS, SILENT_INTERVALS * seconds * 1000);
}

export class Live {
  private source: EventSource | null = null;
  private timer = 0;
  private watchdog = 0;
  private pause = FIRST_PAUSE_MS;
  private target = "";
  private patienceMs = LEAST_SILENCE_MS;
  private askMs = 5_000;
  private generation = 0;
  private streams = true;

  constructor(
    private readonly onEvent: (event: LiveEvent) => void,
    private readonly onStatus: (status: Status, reason: string) => void,
  ) {}

  watch(target: string): void {
    this.target = target;
    this.pause = FIRST_PAUSE_MS;
    this.onStatus("connecting", "");
    void this.connect();
  }

  /** The page was hidden, or is seen again. */
  visibilityChanged(): void {
    this.pause = FIRST_PAUSE_MS;
    ++this.generation;
    if (document.hidden) this.askAgain();
    else void this.connect();
  }

  private close(): void {
    this.source?.close();
    this.source = null;
    clearTimeout(this.timer);
    clearTimeout(this.watchdog);
  }

  /** The present at once, then the stream. */
  private async connect(): Promise<void> {
    this.close();
    const generation = ++this.generation;
    try {
      const event = await get<LiveEvent>("/api/v1/live", { target: this.target });
      if (generation !== this.generation) return;
      this.target = event.target;
      this.patienceMs = patienceMs(event);
      this.askMs = event.page.update_seconds * 1000;
      this.streams = event.page.real_time;
      this.onEvent(event);
    } catch (error) {
      if (generation === this.generation) this.retry(error instanceof Refusal ? error.message : "the agent does not answer");
      return;
    }
    if (this.streams && !document.hidden) this.listen(generation);
    else this.askAgain();
  }

  private listen(generation: number): void {
    const source = new EventSource(address("/api/v1/live", { target: this.target }));
    this.source = source;
    this.arm();
    source.onopen = () => {
      if (generation !== this.generation) return;
      this.pause = FIRST_PAUSE_MS;
      this.onStatus("live", "");
    };
    source.onmessage = async (message: MessageEvent<string>) => {
      if (generation !== this.generation) return;
      this.arm();
      const release = released();
      if (release) await release;
      if (generation === this.generation) this.onEvent(JSON.parse(message.data) as LiveEvent);
    };
    source.onerror = () => {
      if (generation !== this.generation) return;
      if (source.readyState === EventSource.CLOSED) this.askAgain();
      else this.retry("the connection is lost");
    };
  }

  private arm(): void {
    clearTimeout(this.watchdog);
    this.watchdog = window.setTimeout(() => this.retry("nothing was heard from the agent"), this.patienceMs);
  }

  /** Without a stream (switched off, all are taken, or nobody looks) the plain question is still answered. */
  private askAgain(): void {
    this.close();
    if (!document.hidden) this.onStatus("polling", "");
    this.timer = window.setTimeout(() => void this.connect(), document.hidden ? Math.max(this.askMs, HIDDEN_ASK_MS) : this.askMs);
  }

  private retry(reason: string): void {
    this.close();
    this.onStatus("lost", reason);
    this.timer = window.setTimeout(() => void this.connect(), this.pause);
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE_MS);
  }
}
