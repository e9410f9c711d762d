// What arrives waits while a button is pressed. It may move the page or make a row anew, and whoever lets the mouse go a
// tenth of a second later would then be beside the button, and nothing would hear of the click.

const PRESSED = "button:active, a:active, summary:active";
const LOOK_AGAIN_MS = 50;
/** A press whose end is never heard of (a menu may take it) holds up nothing for longer. */
const LONGEST_MS = 3_000;

let release: Promise<void> | null = null;

const isPressed = (): boolean => document.querySelector(PRESSED) !== null;

async function untilReleased(): Promise<void> {
  const deadline = performance.now() + LONGEST_MS;
  while (isPressed() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
}

/** What to wait for until nothing is pressed; null: there is no need to. Who waits goes on in the order in which they came. */
export function released(): Promise<void> | null {
  if (isPressed()) release ??= untilReleased().finally(() => { release = null; });
  return release;
}
