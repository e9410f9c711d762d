// The flame graphs of one query type. What draws them is loaded when the first one is asked for.
import { get, Refusal, type Flame, type FlameRecordings, type Parameters, type Recording } from "./api";
import { h, setHidden, setText } from "./dom";
import { amount } from "./flame_words";
import * as format from "./format";

const KINDS = [["on_cpu", "On CPU"], ["off_cpu", "Off CPU"]] as const;
const SECONDS = 10;
const ASK_AGAIN_MS = 1000;
const HELP = "A click enlarges a frame, one on the lowest frame shows all again; with the graph focused the arrow keys move, Enter enlarges, Escape shows all.";

class Outdated extends Error {}

/** What draws them has another name in another version of the agent, and is loaded before anybody is probed for it. */
const chart = (): Promise<typeof import("./flame_chart")> => import("./flame_chart").catch(() => { throw new Outdated(); });

export class FlamePanel {
  private readonly status = h("p", { class: "note", role: "status" });
  private readonly place = h("div", { class: "flame", role: "region", "aria-label": "Flame graph" });
  private readonly title = h("h2", {});
  private readonly buttons = KINDS.map(([kind, label]) =>
    h("button", { type: "button", "data-kind": kind, click: () => void this.record(kind) }, `${label}, ${SECONDS} s`));
  private readonly earlier = h("select", { id: "flame-compare", change: () => void this.compare() });
  private readonly widths = h("button", { type: "button", "aria-pressed": "false", click: () => void this.turnWidths() }, "Widths as before");
  private readonly choice = h("span", { class: "flame-compare", hidden: true },
    h("label", { for: "flame-compare" }, "compare with"), this.earlier, this.widths);
  private asked: AbortController | null = null;
  private target = "";
  private type = "";
  /** What is drawn, or was tried last. */
  private flame: Flame | null = null;
  readonly root = h("section", { class: "flames", hidden: true, "aria-label": "Flame graphs" }, this.title,
    h("div", { class: "bar" }, ...this.buttons, this.choice), this.status, this.place);

  show(target: string, type: string): void {
    if (target === this.target && type === this.type) return;
    this.asked?.abort();
    this.asked = null;
    this.target = target;
    this.type = type;
    this.root.hidden = type === "";
    setText(this.title, `Flame graphs of ${type || "(no name)"}`);
    setText(this.status, "Records the stacks of this type's queries for some seconds, on the CPU or while they wait.");
    this.clear();
    this.setBusy(false);
  }

  /** Buttons that are disabled would lose the focus, and whoever has no mouse would have to look for them again. */
  private setBusy(busy: boolean): void {
    this.earlier.disabled = busy; // another question would give the recording up
    for (const button of this.buttons) button.setAttribute("aria-disabled", String(busy));
  }

  private clear(): void {
    this.flame = null;
    this.earlier.replaceChildren();
    setHidden(this.choice, true);
    this.place.replaceChildren();
  }

  private async record(kind: string): Promise<void> {
    if (this.buttons.some((button) => button.getAttribute("aria-disabled") === "true")) return;
    const compare = this.flame?.kind === kind ? this.earlier.value : "";
    setText(this.status, `Recording for ${SECONDS} s ...`);
    await this.ask({ kind, for: `${SECONDS}s`, compare });
  }

  /** What is drawn, beside another one: nothing is recorded for that. */
  private async compare(): Promise<void> {
    if (this.flame) await this.ask({ kind: this.flame.kind, at: this.flame.time, compare: this.earlier.value });
  }

  private async ask(question: Parameters): Promise<void> {
    this.asked?.abort();
    const asked = new AbortController();
    this.asked = asked;
    this.setBusy(true);
    try {
      await chart();
      const flame = await this.answer(question, asked);
      if (flame) await this.draw(flame, asked);
    } catch (error) {
      if (this.asked === asked) setText(this.status, this.reason(error));
    }
    await this.offer(asked);
    if (this.asked === asked) this.setBusy(false);
  }

  /** The agent records on after its first answer, and has the graph for whoever asks again; null: nobody wants it any more. */
  private async answer(question: Parameters, asked: AbortController): Promise<Flame | null> {
    while (this.asked === asked) {
      const answer = await get<Flame | Recording>("/api/v1/flame", { target: this.target, type: this.type, ...question }, asked.signal);
      if (!("state" in answer)) return answer;
      if (this.asked === asked) setText(this.status, `Recording, ${format.seconds(answer.seconds_left)} left ...`);
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
    }
    return null;
  }

  /** The recordings that the one that is drawn can be compared with. Without them there is a graph all the same. */
  private async offer(asked: AbortController): Promise<void> {
    const flame = this.flame;
    if (!flame || this.asked !== asked) return;
    let kept: FlameRecordings["recordings"] = [];
    try {
      ({ recordings: kept } = await get<FlameRecordings>("/api/v1/flame/recordings", { target: this.target, type: this.type, kind: flame.kind }, asked.signal));
    } catch (error) {
      if (this.asked === asked) setText(this.status, `${this.status.textContent} Earlier recordings are not known: ${this.reason(error)}.`);
    }
    if (this.asked !== asked) return;
    const before = kept.filter((each) => each.time < flame.time)[0]?.time;
    const others = kept.filter((each) => each.time !== flame.time);
    const label = (each: (typeof kept)[number]): string =>
      `${format.moment(each.time)}${each.time === before ? " (the one before)" : ""}, ${amount(flame, each.total)}`;
    this.earlier.replaceChildren(h("option", { value: "" }, "nothing"), ...others.map((each) => h("option", { value: each.time }, label(each))));
    const compared = String(flame.before?.time ?? "");
    this.earlier.value = others.some((each) => String(each.time) === compared) ? compared : "";
    setHidden(this.choice, others.length === 0);
    setHidden(this.widths, !flame.before);
  }

  private reason(error: unknown): string {
    if (error instanceof Outdated) return "What draws flame graphs could not be loaded: reload this page, which is of another version than the agent, or try again";
    if (!(error instanceof Refusal)) return "The flame graph could not be drawn";
    if (error.code === "not_served") return "This agent offers no flame graphs";
    return `No flame graph: ${error.message}`;
  }

  private async turnWidths(): Promise<void> {
    this.widths.setAttribute("aria-pressed", String(this.widths.getAttribute("aria-pressed") !== "true"));
    if (this.flame && this.asked) await this.draw(this.flame, this.asked);
  }

  private async draw(flame: Flame, asked: AbortController): Promise<void> {
    const { drawFlame } = await chart();
    if (this.asked !== asked) return; // another type was chosen while that was loaded
    if (!(flame.total > 0)) {
      this.clear();
      setText(this.status, `No stack of this type was seen in ${format.seconds(flame.seconds)}; queries that began before the recording are not in it`);
      return;
    }
    this.flame = flame;
    if (!flame.before) this.widths.setAttribute("aria-pressed", "false");
    const broken = flame.broken_share ? `; ${format.ratio(flame.broken_share)} of the stacks are incomplete` : "";
    setText(this.status, `${amount(flame, flame.total)} in ${format.seconds(flame.seconds)}${broken}. ${this.comparison(flame)}${HELP}`);
    drawFlame(this.place, flame, this.widths.getAttribute("aria-pressed") === "true");
  }

  private comparison(flame: Flame): string {
    if (!flame.before) return "";
    const gone = flame.before.gone_share >= 0.001 ? `, ${format.ratio(flame.before.gone_share)} of which is in frames that are no more` : "";
    return `Compared with ${amount(flame, flame.before.total)} in ${format.seconds(flame.before.seconds)}${gone}: orange is more, blue is less. `;
  }
}
