#!/usr/bin/python3
"""`outrider replay` over recorded figures: a fault is found when it comes, quiet figures raise nothing, and a file that
is wrong is refused with line and column."""

import json
import math
import os
import random
import subprocess

from tools import SOURCE, work_directory

OUTRIDER = os.path.join(os.environ.get("OUTRIDER_BUILD", os.path.join(SOURCE, "build")), "bin", "outrider")
BEGIN = 1_700_000_000
COLUMNS = ("timestamp", "avg_response_time_seconds", "p95_response_time_seconds", "error_rate", "queries_per_second",
           "cpu_usage", "memory_used_mb", "cache_hit_rate", "comment")


def rows(seconds, slow_from=None, gaps=False):
    chance = random.Random(7)
    for second in range(seconds):
        if gaps and second % 5 == 3:
            yield (BEGIN + second, "", "nan", "", 0, "", "", "", "nothing ran")
            continue
        factor = math.exp(chance.gauss(0, 0.05)) * (1.5 if slow_from is not None and second >= slow_from else 1)
        yield (BEGIN + second, 0.010 * factor, 0.030 * factor, 0.001, 200, 30, 4096, 0.9, "a, b")


def write(path, lines, end="\n"):
    with open(path, "w", encoding="utf-8") as file:
        file.write(",".join(COLUMNS) + "\n")
        text = "\n".join(",".join(f'"{field}"' if isinstance(field, str) else str(field) for field in line)
                         for line in lines)
        file.write(text + end)


def replay(path, *options):
    return subprocess.run([OUTRIDER, "replay", "--csv", path, *options], capture_output=True, text=True, timeout=60,
                          check=False)


def events(path, *options):
    done = replay(path, "--format", "json", *options)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def check_a_fault_is_found(path):
    write(path, rows(3600, slow_from=2400))
    opened = [event for event in events(path) if event["event"] == "open"]
    assert opened, "half as slow again for 20 minutes was not found"
    for event in opened:
        late = int(event["at"]) - BEGIN - 2400
        assert 0 <= late <= 120, event
        assert "response_time" in event["metric"] and 25 <= event["effect_percent"] <= 80, event
        assert event["metric"] in event["text"], event
    assert events(path, "--detector", "none") == []
    assert any(event["arm"] == "zscore" for event in events(path, "--detector", "zscore"))


def check_quiet_figures_raise_nothing(path):
    write(path, rows(7200))
    assert events(path) == []
    write(path, rows(7200, gaps=True))
    assert events(path) == []


def check_bad_files(path):
    write(path, [*rows(10), (BEGIN + 10, 0.01)], end="")
    done = replay(path)
    assert done.returncode == 0 and "last line" in done.stderr and "10 rows" in done.stdout, (done.stdout, done.stderr)
    for lines, reason in (([(BEGIN, "x", *[0] * 7)], ":2: column `avg_response_time_seconds`: 'x' is no number"),
                          ([(BEGIN, 1)], ":2: 2 fields, but the header has 9"),
                          ([("yesterday", *[0] * 8)], ":2: column `timestamp`")):
        write(path, lines)
        done = replay(path)
        assert done.returncode == 1 and reason in done.stderr, done.stderr
    with open(path, "w", encoding="utf-8") as file:
        file.write("time,p95_response_time_seconds\n1,2\n")
    assert "no column `timestamp`" in replay(path).stderr
    os.truncate(path, 0)
    assert "is empty" in replay(path).stderr
    assert replay(path + ".none").returncode == 1
    assert replay(path, "--detector", "magic").returncode == 2


def main():
    with work_directory() as directory:
        path = os.path.join(directory, "figures.csv")
        check_a_fault_is_found(path)
        check_quiet_figures_raise_nothing(path)
        check_bad_files(path)
    print("a fault is found in time, quiet and missing figures raise nothing, bad files are refused")


if __name__ == "__main__":
    main()
