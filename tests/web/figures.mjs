// Figures as the page writes them, read back: what is compared is the API's number and the number that a person reads.
import assert from "node:assert/strict";

const FACTORS = {
  "": 1, ns: 1e-9, "µs": 1e-6, ms: 1e-3, s: 1, min: 60, h: 3600, d: 86400, k: 1e3, M: 1e6, G: 1e9, "%": 0.01,
  "/s": 1, "k/s": 1e3, "M/s": 1e6,
};

/** The number that a text says, in the API's unit; null for the dash. */
export function figure(text) {
  const plain = text.trim().replaceAll("\u00a0", " ").replaceAll(",", "");
  if (plain === "–") return null;
  const found = /^(-?[\d.]+) ?(.*)$/.exec(plain);
  assert.ok(found && found[2] in FACTORS, `no figure: "${text}"`);
  return Number(found[1]) * FACTORS[found[2]];
}

/** Equal but for the digits that are not shown. */
export function assertShown(text, value, what) {
  const shown = figure(text);
  if (value === null || value === undefined) {
    assert.equal(shown, null, `${what}: "${text}", and the API has none`);
    return;
  }
  assert.notEqual(shown, null, `${what}: "${text}", and the API says ${value}`);
  const room = Math.max(Math.abs(value) * 0.006, 1e-9, text.includes("%") ? 6e-5 : 0);
  assert.ok(Math.abs(shown - value) <= room, `${what}: "${text}", and the API says ${value}`);
}
