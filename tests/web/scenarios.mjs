// What the tests do with a page, by name.
import assert from "node:assert/strict";
import { join } from "node:path";

export const scenarios = {
  async screenshots({ open, close, options }) {
    const sizes = { wide: { width: 1440, height: 1000 }, phone: { width: 390, height: 844 } };
    for (const [size, viewport] of Object.entries(sizes)) {
      for (const colorScheme of ["light", "dark"]) {
        for (const name of ["overview", "alerts", "data"]) {
          const page = await open(`/#/${name}`, { viewport, colorScheme });
          if (name === "overview") await page.waitForSelector("#types tbody tr");
          if (name === "overview") await page.waitForSelector(".chart canvas");
          await page.waitForTimeout(1500);
          await page.screenshot({ path: join(options.shots, `${name}-${size}-${colorScheme}.png`), fullPage: true });
          await close(page);
        }
      }
    }
    assert.ok(true);
  },
};
