// The flame graphs of one query type. What draws them is loaded when the first one is asked for.
import { get, Refusal, type Flame, type Recording } from "./api";
import { h, setText } from "./dom";
import * as format from "./format";

const KINDS = [["on_cpu", "On CPU"], ["off_cpu", "Off CPU"]] as const;
const SECONDS = 10;
const ASK_AGAIN_MS = 1000;

export class FlamePanel {
  private readonly status = h("p", { class: "note", role: "status" });
  private readonly place = h("div", { class: "flame", tabindex: 0, role: "region", "aria-label": "Flame graph" });
  private readonly title = h("h2", {});
  private readonly buttons = KINDS.map(([kind, label]) =>
    h("button", { type: "button", "data-kind": kind, click: () => void this.record(kind) }, `${label}, ${SECONDS} s`));
  private asked: AbortController | null = null;
  private target = "";
  private type = "";
  readonly root = h("section", { class: "flames", hidden: true, "aria-label": "Flame graphs" }, this.title,
    h("div", { class: "bar" }, ...this.buttons), this.status, this.place);

  show(target: string, type: string): void {
    if (target === this.target && type === this.type) return;
    this.asked?.abort();
    this.asked = null;
    this.target = target;
    this.type = type;
    this.root.hidden = type === "";
    setText(this.title, `Flame graphs of ${type || "(no name)"}`);
    setText(this.status, "Records the stacks of this type's queries for some seconds, on the CPU or while they wait.");
    this.place.replaceChildren();
    for (const button of this.buttons) button.disabled = false;
  }

  private async record(kind: string): Promise<void> {
    this.asked?.abort();
    const asked = new AbortController();
    this.asked = asked;
    for (const button of this.buttons) button.disabled = true;
    setText(this.status, `Recording for ${SECONDS} s ...`);
    try {
      const flame = await this.recorded(kind, asked);
      if (flame && this.asked === asked) await this.draw(flame);
    } catch (error) {
      if (this.asked === asked) setText(this.status, this.reason(error));
    }
    if (this.asked === asked) for (const button of this.buttons) button.disabled = false;
  }

  /** The agent records on after its first answer, and has the graph for whoever asks again; null: nobody wants it any more. */
  private async recorded(kind: string, asked: AbortController): Promise<Flame | null> {
    const question = { target: this.target, type: this.type, kind, for: `${SECONDS}s` };
    while (this.asked === asked) {
      const answer = await get<Flame | Recording>("/api/v1/flame", question, asked.signal);
      if (!("state" in answer)) return answer;
      if (this.asked === asked) setText(this.status, `Recording, ${format.seconds(answer.seconds_left)} left ...`);
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
    }
    return null;
  }

  private reason(error: unknown): string {
    if (!(error instanceof Refusal)) return "The flame graph could not be drawn";
    if (error.status === 404 && error.message.includes("is not served")) return "This agent offers no flame graphs";
    return `No flame graph: ${error.message}`;
  }

  private async draw(flame: Flame): Promise<void> {
    if (!(flame.total > 0)) {
      this.place.replaceChildren();
      setText(this.status, `No stack of this type was seen in ${format.seconds(flame.seconds)}`);
      return;
    }
    const { drawFlame } = await import("./flame_chart");
    const total = flame.unit === "samples" ? `${format.count(flame.total)} samples` : format.withUnit(flame.total, flame.unit);
    const broken = flame.broken_share ? `; ${format.ratio(flame.broken_share)} of the stacks are incomplete` : "";
    setText(this.status, `${total} in ${format.seconds(flame.seconds)}${broken}. A click enlarges a frame, one on the lowest frame shows all again.`);
    drawFlame(this.place, flame.flame, flame.kind);
  }
}
