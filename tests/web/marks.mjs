// What is marked in the charts: signs, words, and what the cursor tells.
import assert from "node:assert/strict";
import { join } from "node:path";

import { api, eventually, text } from "./page.mjs";

/** How many pixels of a chart's canvas have exactly a colour of the style sheet. */
const coloured = (page, chart, property) =>
  page.locator(`[data-chart="${chart}"] canvas`).evaluate((canvas, name) => {
    const wanted = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(wanted.slice(at, at + 2), 16));
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const pixels = copy.getImageData(0, 0, canvas.width, canvas.height).data;
    let count = 0;
    for (let i = 0; i < pixels.length; i += 4) if (pixels[i] === r && pixels[i + 1] === g && pixels[i + 2] === b && pixels[i + 3] === 255) ++count;
    return count;
  }, property);

export const markScenarios = {
  async restarts({ open, close, step, options }) {
    const page = await open("/#/overview?last=5m");
    await page.waitForSelector("#types tbody tr");
    assert.equal(await page.locator(".marks .restart").count(), 0);
    assert.equal(await coloured(page, "response", "--edge-restart"), 0);
    const started = Number(await step("start the engine again"));
    await eventually(() => page.locator(".marks .restart").count(), (signs) => signs > 0, "the mark");
    await page.waitForTimeout(6000);
    assert.equal(await page.locator(".marks .restart").count(), 1);
    const { restarts } = await api(page, "/api/v1/charts", { target: "engine", since: "300s" });
    assert.equal(restarts.length, 1);
    assert.ok(Math.abs(restarts[0] - started) < 2000, `${restarts[0]}, and it was ${started}`);
    const clock = await page.evaluate((at) => new Date(at).toTimeString().slice(0, 8), restarts[0]);
    const words = await page.locator(".marks li:has(.restart)").innerText();
    assert.equal(words.trim(), `restarted at ${clock}`);
    assert.equal(await page.locator('[data-chart="response"]').getAttribute("aria-describedby"), await page.locator(".marks").getAttribute("id"));
    assert.match(await text(page, ".marks"), /down, \d\d:\d\d:\d\d to \d\d:\d\d:\d\d/);
    for (const chart of ["response", "throughput", "memory"]) {
      await page.locator(`[data-chart="${chart}"]`).scrollIntoViewIfNeeded();
      await eventually(() => coloured(page, chart, "--edge-restart"), (pixels) => pixels > 8, `a sign in ${chart}`);
    }
    const over = page.locator('[data-chart="throughput"] .u-over');
    const box = await over.boundingBox();
    const now = Number(await page.evaluate(() => document.documentElement.dataset.shown));
    await page.mouse.move(box.x + (box.width * (restarts[0] - now + 300_000)) / 300_000, box.y + box.height / 2);
    await eventually(() => text(page, '[data-chart="throughput"] .when'), (said) => said.includes(`restarted at ${clock}`), "its name at the cursor");
    await page.mouse.move(box.x + box.width * 0.1, box.y + box.height / 2);
    await eventually(() => text(page, '[data-chart="throughput"] .when'), (said) => !said.includes("restarted"), "no name far from it");
    await page.mouse.move(0, 0);
    await page.locator(".board").screenshot({ path: join(options.shots, "restart.png") });
    await close(page);
  },
};
