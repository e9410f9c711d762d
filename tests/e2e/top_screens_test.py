"""outrider top on a running service, in a real terminal (tmux): what it shows is what the API says, at any size, and keys
do what help says. Long: unit/tui_* has the same screens without a terminal, top_test the terminal without a service."""

import json
import re
import signal
import time
import urllib.request

import harness
from service_harness import LOAD, ServiceCase
from tmux_screen import require_tmux
from top_harness import SIZES, Screens, rows_of_screen, selected


def seconds_text(value):
    if value is None:
        return "-"
    for scale, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")):
        figure = value / scale
        if figure < 0.9995 and scale > 1e-9:
            continue
        decimals = 0 if scale == 1e-9 else 2 if figure < 9.995 else 1 if figure < 99.95 else 0
        return f"{figure:.{decimals}f} {unit}"


def percent_text(share):
    return "-" if share is None else f"{100 * share:.{2 if 100 * share < 9.995 else 1 if 100 * share < 99.95 else 0}f}"


def rate_text(rate):
    if rate <= 0:
        return "0"
    return f"{rate:.{2 if rate < 9.995 else 1 if rate < 999.95 else 0}f}"


def rows_of_snapshot(snapshot):
    """The table's cells by type, worked out from a snapshot of the API."""
    types = {name: figures for name, figures in snapshot["query_metrics"]["query_type_breakdown"].items()
             if figures["count"]}
    taken = {name: figures["queries_per_second"] * (figures["avg_response_time_seconds"] or 0)
             for name, figures in types.items()}
    total = sum(taken.values())
    rows = {}
    for name, figures in types.items():
        success = figures["success_rate"]
        rows[name] = (rate_text(figures["queries_per_second"]), percent_text(taken[name] / total if total else None),
                      seconds_text(figures["avg_response_time_seconds"]),
                      seconds_text(figures["p95_response_time_seconds"]),
                      seconds_text(figures["p99_response_time_seconds"]),
                      percent_text(None if success is None else 1 - success), percent_text(figures["cache_hit_rate"]))
    return rows


class Service(Screens, ServiceCase):
    """Of a running service."""

    def serve(self, interval="2s"):
        engine = self.engine(*LOAD, "--duration", 600, "--fault", "lock:4/20@0")
        self.addCleanup(engine.signal, signal.SIGTERM)
        self.configure([f'pid = {engine.pid}\ndisplay_name = "engine"'], interval=interval)
        agent = self.start()
        engine.release()
        return agent

    def top(self, screen, *more):
        screen.start(harness.OUTRIDER, "top", "--url", f"http://127.0.0.1:{self.port}", *more)

    def test_figures_are_the_apis_at_any_size(self):
        agent = self.serve()
        for columns, height in SIZES:
            with self.subTest(columns=columns):
                screen = self.screen(columns, height)
                begin = time.monotonic()
                self.top(screen, "--interval", "500ms")
                screen.await_screen(lambda lines: len(rows_of_screen(lines)) == 5, "five types")
                if columns == 200:
                    self.the_past_is_there(screen, begin)
                said, shown = {}, []
                deadline = time.monotonic() + 9
                while time.monotonic() < deadline:
                    snapshot = agent.snapshot("engine")
                    said[snapshot["timestamp"]] = snapshot
                    if len(shown) < 15:
                        shown.append(screen.lines)
                    time.sleep(0.3)
                self.assertGreaterEqual(len(said), 3)
                expected = [rows_of_snapshot(snapshot) for snapshot in said.values()]
                for lines in shown:
                    self.assertEqual(len(lines), height + 1)
                    self.assertLessEqual(max(map(len, lines)), columns)
                    rows = rows_of_screen(lines)
                    cells = {name: row[0] for name, row in rows.items()}
                    # The first screens may be of an interval before the first that was asked for.
                    if cells != rows_of_snapshot(said[min(said)]) and lines in shown[:3]:
                        continue
                    self.assertIn(cells, expected)
                    shares = [float(row[1]) for row in cells.values()]
                    self.assertEqual(shares, sorted(shares, reverse=True))
                    for _, bar in rows.values():
                        self.assertEqual(len(bar), 13 if columns == 80 else 60, lines)
                        self.assertIn("l", bar)  # the convoy
                self.assertRegex(shown[-1][0], r"^ outrider top  engine  http://127\.0\.0\.1:\d+ +\d\d:\d\d:\d\d ?$")
                self.assertRegex(shown[-1][1], r"^up  health \d+ of 100")
                self.assertRegex(shown[-1][2], r"^\S+ queries/s .*err \d")
                self.assertRegex(shown[-1][5],
                                 r"^costs \S+ % of its cpu, .* \(full\)  lost nothing  agent \S+ % \d+ MiB$")
                self.assertRegex(shown[-1][-3], r"c cpu .*l lock")
                screen.keys("q")
                self.assert_left_clean(screen)
                screen.kill()

    def the_past_is_there(self, screen, begin):
        """The chart reaches back to before the view was started; a column is 2 s here."""
        screen.keys("Enter")

        def reaches_back(lines):
            title = next((number for number, line in enumerate(lines) if line.startswith("  COUNT/S over")), None)
            rows = [re.sub("[^▁-█]", "", line) for line in lines[title:]] if title else [""]
            return max(map(len, rows)) >= (time.monotonic() - begin) / 2 + 3
        screen.await_screen(reaches_back, "figures of before")
        screen.keys("q")
        screen.await_text("WAITS")

    def test_keys(self):
        agent = self.serve(interval="500ms")
        screen = self.screen()
        self.top(screen, "--interval", "300ms")
        lines = screen.await_screen(lambda lines: len(rows_of_screen(lines)) == 5, "five types")
        self.assertIn("▼TIME%", lines[7])
        screen.keys("1")
        lines = screen.await_text("▲TYPE")
        self.assertEqual(list(rows_of_screen(lines)), sorted(harness.INTENTS))
        screen.keys("1")
        lines = screen.await_text("▼TYPE")
        self.assertEqual(list(rows_of_screen(lines)), sorted(harness.INTENTS, reverse=True))
        screen.keys("1")
        screen.await_text("▲TYPE")
        screen.keys("Down", "Down")
        screen.await_screen(lambda lines: selected(lines) == sorted(harness.INTENTS)[2], "the third is selected")
        screen.keys("1")
        screen.await_screen(lambda lines: "▼TYPE" in lines[7] and selected(lines) == sorted(harness.INTENTS)[2],
                            "it stays selected")
        screen.keys("6")
        lines = screen.await_text("▼P99")
        screen.keys("<")
        screen.await_text("▼P95")
        screen.keys(">")
        screen.await_text("▼P99")
        screen.keys("?")
        screen.await_text("any key: back")
        screen.keys("x")
        screen.await_text("COUNT/S")
        self.drill_down(screen)
        self.pause(agent, screen)
        screen.keys("q")
        self.assert_left_clean(screen)

    def drill_down(self, screen):
        name = selected(screen.lines)
        screen.keys("Enter")
        lines = screen.await_screen(lambda lines: lines[7].strip() == name, f"the page of {name}")
        self.assertRegex(lines[8], r"^  count/s \S+  time \S+ %  since attach \d+ queries, \d+ failed, \d+ abandoned$")
        self.assertRegex(lines[9], r"^  avg \S+ .s  p95 \S+ .s  p99 \S+ .s  errors \S+ %  cache hits \S+")
        shares = [float(found[1]) for found in (re.search(r" (\S+) % ", line) for line in lines[11:17]) if found]
        self.assertGreaterEqual(len(shares), 2, lines)
        self.assertAlmostEqual(sum(shares), 100, delta=1, msg="\n".join(lines))
        self.assertTrue(any(line.startswith("  P99 over 5 min  highest ") for line in lines), lines)
        self.assertTrue(any("█" in line for line in lines[14:]), lines)
        screen.keys("Escape")
        screen.await_screen(lambda lines: selected(lines) == name, "the table again")

    def pause(self, agent, screen):
        screen.keys("p")
        before = screen.await_text("PAUSED")
        begin = agent.snapshot("engine")["timestamp"]
        harness.wait_until(lambda: agent.snapshot("engine")["timestamp"] > begin, harness.PATIENCE_SECONDS, "a reading")
        begin = agent.snapshot("engine")["timestamp"]
        harness.wait_until(lambda: agent.snapshot("engine")["timestamp"] > begin, harness.PATIENCE_SECONDS, "another")
        self.assertEqual(screen.lines, before)
        screen.keys("p")
        screen.await_screen(lambda lines: "PAUSED" not in lines[0] and lines[8:] != before[8:], "newer figures")

    def test_resizes(self):
        self.serve(interval="500ms")
        screen = self.screen()
        self.top(screen)
        screen.await_screen(lambda lines: len(rows_of_screen(lines)) == 5, "five types")
        screen.resize(200, 50)
        screen.await_screen(lambda lines: len(lines) == 51 and "q quit" in lines[49] and
                            all(len(bar) == 60 for _, bar in rows_of_screen(lines).values()), "all of the wide screen")
        screen.resize(60, 20)
        lines = screen.await_text("outrider top needs 80 x 24; this is 60 x 20. q quits.")
        self.assertFalse(any(lines[1:]), lines)
        screen.resize(80, 24)
        screen.await_screen(lambda lines: len(rows_of_screen(lines)) == 5 and "q quit" in lines[23], "the table again")
        screen.keys("q")
        self.assert_left_clean(screen)

    def test_a_service_that_goes_and_comes_back(self):
        agent = self.serve(interval="500ms")
        screen = self.screen()
        self.top(screen, "--interval", "300ms")
        screen.await_screen(lambda lines: len(rows_of_screen(lines)) == 5, "five types")
        agent.end()
        lines = screen.await_text("OLD FIGURES for")
        self.assertEqual(len(rows_of_screen(lines)), 5, lines)
        self.assertIn("cannot connect: Connection refused", lines[6])
        agent = self.start()
        screen.await_without("OLD FIGURES")
        screen.await_screen(lambda lines: len(rows_of_screen(lines)) == 5, "five types")
        screen.keys("q")
        self.assert_left_clean(screen)
        agent.end()

    def test_two_targets_an_alert_and_a_token(self):
        first, second = (self.engine(*LOAD, "--duration", 600) for _ in range(2))
        token = self.directory / "token"
        token.write_text("s3cret-token\n", encoding="ascii")
        token.chmod(0o600)
        rules = self.directory / "rules.toml"
        rules.write_text('[[rule]]\nname = "Busy"\ncondition = "query_metrics.queries_per_second"\nabove = "1/s"\n'
                         'severity = "critical"\n', encoding="ascii")
        self.configure([f'pid = {first.pid}\ndisplay_name = "one"', f'pid = {second.pid}\ndisplay_name = "two"',
                        'name = "no-such-engine"\ndisplay_name = "three"'],
                       f'[alerts]\nrules = ["{rules}"]\ndetector = "none"\n')
        text = self.config.read_text()
        self.config.write_text(text.replace("[http]\n", f'[http]\nbearer_token_file = "{token}"\n'), encoding="utf-8")
        agent = self.start(serving=False)
        agent.await_line(agent.err, "http: serving on ", harness.PATIENCE_SECONDS)
        first.release()
        screen = self.screen()
        self.top(screen)
        screen.await_text("exit=1")
        self.assertIn("--token-file FILE", screen.error_file.read_text())
        screen.run("clear")
        self.top(screen, "--token-file", token)
        screen.await_screen(lambda lines: "one (1 of 3)" in lines[0] and len(rows_of_screen(lines)) == 5, "the first")
        screen.await_screen(lambda lines: lines[4].startswith("alerts critical: Busy, "), "its alert")
        screen.keys("t")
        screen.await_screen(lambda lines: "two (2 of 3)" in lines[0] and "No query has ended yet." in lines[8],
                            "the second")
        request = urllib.request.Request(agent.url + "/api/v1/alerts", headers={"Authorization": "Bearer s3cret-token"})

        def others():
            with urllib.request.urlopen(request, timeout=10) as answer:
                alerts = json.load(answer)["alerts"]
            firing = [alert for alert in alerts if alert["state"] == "firing" and not alert["held"]]
            return sum(alert["target"] != "two" for alert in firing)
        screen.await_screen(lambda lines: lines[4] == f"alerts none  ({others()} of other targets)", "their number")
        screen.keys("t")
        screen.await_screen(lambda lines: "three (3 of 3)" in lines[0], "the third")
        screen.keys("t")
        screen.await_text("one (1 of 3)")
        screen.keys("q")
        screen.await_text("exit=0")


if __name__ == "__main__":
    require_tmux()
    harness.require_kernel()
    harness.main()
