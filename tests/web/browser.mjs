// Drives the dashboard in Chromium for the tests: node browser.mjs SCENARIO URL OPTIONS, with OPTIONS as JSON. Prints
// "STEP name" where the test has something to do, and goes on with the next line of its input. Whatever a scenario is
// about, no page may log an error, ask another host, or break its own content security policy.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [scenario, url, text = "{}"] = process.argv.slice(2);
const options = JSON.parse(text);
const { chromium } = createRequire(options.modules)("playwright-core");
const { scenarios } = await import("./scenarios.mjs");
const { flameScenarios } = await import("./flames.mjs");
const { queryScenarios } = await import("./queries.mjs");
const { markScenarios } = await import("./marks.mjs");
const { postgresqlScenarios } = await import("./postgresql.mjs");
const { measurements } = await import("./measurements.mjs");

const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function step(name) {
  console.log(`STEP ${name}`);
  const { value } = await input.next();
  return value;
}

const browser = await chromium.launch({
  executablePath: options.chromium,
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
});

/** A page that notes everything it should not do. */
async function open(path = "/", settings = {}) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, ...settings });
  const page = await context.newPage();
  page.setDefaultTimeout(45_000);
  page.wrong = [];
  page.on("pageerror", (error) => page.wrong.push(`error: ${error.message}`));
  page.on("console", (message) => {
    const expected = (page.expected ?? []).some((pattern) => pattern.test(message.text()));
    if (["error", "warning"].includes(message.type()) && !expected) page.wrong.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    const foreign = !request.url().startsWith(url) && !request.url().startsWith("data:");
    if (foreign) page.wrong.push(`asks another host: ${request.url()}`);
  });
  page.on("dialog", (dialog) => {
    page.wrong.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => window.violations.push(`${event.violatedDirective}: ${event.blockedURI}`));
  });
  await page.goto(url + path);
  await page.waitForSelector("html[data-shown]", { state: "attached" });
  return page;
}

async function close(page) {
  const violations = await page.evaluate(() => window.violations);
  assert.deepEqual([...page.wrong, ...violations], []);
  await page.context().close();
}

try {
  const all = { ...scenarios, ...flameScenarios, ...queryScenarios, ...markScenarios, ...postgresqlScenarios, ...measurements };
  await all[scenario]({ open, close, step, options, url });
  console.log("DONE");
} finally {
  await browser.close();
}
process.exit(0);
