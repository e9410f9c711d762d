// What scripts/bench measures in the page; each prints its figures as one line of JSON behind "FIGURES".
const tell = (figures) => console.log(`FIGURES ${JSON.stringify(figures)}`);

/** Main thread time that the page has used so far, in seconds. */
async function busy(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  return async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    const found = Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
    return { script: found.ScriptDuration, task: found.TaskDuration };
  };
}

export const measurements = {
  /** When each interval's figures were painted, and what an update costs the page. */
  async live({ open, close, options }) {
    const page = await open("/");
    await page.waitForSelector("#types tbody tr");
    await page.evaluate(() => {
      window.painted = [];
      new MutationObserver(() => {
        const time = Number(document.documentElement.dataset.shown);
        requestAnimationFrame(() => setTimeout(() => window.painted.push([time, Date.now()]), 0));
      }).observe(document.documentElement, { attributes: true, attributeFilter: ["data-shown"] });
    });
    const used = await busy(page);
    const before = await used();
    await page.waitForTimeout(options.seconds * 1000);
    const after = await used();
    const painted = await page.evaluate(() => window.painted);
    tell({ painted, script: after.script - before.script, task: after.task - before.task });
    await close(page);
  },

  /** From the navigation to the first paint, to the first figures, and to all charts and the table. */
  async first_paint({ open, close, options }) {
    const rounds = [];
    for (let round = 0; round < options.rounds; ++round) {
      const page = await open(options.path);
      const sinceNavigation = () => page.evaluate(() => performance.now());
      const figures = await sinceNavigation();
      await page.waitForSelector("#types tbody tr");
      await page.waitForSelector(".chart canvas");
      const all = await sinceNavigation();
      const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
      rounds.push({ paint, figures, all });
      await close(page);
    }
    tell({ rounds });
  },
};
