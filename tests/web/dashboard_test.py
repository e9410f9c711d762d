#!/usr/bin/env python3
"""The dashboard in Chromium, against the real agent: what it shows is what the API says; it draws, moves, filters
and zooms, and no name of a query type is ever taken for code."""

import time

from nasty_strings import nasty_types
from web_harness import SCREENSHOTS, WebCase, harness, require_browser

RULE = """name = "Too Many Failures"
id = "failures"
condition = "error_rate_high"
threshold = "5%"
for = "0s"
severity = "critical"
annotation = "look at the failing type"
"""
QUERIES = ("--queries", 4000)
HOSTILE = "<script>alert(1)</script>"


class Dashboard(WebCase):
    def window_behind(self, agent, total, seconds=10):
        """A window with the load's last seconds, all of it written: its figures change no more."""
        agent.await_total("engine", total)
        end = int(time.time())
        time.sleep(3)
        return {"from": (end - seconds) * 1000, "to": end * 1000}

    def test_the_page_shows_what_the_api_says(self):
        engine, agent = self.watched("--fault", "errors:20@0", "--fault", "sleep:2/20@0",
                                     load=QUERIES)
        window = self.window_behind(agent, 4000)
        browser = self.browse("values", agent, target="engine", total=4000, types=harness.INTENTS, **window)
        browser.finish()
        self.assertTrue(engine.running)
        agent.end()

    def test_charts_draw_and_move(self):
        _, agent = self.watched()
        self.browse("moves", agent).finish()
        agent.end()

    def test_filter_zoom_and_sort(self):
        _, agent = self.watched(load=QUERIES)
        window = self.window_behind(agent, 4000)
        self.browse("filter", agent, **window).finish()
        agent.end()

    def test_alerts_and_raw_data(self):
        _, agent = self.watched("--fault", "errors:30@0", rules=[RULE])
        harness.wait_until(lambda: self.told("failures", "firing"), harness.PATIENCE_SECONDS, "the alert")
        self.browse("alerts", agent).finish()
        agent.end()

    def test_alerts_of_another_target(self):
        engine = self.engine("--rate", 400, "--duration", 200, "--fault", "errors:30@0", record=False, hold=False)
        other = self.engine("--rate", 10, "--duration", 200, record=False, hold=False)
        self.configure_alerts([f'pid = {engine.pid}\ndisplay_name = "engine"', f'pid = {other.pid}\ndisplay_name = "another"'],
                              [RULE], interval="1s")
        agent = self.start()
        harness.wait_until(lambda: self.told("failures", "firing"), harness.PATIENCE_SECONDS, "the alert")
        self.browse("elsewhere", agent).finish()
        agent.end()

    def test_names_of_types_are_text_whatever_they_say(self):
        types = nasty_types()
        shown = [seen for _, seen in types]
        self.assertIn(HOSTILE, shown)
        engine = self.scripted(*(word for name, _ in types for word in ("query", name, "1")), "stop")
        self.configure([f'pid = {engine.pid}\ndisplay_name = "{HOSTILE}"'], interval="1s")
        agent = self.start()
        harness.wait_until(lambda: agent.json("/api/v1/live")["current"], harness.PATIENCE_SECONDS, "a snapshot")
        engine.release()
        figures = lambda: agent.json("/api/v1/live")["current"]["query_metrics"]
        harness.wait_until(lambda: figures()["total_queries"] == len(types), harness.PATIENCE_SECONDS, "the queries")
        self.assertEqual(set(figures()["query_type_breakdown"]) - {"other"}, set(shown))
        self.browse("hostile", agent, target=HOSTILE, types=shown).finish()
        agent.end()

    def test_thousands_of_types(self):
        engine = self.scripted("types", "2000", "stop")
        self.configure([f'pid = {engine.pid}\ndisplay_name = "engine"'], interval="1s")
        agent = self.start()
        harness.wait_until(lambda: agent.snapshot("engine"), harness.PATIENCE_SECONDS, "a snapshot")
        engine.release()
        agent.await_total("engine", 2000)
        self.browse("many", agent).finish()
        agent.end()

    def test_without_real_time_and_with_a_window_of_ones_own(self):
        engine = self.engine("--rate", 100, "--duration", 100, record=False, hold=False)
        self.configure([f'pid = {engine.pid}\ndisplay_name = "engine"'], """[dashboard]
enable_real_time = false
dashboard_update_interval = "1s"
chart_time_window = "15m"
""", interval="1s")
        agent = self.start()
        harness.wait_until(lambda: agent.snapshot("engine"), harness.PATIENCE_SECONDS, "a snapshot")
        self.browse("asks", agent).finish()
        agent.end()

    def test_nothing_watched(self):
        self.configure([])
        agent = self.start()
        browser = self.browse("nothing", agent)
        browser.await_step("add a target")
        engine = self.engine("--rate", 100, "--duration", 100, record=False, hold=False)
        self.configure([f'pid = {engine.pid}\ndisplay_name = "engine"'], interval="1s")
        self.reload(agent)
        browser.go_on()
        browser.finish()
        agent.end()

    def test_charts_are_drawn_once(self):
        _, agent = self.watched(load=QUERIES)
        window = self.window_behind(agent, 4000)
        self.browse("draws", agent, **window).finish()
        agent.end()

    def test_screenshots(self):
        _, agent = self.watched("--fault", "errors:10@15", "--fault", "lock:20@25", "--fault", "disk:2/10@10",
                                rules=[RULE])
        time.sleep(40)
        self.browse("screenshots", agent).finish()
        for page in ("overview", "alerts", "data"):
            for size in ("wide", "phone"):
                for theme in ("light", "dark"):
                    self.assertGreater((SCREENSHOTS / f"{page}-{size}-{theme}.png").stat().st_size, 10_000)
        agent.end()


if __name__ == "__main__":
    require_browser()
    harness.require_kernel()
    harness.main()
