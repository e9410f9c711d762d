// What real engines look like on the page.
import assert from "node:assert/strict";
import { join } from "node:path";

import { api, eventually, fixedPath, row, text } from "./page.mjs";

const SIZES = { wide: { width: 1440, height: 1000 }, phone: { width: 390, height: 844 } };

/** The whole page, by size and theme, for people to look at. */
async function shots(page, name, options) {
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme });
      for (const chart of await page.locator("figure.chart").all()) await chart.scrollIntoViewIfNeeded();
      const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(sideways <= 0, `${size}: ${sideways} pixels too wide`);
      await page.evaluate(() => window.scrollTo(0, 0));
      await page.screenshot({ path: join(options.shots, `${name}-${size}-${colorScheme}.png`), fullPage: true });
    }
  }
}

const number = (text) => Number(text.replaceAll(",", ""));

/** Who updates a row that another one has updated waits for the end of its transaction. */
async function whoWaits(page, options) {
  const first = page.getByRole("region", { name: "Those that took most time" }).locator("tbody tr").first();
  const cells = () => first.locator("td").allInnerTexts();
  const [waiter, wait, culprit, time, share, count, average] = await eventually(cells, (all) => /END/.test(all[2]) && number(all[5]) > 100, "a ranked pair");
  assert.match(waiter, /^UPDATE [0-9a-f]{12}/);
  assert.ok(waiter.endsWith(options.update), waiter);
  assert.equal(wait, "lock");
  assert.match(culprit, /^END [0-9a-f]{12}\s+end$/);
  const ms = (text) => parseFloat(text) * (text.includes("ms") ? 1 : 1000);
  assert.ok(Math.abs(ms(time) / number(count) / ms(average) - 1) < 0.01, `${count} waits of ${average} took ${time}`);
  assert.ok(parseFloat(share) > 50, share);
  await page.locator(".blocking").screenshot({ path: join(options.shots, "postgresql-blocking.png") });
}

export const postgresqlScenarios = {
  /** Another engine that nobody changed: its types by the names that it gives them itself. */
  async engine({ open, close, options }) {
    const page = await open(`/#/overview?target=${options.target}&last=5m`);
    const names = () => page.locator("#types tbody button").allInnerTexts();
    const known = (found, word) => found.some((name) => name === word || name.startsWith(`${word} `));
    await eventually(names, (found) => options.types.every((word) => known(found, word)), `the types ${options.types}`);
    const table = await api(page, "/api/v1/types", { target: options.target, since: "300s" });
    assert.deepEqual((await names()).sort(), table.types.map((type) => type.name).sort());
    await shots(page, options.target, options);
    await close(page);
  },

  async postgresql({ open, close, options }) {
    const page = await open(fixedPath(options));
    await page.waitForSelector("#types tbody tr");
    const names = await page.locator("#types tbody button").allInnerTexts();
    assert.deepEqual(names.sort(), [...options.types].sort());

    const table = await api(page, "/api/v1/types", { target: options.target, from: new Date(options.from).toISOString(), to: new Date(options.to).toISOString() });
    const update = table.types.find((type) => type.name === "UPDATE");
    assert.ok(update.waits.lock > 0.3, `six clients and two rows: ${JSON.stringify(update.waits)}`);
    const told = await row(page, "UPDATE").locator(".waits").getAttribute("title");
    const share = Number(/lock ([\d.]+)/.exec(told)[1]);
    assert.ok(Math.abs(share - update.waits.lock * 100) < 0.06, `${told}, and the API says ${update.waits.lock}`);
    // Nobody waits for a row that is only being added; what SELECT does here is to sleep.
    assert.match(await row(page, "SELECT").locator(".waits .top").innerText(), /^sleep \d+\s%$/);
    // It may wait for a lock of the server's own, but not for a row, which takes most of the time.
    assert.doesNotMatch(await row(page, "BEGIN").locator(".waits .top").innerText(), /lock/);
    const bar = await row(page, "UPDATE").locator(".waitbar span").evaluateAll((parts) => parts.map((part) => [getComputedStyle(part).backgroundColor, part.getBoundingClientRect().width]));
    const whole = bar.reduce((sum, [, width]) => sum + width, 0);
    const lock = bar.find(([color]) => color === "rgb(213, 94, 0)");
    assert.ok(lock && Math.abs(lock[1] / whole - update.waits.lock) < 0.02, `${JSON.stringify(bar)}, and the API says ${update.waits.lock}`);
    await page.locator('[data-chart="waits"]').scrollIntoViewIfNeeded();
    assert.match(await text(page, '[data-chart="waits"] .legend'), /lock/);

    await shots(page, "postgresql", options);
    await close(page);
  },

  /** Each type that is a statement says what it says: cut after two lines unless it is chosen, and found by its words. */
  async statements({ open, close, options }) {
    const page = await open("/#/overview?last=5m");
    await whoWaits(page, options);
    await page.waitForSelector("#types tbody tr .statement");
    const told = (await api(page, "/api/v1/types", { target: options.target, since: "300s" })).types.map((type) => type.statement);
    assert.deepEqual((await page.locator("#types .statement").allInnerTexts()).sort(), told.sort());
    const of = (statement) => page.locator("#types tbody tr").filter({ has: page.locator(`.statement[title="${statement}"]`) });
    const height = async (row) => (await row.locator(".statement").boundingBox())?.height;
    const [one, cut] = [await height(of(options.update)), await height(of(options.long))];
    assert.ok(cut > 1.5 * one && cut < 2.5 * one, `a long statement is ${cut} pixels high, a short one ${one}`);
    await shots(page, "statements", options);

    await page.setViewportSize(SIZES.wide);
    await page.locator("#type-filter").fill("n + ? where");
    assert.deepEqual(await page.locator("#types .statement").allInnerTexts(), [options.update]);
    await page.locator("#type-filter").fill("");
    await of(options.long).getByRole("button").click();
    await eventually(() => height(of(options.long)), (now) => now > 1.5 * cut, "the whole statement");
    await close(page);
  },

  /** Types that are told apart by user and database say so, and are found by it. */
  async whose({ open, close, options }) {
    const page = await open("/#/overview?last=5m");
    const shown = () => page.locator("#types tbody tr").evaluateAll((rows) => rows.map((row) => [row.querySelector(".whose")?.textContent, row.querySelector(".statement")?.textContent]));
    const wanted = options.owners.map((one) => [`user ${one.user}, database ${one.database}`, one.statement]);
    await eventually(shown, (rows) => wanted.every((one) => rows.some((row) => row[0] === one[0] && row[1] === one[1])), "both owners", 20);
    await page.locator("#type-filter").fill(`user ${options.owners[0].user}`);
    assert.deepEqual(await shown(), [wanted[0]]);
    await page.locator("#type-filter").fill("");
    await page.locator(".types").screenshot({ path: join(options.shots, "postgresql-whose.png") });
    await close(page);
  },

  /** A session that waits for another one's row, and a slow query that ended: with text, waits and where. */
  async hanging({ open, close, options }) {
    const page = await open();
    const hanging = page.getByRole("region", { name: /^In flight for more than 2.s$/ });
    await hanging.waitFor();
    assert.equal(await hanging.locator("tbody tr").count(), 1);
    assert.equal(await hanging.locator(".query-text").innerText(), options.hangs);
    assert.match((await hanging.locator(".status").innerText()).replaceAll("\u00a0", " "), /^in flight, waits for [\d.]+ s: lock$/);
    assert.match(await hanging.locator(".waits .top").innerText(), /^lock (9\d|100).%$/);
    await hanging.locator("summary").click();
    const frames = await hanging.locator(".stack li").allInnerTexts();
    assert.deepEqual(options.frames.filter((name) => frames.includes(name)), options.frames, frames.join(" > "));
    const [told] = (await api(page, "/api/v1/queries", { target: options.target })).in_flight;
    assert.deepEqual([told.database, told.user, told.client], options.session);
    assert.ok((await hanging.locator(".session").innerText()).includes(`${told.user} on ${told.database}, ${told.client}`));
    assert.deepEqual(frames, told.stack);

    const slow = page.getByRole("region", { name: /^The slowest that ended/ });
    const slowest = slow.locator("tbody tr").first();
    assert.equal(await slowest.locator(".query-text").innerText(), options.slow);
    assert.match(await slowest.locator(".waits .top").innerText(), /^sleep (9\d|100).%$/);
    await page.locator(".queries").screenshot({ path: join(options.shots, "postgresql-queries.png") });
    await close(page);
  },
};
