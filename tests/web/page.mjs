// What scenarios read off a page.
import assert from "node:assert/strict";

/** Something of the page, once a condition holds of it. */
export async function eventually(read, holds, what, seconds = 45) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const value = await read();
    if (holds(value)) return value;
    if (Date.now() > deadline) throw new Error(`waited ${seconds} s in vain: ${what}; it is ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export const text = (page, selector) => page.locator(selector).first().innerText();
export const fixedPath = ({ from, to }) => `/#/overview?from=${from}&to=${to}`;

export async function api(page, path, parameters) {
  const answer = await page.request.get(new URL(`${path}?${new URLSearchParams(parameters)}`, page.url()).href);
  assert.equal(answer.status(), 200, path);
  return answer.json();
}

/** How many pixels of a chart's canvas are painted, and a sum over them that differs with what is painted. */
export const drawn = (page, chart) =>
  page.locator(`[data-chart="${chart}"] canvas`).evaluate((canvas) => {
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const pixels = copy.getImageData(0, 0, canvas.width, canvas.height).data;
    let count = 0;
    let sum = 0;
    for (let i = 0; i < pixels.length; i += 4) {
      if (pixels[i + 3] === 0) continue;
      ++count;
      sum = (sum * 31 + pixels[i] + 7 * pixels[i + 1] + 13 * pixels[i + 2] + (i % 9973)) % 1_000_000_007;
    }
    return { count, sum };
  });

export const row = (page, type) => page.locator("#types tbody tr").filter({ has: page.getByRole("button", { name: type, exact: true }) });
