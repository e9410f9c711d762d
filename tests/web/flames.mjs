// Flame graphs on the page: recorded, compared, and without a mouse.
import assert from "node:assert/strict";
import { join } from "node:path";

import { api, drawn, eventually, fixedPath, row, text } from "./page.mjs";

const SIZES = { wide: { width: 1440, height: 1000 }, phone: { width: 390, height: 844 } };

/** Answers about flame graphs that are made here. Returns what the page asks for, as it asks. */
async function fakeFlames(page, answer, recordings = []) {
  const asked = [];
  const facts = { target: "engine", type: "path", seconds: 10, time: 1000, broken_share: 0, losses: {}, before: null };
  await page.route("**/api/v1/flame?*", (route) => {
    asked.push(Object.fromEntries(new URL(route.request().url()).searchParams));
    return route.fulfill({ json: { ...facts, ...(typeof answer === "function" ? answer(asked.at(-1)) : answer) } });
  });
  await page.route("**/api/v1/flame/recordings?*", (route) => route.fulfill({ json: { recordings } }));
  return asked;
}

/** A page that is older than its agent: nobody is probed for what cannot be drawn. */
async function outdated({ open, close }) {
  const page = await open();
  page.expected = [/status of 404/];
  await page.route("**/assets/flame_chart-*", (route) => route.fulfill({ status: 404, json: { code: "not_served" } }));
  const asked = await fakeFlames(page, {});
  await row(page, "path").getByRole("button").click();
  await page.getByRole("button", { name: "On CPU, 10 s" }).click();
  await eventually(() => text(page, ".flames .note"), (words) => /reload this page/.test(words), "what is to be done");
  assert.deepEqual(asked, []);
  await close(page);
}

export const flameScenarios = {
  /** The panel with answers that are made here; what the agent itself records is other tests' business. */
  async flame({ open, close, options }) {
    await outdated({ open, close });
    const page = await open();
    page.expected = [/status of 404/];
    await row(page, "path").getByRole("button").click();
    const asked = [];
    const answer = (body, status = 200) => page.route("**/api/v1/flame?*", (route) => {
      asked.push(new URL(route.request().url()).searchParams);
      return route.fulfill({ status, json: body });
    });
    await answer({ error: "there is no target of that name" }, 404);
    await page.getByRole("button", { name: "On CPU, 10 s" }).click();
    await eventually(() => text(page, ".flames .note"), (words) => words === "No flame graph: there is no target of that name", "the reason");
    await page.unrouteAll();
    asked.length = 0;
    await answer({ error: "in other words", code: "not_served" }, 404);
    await page.getByRole("button", { name: "On CPU, 10 s" }).click();
    await eventually(() => text(page, ".flames .note"), (words) => /offers no flame graphs/.test(words), "that there are none");
    assert.deepEqual(Object.fromEntries(asked[0]), { target: "engine", type: "path", kind: "on_cpu", for: "10s" });

    const flame = { name: "path", value: 100, children: [
      { name: "walk", value: 70, children: [{ name: "<img src onerror=alert(1)>", value: 30, children: [] }] },
      { name: "look up", value: 30, children: [] },
    ] };
    await page.unrouteAll();
    await answer({ target: "engine", type: "path", kind: "off_cpu", unit: "seconds", seconds: 10, total: 4.2, broken_share: 0.07, losses: {}, flame });
    await page.getByRole("button", { name: "Off CPU, 10 s" }).click();
    await page.locator(".flame g.frame").first().waitFor();
    assert.deepEqual((await page.locator(".flame g.frame title").allTextContents()).map((title) => title.split(" (")[0]).sort(),
      ["<img src onerror=alert(1)>", "look up", "path", "walk"].map((name) => name.split(" (")[0]));
    assert.match(await text(page, ".flames .note"), /4\.2.s in 10.s; 7.% of the stacks are incomplete/);
    const width = async (name) => (await page.locator(".flame g.frame").filter({ hasText: name }).locator("rect").boundingBox()).width;
    const widths = async () => [await width("walk"), await width("look up")];
    await eventually(widths, ([walk, lookUp]) => Math.abs(walk / lookUp - 70 / 30) < 0.1, "widths as the values, once they stand");
    const [walk] = await widths();
    await page.locator(".flames").screenshot({ path: join(options.shots, "flame.png") });
    await page.locator(".flame g.frame").filter({ hasText: "walk" }).first().click();
    await eventually(() => width("walk"), (now) => now > 1.3 * walk, "that a click enlarges a frame");
    await page.unrouteAll();
    await answer({ target: "engine", type: "path", kind: "on_cpu", unit: "samples", seconds: 10, total: 0, broken_share: 0, losses: {}, flame: { name: "path", value: 0, children: [] } });
    await page.getByRole("button", { name: "On CPU, 10 s" }).click();
    await eventually(() => text(page, ".flames .note"), (words) => /No stack of this type/.test(words), "that nothing was seen");
    await close(page);
  },

  /** Without a mouse: one tab stop, arrows, Enter and Escape, and a screen reader hears which frame it is. */
  async flame_keys({ open, close, options }) {
    const page = await open();
    await row(page, "path").getByRole("button").click();
    await fakeFlames(page, { kind: "on_cpu", unit: "samples", total: 100, flame: { name: "path", value: 100, children: [
      { name: "walk", value: 70, children: [{ name: "compare", value: 10 }, { name: "hash", value: 40 }] },
      { name: "sort", value: 20 },
      { name: "look up", value: 10 },
    ] } });
    await page.locator(".flames .bar button").first().focus();
    await page.keyboard.press("Enter");
    await page.locator(".flame g.frame").first().waitFor();
    const focused = (locator) => locator.evaluate((element) => element === document.activeElement);
    assert.ok(await focused(page.locator(".flames .bar button").first()), "the button that was pressed keeps the focus");
    const tree = page.getByRole("tree");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    assert.ok(await focused(tree), "the graph is next to the other button");
    const heard = () => tree.evaluate((element) => document.getElementById(element.getAttribute("aria-activedescendant"))?.getAttribute("aria-label"));
    const detail = () => text(page, ".flame-detail");
    const press = async (key, label) => {
      await page.keyboard.press(key);
      assert.equal((await heard()).replaceAll("\u00a0", " "), label, key);
      assert.equal((await detail()).replaceAll("\u00a0", " "), label, `${key}, to be seen`);
    };
    const width = async (name) => (await page.locator(".flame g.frame").filter({ hasText: name }).locator("rect").boundingBox()).width;
    assert.match(await heard(), /^path /);
    await press("ArrowDown", "path (100 samples, 100 %)"); // there is nothing below
    await press("ArrowUp", "walk (70 samples, 70 %)"); // the widest of the three
    await press("ArrowLeft", "sort (20 samples, 20 %)"); // by name, as they are drawn
    await press("ArrowLeft", "look up (10 samples, 10 %)");
    await press("ArrowLeft", "look up (10 samples, 10 %)");
    await press("ArrowRight", "sort (20 samples, 20 %)");
    await press("ArrowRight", "walk (70 samples, 70 %)");
    await press("ArrowUp", "hash (40 samples, 40 %)");
    await press("ArrowDown", "walk (70 samples, 70 %)");
    // The mark lies on the frame that it is about.
    const mark = await page.locator(".flame-mark").boundingBox();
    const frame = await page.locator(".flame g.frame").filter({ hasText: "walk" }).locator("rect").boundingBox();
    assert.ok(Math.abs(mark.x - frame.x) < 3 && Math.abs(mark.y - frame.y) < 3 && Math.abs(mark.width - frame.width) < 5, JSON.stringify([mark, frame]));
    await page.locator(".flames").screenshot({ path: join(options.shots, "flame-keys.png") });
    const before = await width("walk");
    await press("Enter", "walk (70 samples, 70 %)");
    await eventually(() => width("walk"), (now) => Math.abs(now - before / 0.7) < 2, "that Enter enlarges it to the whole width");
    assert.equal(await page.locator(".flame g.frame").filter({ hasText: "sort" }).count(), 0);
    await press("ArrowRight", "walk (70 samples, 70 %)"); // nothing is beside it now
    await press("Escape", "walk (70 samples, 70 %)");
    await eventually(() => width("walk"), (now) => Math.abs(now - before) < 2, "that Escape shows all again");
    await press("Home", "path (100 samples, 100 %)");
    const told = await page.locator(".flame g.frame").filter({ hasText: "sort" }).evaluate((each) => ["role", "aria-level", "aria-posinset", "aria-setsize"].map((name) => each.getAttribute(name)));
    assert.deepEqual(told, ["treeitem", "2", "2", "3"]);
    assert.equal(await page.locator('.flame [tabindex="0"], .flame a, .flame button').count(), 1, "one tab stop");
    await page.keyboard.press("Tab");
    assert.equal(await page.locator(".flame-mark").isVisible(), false);
    await close(page);
  },

  /** Beside an earlier recording: what is asked, and what the colours and the words say. */
  async compares({ open, close, options }) {
    const now = Date.now();
    const kept = [now, now - 60_000, now - 120_000].map((time) => ({ time, seconds: 10, stacks: 50, total: 50 }));
    const before = (time) => ({ time, seconds: 10, total: 50, scale: 2, gone_share: 0.2 });
    const flame = { name: "path", value: 100, before: 100, children: [
      { name: "walk", value: 70, before: 40, children: [{ name: "hash", value: 40, before: 38 }] },
      { name: "sort", value: 30, before: 40 },
      { name: "gone", value: 0, before: 20 },
    ] };
    const bare = (node) => ({ name: node.name, value: node.value, children: (node.children ?? []).map(bare) });
    for (const colorScheme of ["light", "dark"]) {
      const page = await open("/", colorScheme === "dark" ? { colorScheme, viewport: SIZES.phone } : { colorScheme });
      await row(page, "path").getByRole("button").click();
      const asked = await fakeFlames(page, (query) => ({ kind: "on_cpu", unit: "samples", total: 100, time: now,
        before: query.compare ? before(Number(query.compare)) : null, flame: query.compare ? flame : bare(flame) }), kept);
      await page.getByRole("button", { name: "On CPU, 10 s" }).click();
      const choice = page.getByLabel("compare with");
      await choice.waitFor();
      assert.equal(await page.locator(".flame-legend").count(), 0);
      const offered = await choice.locator("option").allInnerTexts();
      assert.equal(offered.length, 3);
      assert.equal(offered[0], "nothing");
      assert.match(offered[1], /\(the one before\), 50 samples$/);
      await choice.selectOption(String(now - 60_000));
      await page.locator(".flame-legend").waitFor();
      assert.deepEqual(asked.at(-1), { target: "engine", type: "path", kind: "on_cpu", at: String(now), compare: String(now - 60_000) });
      const titles = (await page.locator(".flame g.frame title").allTextContents()).map((title) => title.replaceAll("\u00a0", " ")).sort();
      assert.deepEqual(titles, [
        "hash (40 samples, 40 %; before 38 %: +2.0 percentage points)", "path (100 samples, 100 %; before 100 %: ±0.0 percentage points)",
        "sort (30 samples, 30 %; before 40 %: −10.0 percentage points)", "walk (70 samples, 70 %; before 40 %: +30.0 percentage points)"]);
      // A frame has its band's colour of the legend, blue where it is less, orange where it is more.
      const rgb = (value) => value.match(/\d+/g).map(Number);
      const painted = async (name) => rgb(await page.locator(".flame g.frame").filter({ hasText: name }).locator("rect").evaluate((rect) => getComputedStyle(rect).fill));
      for (const [name, band] of [["walk", 3], ["hash", 1], ["path", 0], ["sort", -3]]) {
        const patch = rgb(await page.locator(`.patch[data-band="${band}"]`).evaluate((each) => getComputedStyle(each).backgroundColor));
        assert.deepEqual(await painted(name), patch, name);
      }
      const [[red, , blue], [lessRed, , lessBlue]] = [await painted("walk"), await painted("sort")];
      assert.ok(red > blue && lessBlue > lessRed);
      assert.match(await page.locator(".flame-legend").innerText(), /percentage points:[^]*−10 or more[^]*about the same[^]*\+10 or more/);
      assert.match(await text(page, ".flames .note"), /20.% of which is in frames that are no more/);
      const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(sideways <= 0, `${sideways} pixels too wide`);
      await page.locator(".flames").screenshot({ path: join(options.shots, `flame-compared-${colorScheme}.png`) });
      // What is no more has a width only in the recording before.
      await page.getByRole("button", { name: "Widths as before" }).click();
      await page.locator(".flame g.frame").filter({ hasText: "gone" }).waitFor();
      assert.match(await page.locator(".flame g.frame").filter({ hasText: "gone" }).locator("title").textContent(), /^gone \(0 samples, 0.%; before 20.%: −20\.0/);
      await choice.selectOption("nothing");
      await eventually(() => page.locator(".flame-legend").count(), (number) => number === 0, "that nothing is compared");
      assert.equal(asked.at(-1).compare, undefined);
      await close(page);
    }
  },

  /** What the agent recorded itself: the function in which the engine was told to be slow is the widest of the leaves. */
  async recorded({ open, close, options }) {
    const page = await open();
    await row(page, options.type).getByRole("button").click();
    await page.getByRole("button", { name: "On CPU, 10 s" }).click();
    await eventually(() => text(page, ".flames .note"), (words) => /Recording, \d+.s left/.test(words), "that it is being recorded");
    await page.locator(".flame g.frame").first().waitFor({ timeout: 60_000 });
    const titles = await page.locator(".flame g.frame title").allTextContents();
    assert.ok(titles.some((title) => title.includes(options.leaf)), titles.join("; "));
    assert.match(await text(page, ".flames .note"), /^[\d,]+ samples in 1\d/);
    await page.locator(".flames").screenshot({ path: join(options.shots, `${options.shot}.png`) });
    await close(page);
  },
};
