"""What the tests of `outrider top` share: a terminal (tmux) that is looked at as it was before and after, and what the
table on it says."""

import re

from tmux_screen import TmuxScreen

SIZES = ((80, 24), (200, 50))
ROW = re.compile(r"^[> ](\S+) +(\S+) +(\S+) +(-|\S+ [num]?s) +(-|\S+ [num]?s) +(-|\S+ [num]?s) +(\S+) +(\S+) (.*)$")


def rows_of_screen(lines):
    """(cells, wait bar) by type, in the screen's order."""
    found = [ROW.match(line) for line in lines[8:-3]]
    return {row[1]: (row.groups()[1:8], row[9].rstrip()) for row in found if row}


def selected(lines):
    return next((line[1:].split()[0] for line in lines[8:] if line.startswith(">")), None)


class Screens:
    """What both kinds of tests need of a terminal."""

    def screen(self, columns=80, lines=24, **environment):
        screen = TmuxScreen(self.directory, columns, lines, **environment)
        self.addCleanup(screen.kill)
        screen.run("stty -g > before; echo writ''ten")
        screen.await_text("written")
        return screen

    def assert_left_clean(self, screen, code=0):
        """The shell is back, its settings and its screen are what they were."""
        lines = screen.await_text(f"exit={code}")
        self.assertTrue(any("ready$" in line for line in lines), lines)
        self.assertFalse(any("COUNT/S" in line for line in lines), lines)
        screen.run("stty -g > after; echo al''so")
        screen.await_text("also")
        before, after = ((self.directory / name).read_text() for name in ("before", "after"))
        self.assertEqual(before, after)
