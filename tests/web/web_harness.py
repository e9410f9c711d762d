"""What the tests of the dashboard share: the service, and a browser that runs a scenario of scenarios.mjs on its page."""

import json
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import alerts_harness
import harness

HERE = pathlib.Path(__file__).resolve().parent
WEB = harness.BUILD / "web"
SCREENSHOTS = WEB / "screenshots"
BROWSER_SECONDS = 240


def require_node():
    if not shutil.which("node") or not shutil.which("npm"):
        harness.skip("npm is not installed, so there is no dashboard")
    if not (WEB / "node_modules").is_dir():
        harness.skip("the dashboard was not built: npm could not fetch its packages (OUTRIDER_DASHBOARD)")


def require_browser():
    require_node()
    if not shutil.which("chromium"):
        harness.skip("chromium is not installed")


class Browser(harness.Child):
    """One scenario in Chromium, as it runs."""

    def __init__(self, scenario, url, **options):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        known = {"modules": f"{WEB}/node_modules/", "chromium": shutil.which("chromium"), "shots": str(SCREENSHOTS)}
        super().__init__(["node", HERE / "browser.mjs", scenario, url, json.dumps({**known, **options})],
                         stdin=subprocess.PIPE)

    def await_step(self, name):
        self.await_line(self.out, f"STEP {name}", BROWSER_SECONDS)

    def go_on(self, word=""):
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def kill(self):
        super().kill()
        self.process.stdin.close()

    def finish(self):
        code = self.wait(BROWSER_SECONDS)
        said = "\n".join(self.out[-20:] + self.err[-40:])
        assert code == 0 and "DONE" in self.out, f"the scenario failed ({code}):\n{said}"


class WebCase(alerts_harness.AlertsCase):
    def browse(self, scenario, agent, **options):
        browser = Browser(scenario, agent.url, **options)
        self.addCleanup(browser.kill)
        return browser

    def watched(self, *arguments, load=("--duration", 200), rules=()):
        """An engine under load and the service that watches it, from before the engine's first query."""
        engine = self.engine("--rate", 400, *load, "--linger", 300, *arguments, record=False)
        self.configure_alerts([f'pid = {engine.pid}\ndisplay_name = "engine"'], rules, interval="1s")
        agent = self.start()
        harness.wait_until(lambda: agent.snapshot("engine"), harness.PATIENCE_SECONDS, "the first snapshot")
        engine.release()
        return engine, agent
