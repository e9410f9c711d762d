// The panel of single queries, with answers that are made here.
import assert from "node:assert/strict";
import { join } from "node:path";

import { eventually, row, text } from "./page.mjs";

const START_MS = Date.UTC(2024, 0, 1, 12, 0, 0, 123);
const HOSTILE = "SELECT '<img src onerror=alert(1)>'";

const query = (more) => ({ type: "walk", start: new Date(START_MS).toISOString(), start_ms: START_MS, process: 7, thread: 7, waits: null, text: null, ...more });
const nothing = { target: "engine", slow_of_seconds: 3600, in_flight_after_seconds: 10, text: "normalised", slow: [], in_flight: [] };

function someQueries(seconds) {
  return {
    ...nothing,
    slow: [
      query({ duration_seconds: 4, failed: true, thread: 8, waits: { cpu_seconds: 1, lock_seconds: 3 }, text: `${HOSTILE}${" OR x = ?".repeat(60)}` }),
      query({ type: "path", duration_seconds: 0.25, failed: false, start_ms: START_MS + 5000, text: "SELECT ?" }),
    ],
    in_flight: [
      query({ seconds, state: "waiting", wait: "lock", state_seconds: seconds - 2, waits: { cpu_seconds: 2, lock_seconds: seconds - 2 }, stack: ["main", "run", "pthread_mutex_lock"], stack_missing: null, database: "bench", user: "<b>alice</b>", client: "[local]" }),
      query({ thread: 9, seconds: 12, state: "run_queue", wait: null, state_seconds: 0.5, stack: null, stack_missing: "it is waiting for a CPU" }),
      query({ thread: 10, seconds: 11, state: "running", wait: null, state_seconds: null, stack: null, stack_missing: "it is running now" }),
    ],
  };
}

const cells = (table) => table.locator("tbody tr").evaluateAll((rows) => rows.map((each) => [...each.cells].map((cell) => cell.innerText.trim())));
const plain = (words) => words.replaceAll("\u00a0", " ");

export const queryScenarios = {
  async queries({ open, close, options }) {
    const page = await open();
    const asked = [];
    const answer = async (body, status = 200) => {
      await page.unroute("**/api/v1/queries?*");
      await page.route("**/api/v1/queries?*", (route) => {
        asked.push(Object.fromEntries(new URL(route.request().url()).searchParams));
        return route.fulfill({ status, json: body });
      });
    };
    const note = () => text(page, ".queries .note");
    await answer(nothing);
    await page.reload();
    await eventually(note, (words) => plain(words) === "Nothing hangs: no query has been in flight for more than 10 s, and none ended in the last 60 min.", "that nothing hangs");
    assert.deepEqual(asked[0], { target: "engine" });
    assert.equal(await page.locator(".queries table:visible").count(), 0);

    await answer(someQueries(34));
    const hanging = page.getByRole("region", { name: /^In flight for more than 10.s$/ });
    const slow = page.getByRole("region", { name: /^The slowest that ended in the last 60.min$/ });
    await hanging.waitFor();
    const clock = (ms) => page.evaluate((at) => { const date = new Date(at); return `${date.getFullYear()}-01-01 ${date.toTimeString().slice(0, 8)}`; }, ms);
    const [first, starved, busy] = await cells(hanging);
    assert.deepEqual(first.slice(0, 6).map(plain), [await clock(START_MS), "34 s", "walk", "in flight, waits for 32 s: lock", "lock 94 %", "7\n\n<b>alice</b> on bench, [local]"]);
    assert.equal(plain(first[6]), "in pthread_mutex_lock, 3 frames");
    assert.deepEqual([starved[3], starved[5], starved[6]].map(plain), ["in flight, waits for a CPU for 500 ms", "9 of 7", "No stack: it is waiting for a CPU"]);
    assert.deepEqual([busy[3], busy[4]], ["in flight, runs", "–"]);
    assert.match(plain(await hanging.locator(".waits").first().getAttribute("title")), /^on CPU 2 s, lock 32 s$/);
    const [failed, ended] = await cells(slow);
    assert.deepEqual(failed.slice(1, 6).map(plain), ["4 s", "walk", "failed", "lock 75 %", "8 of 7"]);
    assert.ok(failed[6].startsWith(HOSTILE), failed[6]);
    assert.deepEqual([ended[1], ended[2], ended[3], ended[6]].map(plain), ["250 ms", "path", "ended", "SELECT ?"]);
    assert.equal(await page.locator("body img").count(), 0);
    assert.equal(await page.getByText("switches it on").isVisible(), false);

    // The stack stays open, and keeps the focus, while the figures go on.
    await hanging.locator("summary").focus();
    await page.keyboard.press("Enter");
    assert.deepEqual(await hanging.locator(".stack li").allInnerTexts(), ["main", "run", "pthread_mutex_lock"]);
    await page.locator(".queries").screenshot({ path: join(options.shots, "queries.png") });
    await answer({ ...someQueries(39), in_flight: someQueries(39).in_flight.slice(0, 2) });
    await eventually(() => cells(hanging), ([next]) => plain(next[1]) === "39 s", "newer figures");
    assert.equal(await hanging.locator("tbody tr").count(), 2);
    assert.equal(await hanging.locator(".stack li").first().isVisible(), true);
    assert.equal(await page.evaluate(() => document.activeElement.tagName), "SUMMARY");

    for (const [size, viewport] of Object.entries({ wide: { width: 1440, height: 1000 }, phone: { width: 390, height: 844 } })) {
      for (const colorScheme of ["light", "dark"]) {
        await page.setViewportSize(viewport);
        await page.emulateMedia({ colorScheme });
        await page.locator(".queries").screenshot({ path: join(options.shots, `queries-${size}-${colorScheme}.png`) });
        const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.ok(sideways <= 0, `${size}: ${sideways} pixels too wide`);
      }
    }

    // By type, at once; without texts there is no column of them.
    asked.length = 0;
    await answer({ ...nothing, text: "off", slow: [query({ duration_seconds: 2, failed: false })] });
    await row(page, "path").getByRole("button").click();
    await eventually(() => asked, ([question]) => question?.type === "path", "the question about a type", 3);
    await eventually(note, (words) => plain(words) === "No query has been in flight for more than 10 s.", "the answer");
    assert.equal(await slow.locator("tbody td").last().isVisible(), false);

    await answer({ ...nothing, in_flight: null, in_flight_missing: "light mode" });
    await eventually(note, (words) => words === "Whether a query hangs is not known: light mode.", "that it is not known");

    page.expected = [/status of 404/];
    await answer({ error: "there is no target of that name" }, 404);
    await eventually(note, (words) => words === "No single queries: there is no target of that name", "the reason");
    assert.equal(await page.locator(".queries table:visible").count(), 0);
    await close(page);
  },

  /** A page that nobody sees, and one that shows something else, ask nothing. */
  async queries_unseen({ open, close }) {
    const page = await open();
    let asked = 0;
    await page.route("**/api/v1/queries?*", (route) => { ++asked; return route.fulfill({ json: nothing }); });
    await page.locator('nav [data-page="data"]').click();
    await page.waitForTimeout(6000);
    assert.equal(asked, 0);
    await page.locator('nav [data-page="overview"]').click();
    await eventually(() => asked, (number) => number === 1, "one question", 3);
    await page.evaluate(() => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
      document.dispatchEvent(new Event("visibilitychange"));
    });
    await page.waitForTimeout(6000);
    assert.equal(asked, 1);
    await close(page);
  },
};
