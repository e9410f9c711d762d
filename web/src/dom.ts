// Elements from data. Text only ever becomes text: names of types and targets are foreign, and nothing here parses HTML.

// Controls but blanks and ends of lines; what has no width or turns the direction round. The command line shows them so too.
const MISLEADING = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/gu;

/** A text as it is shown: what would make it read as another stands in it as \xNN or \uNNNN. */
export function shown(text: string): string {
  return text.replace(MISLEADING, (sign) => {
    const code = sign.codePointAt(0)!;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

type Attribute = string | number | boolean | null | undefined | ((event: Event) => void);
export type Child = Node | string | null | undefined;

/** An element. Attributes that are null, undefined or false are left out; functions listen to the event they name. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, Attribute> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child !== null && child !== undefined) element.append(typeof child === "string" ? shown(child) : child);
  return element;
}

/** Changes a text only if it differs, so that a screen reader hears of changes alone. */
export function setText(element: Element, text: string): void {
  const wanted = shown(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

export function setHidden(element: HTMLElement, hidden: boolean): void {
  if (element.hidden !== hidden) element.hidden = hidden;
}

/** A list of lines, built anew only if one differs. */
export function setLines(list: HTMLElement, lines: string[]): void {
  const children = [...list.children];
  if (children.length === lines.length && lines.every((line, i) => children[i]!.textContent === shown(line))) return;
  list.replaceChildren(...lines.map((line) => h("li", {}, line)));
}

/** Makes `wanted` the children. Where some go and others come, those that stay do not leave the document: they would lose a
 * click halfway, a selection and the focus. */
export function arrange(parent: HTMLElement, wanted: HTMLElement[]): void {
  const stay = new Set(wanted);
  for (const child of [...parent.children]) if (!stay.has(child as HTMLElement)) child.remove();
  const focused = document.activeElement;
  wanted.forEach((each, i) => {
    if (parent.children[i] !== each) parent.insertBefore(each, parent.children[i] ?? null);
  });
  if (focused instanceof HTMLElement && focused !== document.activeElement && parent.contains(focused)) focused.focus({ preventScroll: true });
}

const colors = new Map<string, string>();

/** What the style sheet says a custom property is. Kept, for asking makes the browser work out its styles at once. */
export function themeColor(name: string): string {
  let color = colors.get(name);
  if (color === undefined) {
    color = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    colors.set(name, color);
  }
  return color;
}

export function forgetThemeColors(): void {
  colors.clear();
}
