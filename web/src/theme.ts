// Dark or light: as the system has it, unless the switch was used. Kept in this browser only.
import { h, setText } from "./dom";

type Choice = "auto" | "light" | "dark";
const KEY = "outrider-theme";
const NEXT: Record<Choice, Choice> = { auto: "light", light: "dark", dark: "auto" };
const LABELS: Record<Choice, string> = { auto: "Theme: system", light: "Theme: light", dark: "Theme: dark" };

function stored(): Choice {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : "auto";
  } catch {
    return "auto"; // storage is off
  }
}

export function themeSwitch(changed: () => void): HTMLElement {
  let choice = stored();
  const button = h("button", { type: "button", class: "quiet", id: "theme", click: () => apply(NEXT[choice]) });
  const apply = (next: Choice): void => {
    choice = next;
    if (choice === "auto") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.setAttribute("data-theme", choice);
    setText(button, LABELS[choice]);
    try {
      localStorage.setItem(KEY, choice);
    } catch { /* it holds for as long as the page is open */ }
    changed();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (choice === "auto") changed(); });
  apply(choice);
  return button;
}
