"""outrider top in a real terminal (tmux), attached by itself: what it counts is what the engine wrote down, and whatever
ends it, the terminal is as it was and nothing is attached. top_screens_test has it on a service."""

import os
import pathlib
import re
import signal
import subprocess

import harness
from tmux_screen import require_tmux
from top_harness import SIZES, Screens, rows_of_screen, selected

# SGR 30 to 38, 40 to 48 and beyond; 39 and 49 are the terminal's own.
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;\d+)*m")


class Direct(Screens, harness.Case):
    """Attached by itself."""

    def attach(self, screen, pid, *more):
        screen.start(harness.OUTRIDER, "top", "--pid", pid, "--max-overhead", "off", *more)
        screen.await_text("attached to it")
        links = harness.bpf_links_of(screen.program)
        self.assertTrue(links)
        return links

    def test_counts_are_the_engines_own(self):
        for columns, height in SIZES:
            with self.subTest(columns=columns):
                engine = self.engine("--rate", 500, "--duration", 6, "--fault", "errors:10@0")
                screen = self.screen(columns, height)
                links = self.attach(screen, engine.pid)
                engine.release()
                rows = engine.finish()
                # The screen stays when its process is gone, and says so.
                screen.await_screen(lambda lines: lines[1].startswith("no process"), "the end of the engine")
                harness.assert_links_gone(links)
                screen.keys("1", "Home")
                for intent in sorted(harness.INTENTS):
                    screen.await_screen(lambda lines, name=intent: selected(lines) == name, f"{intent} selected")
                    screen.keys("Enter")
                    lines = screen.await_screen(lambda lines, name=intent: lines[7].strip() == name, intent)
                    mine = [row for row in rows if row.type == intent]
                    failed = sum(not row.ok for row in mine)
                    self.assertIn(f"since attach {len(mine)} queries, {failed} failed, 0 abandoned", lines[8])
                    screen.keys("q")
                    screen.await_text("WAITS")
                    screen.keys("Down")
                screen.keys("q")
                self.assert_left_clean(screen)
                screen.kill()

    def test_every_way_out(self):
        engine = self.engine("--rate", 200, "--duration", 600)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            with self.subTest(signal=number):
                screen = self.screen()
                links = self.attach(screen, engine.pid)
                os.kill(screen.program, number)
                self.assert_left_clean(screen)
                harness.assert_links_gone(links)
                screen.kill()
        # The terminal goes away.
        screen = self.screen()
        links = self.attach(screen, engine.pid)
        screen.kill()
        program = pathlib.Path(f"/proc/{screen.program}")
        harness.wait_until(lambda: not program.exists(), harness.PATIENCE_SECONDS, "its end")
        harness.assert_links_gone(links)

    def test_foreign_names(self):
        long_name = "x" * 60
        engine = self.scripted("query", "<script>", 3, "query", "\x1b[2J\x07", 2, "query", long_name, 1,
                               "sleeps", 1500, 0, 1)
        screen = self.screen()
        self.attach(screen, engine.pid)
        engine.release()
        screen.keys("1")
        lines = screen.await_screen(lambda lines: len(lines) > 11 and lines[11][1:].startswith("xxx"), "four types")
        self.assertEqual([line[1:16].rstrip() for line in lines[8:10]], ["\\x1b[2J\\x07", "<script>"])
        self.assertRegex(lines[11], r"^ x+~ ")
        screen.keys("q")
        self.assert_left_clean(screen)

    def test_two_thousand_types(self):
        engine = self.scripted("types", 2000, "sleeps", 3000, 0, 1)
        screen = self.screen()
        self.attach(screen, engine.pid, "--interval", "500ms")
        engine.release()
        screen.keys("1")
        screen.await_screen(lambda lines: lines[8].startswith(">other") and lines[21].startswith(" type"),
                            "a full table")
        screen.keys("End")
        screen.await_screen(lambda lines: lines[21].startswith(">type"), "its end")
        screen.keys("PPage")
        screen.await_screen(lambda lines: lines[8].startswith(">type"), "a page up")
        screen.keys("q")
        self.assert_left_clean(screen)

    def test_ascii_and_no_colour(self):
        engine = self.engine("--rate", 200, "--duration", 600)
        screen = self.screen(LC_ALL="C", NO_COLOR="1")
        self.attach(screen, engine.pid)
        engine.release()
        screen.await_screen(lambda lines: len(rows_of_screen(lines)) == 5, "five types")
        screen.keys("Enter")
        lines = screen.await_text("P99 over 5 min")
        self.assertTrue(all(line.isascii() for line in lines), lines)
        self.assertIn("\x1b[7m", screen.coloured)
        self.assertNotRegex(screen.coloured, COLOUR)
        screen.keys("q", "q")
        self.assert_left_clean(screen)
        screen.kill()
        screen = self.screen()
        self.attach(screen, engine.pid)
        screen.await_screen(lambda lines: len(rows_of_screen(lines)) == 5, "five types")
        self.assertRegex(screen.coloured, COLOUR)
        screen.keys("q")
        self.assert_left_clean(screen)

    def test_what_cannot_be(self):
        screen = self.screen()
        for says, code, words in (
                (r"no process has PID 4194303", 1, ["--pid", 4_194_303]),
                (r"cannot connect: Connection refused; is `outrider run` there\?", 1, ["--url", "http://127.0.0.1:1"]),
                (r"--url: ", 2, ["--url", "ftp://127.0.0.1"]),
                (r"--interval: 100ms is the shortest", 2, ["--interval", "10ms"]),
                (r"--url.*excludes|excludes.*--url|--pid", 2, ["--url", "http://127.0.0.1:1", "--pid", 1])):
            screen.start(harness.OUTRIDER, "top", *words)
            screen.await_text(f"exit={code}")
            self.assertRegex(screen.error_file.read_text(), says)
            screen.run("clear")
            screen.await_without("exit=")
        engine = self.engine("--rate", 200, "--duration", 600)
        before = harness.bpf_links()
        screen.start("env", "TERM=no-such-terminal", harness.OUTRIDER, "top", "--pid", engine.pid)
        screen.await_text("exit=1")
        self.assertIn("'no-such-terminal' is not known here; set TERM", screen.error_file.read_text())
        harness.wait_until(lambda: not harness.bpf_links() - before, 20, "a probe is left behind")
        done = subprocess.run([harness.OUTRIDER, "top"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=harness.PATIENCE_SECONDS, check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("draws on a terminal", done.stderr)


if __name__ == "__main__":
    require_tmux()
    harness.require_kernel()
    harness.main()
