// What the tests do with a page, by name.
import assert from "node:assert/strict";
import { join } from "node:path";

import { assertShown, figure } from "./figures.mjs";
import { api, drawn, eventually, fixedPath, row, text } from "./page.mjs";

const SIZES = { wide: { width: 1440, height: 1000 }, phone: { width: 390, height: 844 } };

export const scenarios = {
  async values({ open, close, options }) {
    const page = await open(fixedPath(options));
    await page.waitForSelector("#types tbody tr");
    const { target, total, types } = options;
    const span = { target, from: new Date(options.from).toISOString(), to: new Date(options.to).toISOString() };

    const live = await api(page, "/api/v1/live", { target });
    assert.equal(live.current.query_metrics.total_queries, total);
    assert.ok((await text(page, "#card-throughput .detail")).includes(`${total.toLocaleString("en")} in all`));
    const errors = await text(page, "#card-errors .detail");
    assert.equal(Number(/^([\d,]+) failed/.exec(errors)[1].replace(",", "")), live.current.query_metrics.failed_queries);
    assert.equal(await text(page, "#card-state .big"), live.state.availability.state);

    const table = await api(page, "/api/v1/types", span);
    assert.deepEqual(table.types.map((type) => type.name).sort(), [...types].sort());
    assert.equal(await page.locator("#types tbody tr").count(), types.length);
    for (const type of table.types) {
      for (const column of ["queries_per_second", "share", "avg_response_time_seconds", "p95_response_time_seconds",
        "p99_response_time_seconds", "error_rate", "cache_hit_rate"]) {
        assertShown(await row(page, type.name).locator(`[data-column="${column}"]`).innerText(), type[column], `${type.name} ${column}`);
      }
    }

    const charts = await api(page, "/api/v1/charts", span);
    for (const [chart, metrics] of Object.entries({ response: ["avg", "p50", "p95", "p99"], throughput: ["qps"], errors: ["error_rate"], cache: ["cache_hit_rate"] })) {
      await page.locator(`[data-chart="${chart}"]`).scrollIntoViewIfNeeded();
      for (const metric of metrics) {
        const shown = await text(page, `[data-chart="${chart}"] [data-metric="${metric}"]`);
        assertShown(shown, charts.columns[metric].at(-1), `${chart} ${metric}`);
      }
    }
    // Under the cursor it is another step's figure, and that step's is known too.
    const over = page.locator('[data-chart="throughput"] .u-over');
    await over.scrollIntoViewIfNeeded();
    const box = await over.boundingBox();
    await page.mouse.move(box.x + box.width * 0.31, box.y + box.height / 2);
    const steps = charts.columns.qps.length;
    const at = Math.round((steps * 0.31 * (charts.to - charts.from)) / (options.to - options.from));
    const near = charts.columns.qps.slice(at - 1, at + 2);
    const shown = figure(await eventually(() => text(page, '[data-chart="throughput"] [data-metric="qps"]'), (value) => value !== "–", "a value at the cursor"));
    assert.ok(near.some((value) => Math.abs(shown - value) <= value * 0.006), `${shown} is none of ${near}`);
    await close(page);
  },

  async moves({ open, close }) {
    const page = await open();
    await page.waitForSelector('[data-chart="response"] canvas');
    const charts = await page.locator("figure.chart").evaluateAll((all) => all.map((each) => each.dataset.chart));
    for (const name of ["response", "waits", "heat", "throughput", "errors", "concurrency", "cpu", "memory", "io", "cache", "health"]) {
      assert.ok(charts.includes(name), `no chart ${name} among ${charts}`);
    }
    for (const name of ["response", "waits", "heat", "throughput", "cpu", "memory", "health"]) {
      await page.locator(`[data-chart="${name}"]`).scrollIntoViewIfNeeded();
      await eventually(() => drawn(page, name), ({ count }) => count > 500, `${name} draws`);
    }
    await page.locator('[data-chart="response"]').scrollIntoViewIfNeeded();
    const before = await drawn(page, "response");
    const shown = await page.evaluate(() => document.documentElement.dataset.shown);
    await eventually(() => page.evaluate(() => document.documentElement.dataset.shown), (now) => Number(now) >= Number(shown) + 2000, "two more intervals");
    // Of an hour, a pixel is some nine seconds.
    await eventually(() => drawn(page, "response"), ({ sum }) => sum !== before.sum, "that the chart moves", 20);
    assert.equal(await page.locator("#connection").getAttribute("data-status"), "live");
    assert.match(await text(page, "#cost"), /costs this engine about|is not known yet/);
    assert.equal(await text(page, "#losses"), "Nothing was lost");

    // A slow click, during which the table's next figures come, and those of an interval: nothing moves meanwhile.
    await page.waitForSelector("#types tbody tr");
    let answer;
    const held = new Promise((resolve) => { answer = resolve; });
    await page.route("**/api/v1/types?*", async (route) => { await held; await route.continue(); });
    await page.waitForRequest(/\/api\/v1\/types\?/);
    await row(page, "path").getByRole("button").hover();
    await page.mouse.down();
    const pressed = await page.evaluate(() => document.documentElement.dataset.shown);
    const answered = page.waitForResponse(/\/api\/v1\/types\?/);
    answer();
    await (await answered).finished();
    await page.waitForTimeout(1500);
    assert.equal(await page.evaluate(() => document.documentElement.dataset.shown), pressed);
    await page.mouse.up();
    await eventually(() => text(page, ".filter"), (words) => words.includes("Type: path"), "that the click is heard", 5);
    await eventually(() => page.evaluate(() => document.documentElement.dataset.shown), (now) => now !== pressed, "the next interval", 5);
    // A press without an end does not stop the page for ever.
    await row(page, "path").getByRole("button").hover();
    await page.mouse.down();
    const again = await page.evaluate(() => document.documentElement.dataset.shown);
    await eventually(() => page.evaluate(() => document.documentElement.dataset.shown), (now) => now !== again, "an interval, although something is pressed", 10);
    await close(page);
  },

  async filter({ open, close, options }) {
    const page = await open(fixedPath(options));
    await page.waitForSelector("#types tbody tr");
    // Charts are drawn as they come into view, and what is below stays where it is.
    const height = () => page.locator(".charts").evaluate((charts) => charts.offsetHeight);
    const undrawn = await page.locator("figure.chart:not(:has(canvas)):has(.empty[hidden])").count();
    const before = await height();
    assert.ok(undrawn > 2, `${undrawn} charts wait to be drawn`);
    await row(page, "path").scrollIntoViewIfNeeded();
    await eventually(() => page.locator("figure.chart:not(:has(canvas)):has(.empty[hidden])").count(), (left) => left < undrawn, "that charts in view are drawn");
    assert.equal(await height(), before);
    const span = { target: "engine", type: "path", from: new Date(options.from).toISOString(), to: new Date(options.to).toISOString() };
    await row(page, "path").getByRole("button").click();
    const charts = await api(page, "/api/v1/charts", span);
    await eventually(() => text(page, ".filter"), (words) => words.includes("Type: path"), "the filter");
    await eventually(() => text(page, '[data-chart="throughput"] [data-metric="qps"]'), (shown) => shown !== "–" && Math.abs(figure(shown) - charts.columns.qps.at(-1)) < 0.6, "the type's rate");
    assertShown(await text(page, '[data-chart="response"] [data-metric="p99"]'), charts.columns.p99.at(-1), "the type's p99");
    assert.match(page.url(), /type=path/);
    await page.locator(".flames").scrollIntoViewIfNeeded();
    assert.match(await text(page, ".flames h2"), /path/);
    await page.locator(".filter").click();
    assert.equal(await page.locator(".flames").isVisible(), false);

    // Sorted by keyboard, and said to screen readers.
    await page.locator('[data-sort="avg_response_time_seconds"]').focus();
    await page.keyboard.press("Enter");
    const averages = async () => (await page.locator('#types [data-column="avg_response_time_seconds"]').allInnerTexts()).map(figure);
    const falling = await averages();
    assert.deepEqual(falling, [...falling].sort((a, b) => b - a));
    assert.equal(await page.locator('th:has([data-sort="avg_response_time_seconds"])').getAttribute("aria-sort"), "descending");
    await page.keyboard.press("Enter");
    assert.deepEqual(await averages(), [...falling].reverse());

    // A stretch drawn with the mouse becomes the window of all charts.
    const over = page.locator('[data-chart="response"] .u-over');
    await over.scrollIntoViewIfNeeded();
    const box = await over.boundingBox();
    await page.mouse.move(box.x + box.width * 0.2, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.9, box.y + 60, { steps: 5 });
    await page.mouse.up();
    const limits = () => page.evaluate(() => ["from", "to"].map((name) => Number(new URLSearchParams(location.hash.split("?")[1]).get(name))));
    const [from, to] = await eventually(limits, ([begin]) => begin > options.from, "the zoom");
    assert.ok(Math.abs(from - (options.from + (options.to - options.from) * 0.2)) < 1500 && to <= options.to, `${from} to ${to}`);
    await page.locator('[data-chart="response"]').focus();
    await page.keyboard.press("ArrowLeft");
    await eventually(limits, ([begin]) => begin < from, "a step back in time");
    await page.locator('[data-action="out"]').click();
    await eventually(limits, ([begin, end]) => end - begin > to - from, "a wider window");
    await page.locator('[data-action="now"]').click();
    assert.equal(await page.locator('[data-span="1h"]').getAttribute("aria-pressed"), "true");
    await page.locator('[data-span="30d"]').click();
    await eventually(() => text(page, ".shown"), (note) => /there is nothing before/.test(note), "how far back history goes");
    await close(page);
  },

  async alerts({ open, close }) {
    const page = await open();
    await eventually(() => text(page, 'nav [data-page="alerts"]'), (label) => label === "Alerts (1)", "the count at the tab");
    assert.match(await text(page, "#card-alerts"), /Too Many Failures/);
    await page.locator('nav [data-page="alerts"]').click();
    const now = page.getByRole("region", { name: "Now" });
    await now.waitFor();
    const words = await now.innerText();
    for (const word of ["firing", "critical", "Too Many Failures", "engine", "look at the failing type"]) assert.ok(words.includes(word), `${word} in ${words}`);
    const answer = await api(page, "/api/v1/alerts", { target: "engine" });
    const told = answer.recent.find((notice) => notice.rule === "failures" && notice.event === "firing");
    assert.ok(told.text && words.includes(told.text), `"${told.text}" in ${words}`);
    assert.match(await page.getByRole("region", { name: "Lately" }).innerText(), /firing/);
    assert.match(await page.getByRole("region", { name: "Channels" }).innerText(), /working/);
    // What somebody reads or has selected stays, while its figures change.
    const told_since = page.locator("#alerts tbody tr").first();
    const value = () => told_since.locator('[data-head="value"]').innerText();
    await told_since.evaluate((row) => { row.lastChild.firstChild.kept = true; });
    const before = await value();
    await eventually(value, (now) => now !== before, "another value of what goes on", 30);
    assert.ok(await told_since.evaluate((row) => row.lastChild.firstChild.kept), "it was made anew");

    await page.locator('nav [data-page="data"]').click();
    await page.waitForSelector("#data a");
    const links = await page.locator("#data a").evaluateAll((all) => all.map((each) => each.href));
    assert.ok(links.length >= 12);
    for (const link of links) assert.equal((await page.request.get(link)).status(), 200, link);
    await page.reload();
    await page.waitForSelector("#data a");
    await close(page);
  },

  /** By textContent, which unlike innerText and the roles' names has each blank and line as it is. */
  async hostile({ open, close, options }) {
    const page = await open();
    // The server takes no parameter with a control character in it, so that the charts of such a type stay as they are.
    page.expected = [/status of 400/];
    page.on("response", (answer) => {
      const type = new URL(answer.url()).searchParams.get("type") ?? "";
      if (answer.status() === 400 && !/[\x00-\x1f\x7f]/.test(type)) page.wrong.push(`refused: ${answer.url()}`);
    });
    const buttons = page.locator("#types tbody button");
    const whole = (selector) => page.locator(selector).first().textContent();
    // By Unicode's own classes: controls, formats, separators of lines and paragraphs. Blanks stay what they are.
    const hex = (sign) => sign.codePointAt(0).toString(16);
    const seen = (name) => name.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (sign) =>
      "\t\n\r".includes(sign) ? sign : sign < "\u0100" ? `\\x${hex(sign).padStart(2, "0")}` : `\\u${hex(sign).padStart(4, "0")}`);
    assert.ok(options.types.some((type) => seen(type).includes("\\u202e")));
    await eventually(() => buttons.count(), (count) => count === options.types.length, "a row for each type");
    const rows = await buttons.evaluateAll((all) => all.map((each) => [each.dataset.type, each.textContent]));
    assert.deepEqual(rows.sort(), options.types.map((type) => [type, seen(type)]).sort());
    for (const type of options.types) {
      await buttons.evaluateAll((all, name) => all.find((each) => each.dataset.type === name).click(), type);
      await eventually(() => whole(".filter"), (words) => words.includes(seen(type)), `the filter for ${JSON.stringify(type)}`);
      assert.ok((await whole(".flames h2")).includes(seen(type)), JSON.stringify(type));
    }
    assert.equal(await page.locator("body script, body img, body b[onload]").count(), 0);
    await eventually(() => text(page, "#target"), (name) => name.includes(options.target), "the target's name");
    await close(page);
  },

  async many({ open, close }) {
    const page = await open();
    await eventually(() => page.locator("#types tbody tr").count(), (rows) => rows === 200, "as many rows as are drawn at a time");
    assert.match(await text(page, ".types .note"), /200 of \d{3,4} types are shown/);
    await page.locator("#type-filter").fill("type77");
    const names = await page.locator("#types tbody button").allInnerTexts();
    assert.ok(names.length > 0 && names.length < 200 && names.every((name) => name.includes("type77")), names.join());
    await close(page);
  },

  async asks({ open, close }) {
    const page = await open();
    await eventually(() => page.locator("#connection").getAttribute("data-status"), (status) => status === "polling", "that the page asks");
    const shown = await page.evaluate(() => document.documentElement.dataset.shown);
    await eventually(() => page.evaluate(() => document.documentElement.dataset.shown), (now) => Number(now) > Number(shown), "newer figures");
    assert.equal(await page.locator('[data-span="15m"]').getAttribute("aria-pressed"), "true");
    await close(page);
  },

  /** Nothing is watched, and then something is: a page that is open shows it as one that is opened now. */
  async nothing({ open, close, step }) {
    const page = await open();
    assert.match(await text(page, "#banner"), /Nothing is watched/);
    await page.locator('nav [data-page="alerts"]').click();
    await page.locator('nav [data-page="overview"]').click();
    await step("add a target");
    await eventually(() => text(page, "#card-state .big"), (state) => state === "up", "the first target");
    await page.waitForSelector("#types tbody tr");
    assert.equal(await page.locator("#banner").isVisible(), false);
    assert.match(page.url(), /target=engine/);
    assert.equal(await page.locator("#target").inputValue(), "engine");
    await close(page);
  },

  /** What fires for another target does not leave this one's page green. */
  async elsewhere({ open, close }) {
    const page = await open("/#/overview?target=another&last=5m");
    await eventually(() => text(page, "#card-alerts .detail"), (words) => words === "firing, none pending; 1 of other targets fires", "the alert of the other target");
    assert.equal(await text(page, "#card-alerts .big"), "0");
    assert.equal(await page.locator("#card-alerts").getAttribute("data-level"), "warn");
    assert.equal(await page.title(), "(1 elsewhere) another – Outrider");
    await page.locator('nav [data-page="alerts"]').click();
    await eventually(() => text(page, "#alerts .note"), (words) => words === "Nothing fires and nothing is pending for another; 1 alert of other targets fires", "the same on the page of alerts", 10);
    assert.equal(await page.getByRole("region", { name: "Now" }).count(), 0);
    await close(page);
  },

  async comes_back({ open, close, step }) {
    const page = await open();
    page.expected = [/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|status of (404|503)/];
    await page.waitForSelector("#types tbody tr");
    await step("end the engine");
    await eventually(() => text(page, "#card-state .big"), (state) => state === "down", "that the engine is down");
    await step("take the target away");
    await eventually(() => text(page, "#banner"), (words) => /no longer watched/.test(words), "that the target is gone");
    await page.locator("#target").selectOption("another");
    await eventually(() => text(page, "#card-state .big"), (state) => state === "up", "the other target");
    assert.equal(await page.locator("#banner").isVisible(), false);
    await step("end the agent");
    await eventually(() => text(page, "#connection"), (words) => /connection lost/.test(words), "that the connection is lost");
    assert.match(await page.title(), /^\(no connection\) .*another/);
    await step("start the agent");
    await eventually(() => page.locator("#connection").getAttribute("data-status"), (status) => status === "live", "that it is back");
    assert.match(await page.title(), /^another/);
    const shown = await page.evaluate(() => document.documentElement.dataset.shown);
    await eventually(() => page.evaluate(() => document.documentElement.dataset.shown), (now) => now > shown, "new figures");
    await close(page);
  },

  /** A page that nobody sees keeps no stream, and says nothing of it when it is seen again. */
  async hidden({ open, close }) {
    const page = await open();
    const streams = new Set();
    page.on("request", (request) => { if (request.resourceType() === "eventsource") streams.add(request); });
    for (const end of ["requestfinished", "requestfailed"]) page.on(end, (request) => streams.delete(request));
    await page.reload();
    await eventually(() => streams.size, (open) => open === 1, "the stream");
    const live = () => page.locator("#connection").getAttribute("data-status");
    await eventually(live, (status) => status === "live", "that it is live");
    await page.evaluate(() => {
      window.statuses = [];
      const connection = document.querySelector("#connection");
      new MutationObserver(() => window.statuses.push(connection.dataset.status)).observe(connection, { attributes: true });
    });
    const turn = (hidden) => page.evaluate((now) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => now });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
    const shown = () => page.evaluate(() => Number(document.documentElement.dataset.shown));
    await turn(true);
    await eventually(() => streams.size, (open) => open === 0, "that the stream is closed", 5);
    const before = await shown();
    await page.waitForTimeout(2500);
    assert.equal(await shown(), before, "a hidden page goes on by the second");
    await turn(false);
    await eventually(() => streams.size, (open) => open === 1, "the stream again", 5);
    await eventually(shown, (now) => now > before, "newer figures", 5);
    assert.equal(await live(), "live");
    assert.deepEqual((await page.evaluate(() => window.statuses)).filter((status) => status !== "live"), []);
    await close(page);
  },

  /** What never comes is given up, be it the first question or one of those behind it. */
  async hangs({ open, close }) {
    const page = await open();
    await page.waitForSelector("#types tbody tr");
    const never = () => {};
    let charts = 0;
    await page.route("**/api/v1/live?*", never);
    await page.route("**/api/v1/charts?*", () => { ++charts; });
    await page.reload();
    await eventually(() => text(page, "#connection"), (words) => /connection lost: the agent does not answer/.test(words), "that the page gives up", 25);
    await page.unroute("**/api/v1/live?*");
    await eventually(() => page.locator("#connection").getAttribute("data-status"), (status) => status === "live", "that it is live after all", 15);
    await eventually(() => charts, (asked) => asked >= 2, "that history is asked for again", 30);
    await close(page);
  },

  /** A fixed span too is asked for again where there was no answer, and no refusal stays behind. */
  async refused({ open, close }) {
    const page = await open();
    await page.waitForSelector("#types tbody tr");
    page.expected = [/status of (404|503)/];
    const asked = { charts: 0, types: 0 };
    const refuse = (what, status) => page.route(`**/api/v1/${what}?*`, (route) => {
      ++asked[what];
      return route.fulfill({ status, json: { error: `no ${what} just now` } });
    });
    const shown = (holds, what) => eventually(() => text(page, ".shown"), holds, what, 30);
    const look = (path) => page.evaluate((hash) => { location.hash = hash; }, `${path.slice(1)}&target=engine`);
    await refuse("charts", 503);
    await refuse("types", 503);
    const to = Math.floor(Date.now() / 1000) * 1000;
    await look(fixedPath({ from: to - 30_000, to }));
    await shown((words) => words.includes("no charts just now"), "that there are no charts");
    await page.unroute("**/api/v1/charts?*");
    await shown((words) => words.includes("no types just now"), "the charts, and that there is no table");
    await page.unroute("**/api/v1/types?*");
    await shown((words) => !words.includes("just now"), "the table");
    // What is wrong stays so.
    await refuse("charts", 404);
    asked.charts = 0;
    await look(fixedPath({ from: to - 20_000, to }));
    await shown((words) => words.includes("no charts just now"), "that there never will be charts");
    await page.waitForTimeout(6000);
    assert.equal(asked.charts, 1);
    await close(page);
  },

  /** What was asked about one target, and comes when another one is looked at, is not taken for the other's. */
  async switches({ open, close }) {
    const page = await open("/#/overview?target=engine&last=5m");
    await page.waitForSelector("#types tbody tr");
    const late = [];
    await page.route(/\/api\/v1\/alerts\?target=engine/, (route) => late.push(route));
    await eventually(() => late.length, (number) => number > 0, "a question about the first target");
    await page.route("**/api/v1/live?target=another", () => {});
    await page.locator("#target").selectOption("another");
    for (const card of ["state", "response", "throughput", "availability"]) assert.equal(await text(page, `#card-${card} .big`), "–", card);
    assert.equal(await page.locator("#types tbody tr").count(), 0);
    const notice = { id: "x", name: "Of Another Target", severity: "critical", target: "engine", type: "", metric: "error_rate", value: 1, threshold: 0.1,
      expected: null, since: new Date().toISOString(), cause: "", text: "", annotation: "", state: "firing" };
    for (const route of late) await route.fulfill({ json: { alerts: [notice], recent: [], channels: [] } });
    await page.waitForTimeout(500);
    assert.doesNotMatch(await page.locator("#alerts").textContent(), /Of Another Target/);
    await close(page);
  },

  /** With events that are made here: what the probes do not see while they are off, and what cannot be had. */
  async paused({ open, close }) {
    const page = await open();
    await page.waitForSelector("#types tbody tr");
    const event = await api(page, "/api/v1/live", { target: "engine" });
    event.page.real_time = false;
    event.page.update_seconds = 0.2;
    event.agent.history_error = "the disk is full";
    const answer = async (change) => {
      event.time += 1000;
      event.current.timestamp = new Date(Date.parse(event.current.timestamp) + 1000).toISOString();
      change(event.current);
      const shown = String(Date.parse(event.current.timestamp));
      await page.route("**/api/v1/live?*", (route) => route.fulfill({ json: event }));
      await eventually(() => page.evaluate(() => document.documentElement.dataset.shown), (now) => now === shown, "the event");
    };
    const queries = event.current.query_metrics;
    await page.route("**/api/v1/live?*", (route) => route.fulfill({ json: event }));
    await page.reload();
    await answer((current) => {
      Object.assign(queries, { p99_response_time_seconds: 0.02, error_rate: 0.25, queries_per_second: 40 });
      current.losses.unavailable = ["one thing: it has none"];
    });
    await eventually(() => text(page, ".shown"), (words) => words.includes("history is not written: the disk is full"), "why history ends", 30);
    assert.equal(await text(page, "#card-response .big"), "20\u00a0ms");
    assert.equal(await page.locator("#card-response.held").count(), 0);
    const probed = event.current.timestamp;
    await answer((current) => {
      Object.assign(queries, { p99_response_time_seconds: null, error_rate: null, queries_per_second: null });
      current.overhead.mode = "paused";
      current.losses.unavailable = ["another thing: its probes are off"];
    });
    for (const [card, value] of [["response", "20\u00a0ms"], ["errors", "25\u00a0%"], ["throughput", "40/s"]]) {
      assert.equal(await text(page, `#card-${card} .big`), value);
      const note = await page.locator(`#card-${card}.held`).getAttribute("title");
      assert.match(note, /^of the last interval with probes on, \d\d:\d\d:\d\d$/);
      assert.ok((await page.locator(`#card-${card}`).getAttribute("aria-label")).endsWith(note));
      const clock = await page.evaluate((at) => new Date(at).toTimeString().slice(0, 8), probed);
      assert.ok(note.endsWith(clock), `${note}, and it was ${clock}`);
    }
    assert.equal(await page.locator(".missing li").allTextContents().then((all) => all.join()), "another thing: its probes are off");
    await answer((current) => {
      queries.p99_response_time_seconds = 0.03;
      current.overhead.mode = "full";
    });
    assert.equal(await text(page, "#card-response .big"), "30\u00a0ms");
    assert.equal(await page.locator(".card.held").count(), 0);
    await close(page);
  },

  /** Charts are drawn once where they change, lines and all. */
  async draws({ open, close, options }) {
    const page = await open(fixedPath(options));
    await page.waitForSelector('[data-chart="waits"] canvas');
    await page.locator('[data-chart="waits"]').scrollIntoViewIfNeeded();
    await page.evaluate(() => {
      window.draws = new Map();
      const clear = CanvasRenderingContext2D.prototype.clearRect;
      CanvasRenderingContext2D.prototype.clearRect = function (...where) {
        window.draws.set(this.canvas, (window.draws.get(this.canvas) ?? 0) + 1);
        return clear.apply(this, where);
      };
    });
    await page.route("**/api/v1/charts?*", async (route) => {
      const answer = await route.fetch();
      const charts = await answer.json();
      const all = Object.keys(charts.columns).filter((name) => /^waits\..*_share$/.test(name));
      for (const name of all) charts.columns[name] = charts.columns[name].map((value) => value === null ? null : name === "waits.sync_share" ? 1 : 0);
      return route.fulfill({ json: charts });
    });
    // Not by the mouse: that scrolls to the table, and the charts out of sight.
    await row(page, "path").getByRole("button").evaluate((button) => button.click());
    const lines = () => page.locator('[data-chart="waits"] .value').evaluateAll((all) => all.map((each) => each.dataset.metric).join());
    await eventually(lines, (names) => names === "sync", "other lines");
    await page.waitForTimeout(300);
    const draws = (chart) => page.locator(`[data-chart="${chart}"] canvas`).evaluate((canvas) => window.draws.get(canvas));
    assert.equal(await draws("waits"), 1, "a chart with new lines");
    assert.equal(await draws("response"), 1, "a chart with new figures");
    for (const chart of ["response", "waits"]) {
      await page.evaluate(() => window.draws.clear());
      await page.locator(`[data-chart="${chart}"] .legend button`).first().evaluate((button) => button.click());
      await page.waitForTimeout(300);
      assert.equal(await draws(chart), 1, `${chart}, where a line was hidden`);
    }
    await close(page);
  },

  async screenshots({ open, close, options }) {
    for (const [size, viewport] of Object.entries(SIZES)) {
      for (const colorScheme of ["light", "dark"]) {
        for (const name of ["overview", "alerts", "data"]) {
          const page = await open(`/#/${name}?last=5m`, { viewport, colorScheme });
          if (name === "overview") await page.waitForSelector("#types tbody tr");
          // Charts draw when they come into sight.
          for (const chart of name === "overview" ? await page.locator("figure.chart").all() : []) await chart.scrollIntoViewIfNeeded();
          await page.waitForTimeout(1200);
          const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
          assert.ok(sideways <= 0, `${name}, ${size}: ${sideways} pixels too wide`);
          await page.evaluate(() => window.scrollTo(0, 0));
          await page.screenshot({ path: join(options.shots, `${name}-${size}-${colorScheme}.png`), fullPage: true });
          await close(page);
        }
      }
    }
  },
};
