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


def check_columns(path):
    """Missing columns are no data; a file without any figure is refused, and so is one that no column has."""
    with open(path, "w", encoding="utf-8") as file:
        file.write("timestamp,error_rate,queries_per_second\n")
        file.writelines(f"{BEGIN + second},{0.3 if second >= 900 else 0.001},200\n" for second in range(1000))
    opened = [event for event in events(path) if event["event"] == "open"]
    assert [event["arm"] for event in opened] == ["errors"] and opened[0]["at"] == str(BEGIN + 900), opened
    done = replay(path, "--column", "eror_rate", "--scores")
    assert done.returncode == 1 and "no column `eror_rate`; did you mean 'error_rate'?" in done.stderr, done.stderr
    with open(path, "w", encoding="utf-8") as file:
        file.write("timestamp,requests\n1,2\n")
    done = replay(path)
    assert done.returncode == 1 and "none of the figures" in done.stderr and "error_rate" in done.stderr, done.stderr


def check_a_clock_that_goes_back(path):
    lines = list(rows(3600))
    write(path, [*lines[:3000], *((row[0] - 3600, *row[1:]) for row in lines[3000:])])
    done = replay(path)
    assert done.returncode == 0 and "600 rows" in done.stderr and "earlier" in done.stderr, done.stderr
    assert "3600 rows, 0 incidents" in done.stdout, done.stdout


def check_scores(path):
    """One line a row, between 0 and 1, whatever the row; the odd one out has the highest."""
    values = [str(10 + row * 7 % 11) for row in range(400)]
    values[200], values[201], values[300] = "", "nan", "40"
    with open(path, "w", encoding="utf-8") as file:
        file.write("timestamp,value\n")
        file.writelines(f"2014-04-01 {row // 60:02}:{row % 60:02}:00,{value}\n" for row, value in enumerate(values))
        file.write("2014-04-0")
    done = replay(path, "--column", "value", "--scores")
    assert done.returncode == 0 and "last line" in done.stderr, done.stderr
    header, *lines = done.stdout.splitlines()
    assert header == "timestamp,score" and len(lines) == 400, (header, len(lines))
    scores = [float(line.split(",")[1]) for line in lines]
    assert lines[300].startswith("2014-04-01 05:00:00,") and scores[300] == max(scores) > 0.5, scores[300]
    assert all(0 <= score <= 1 for score in scores) and scores[200] == scores[201] == 0
    done = replay(path, "--column", "value", "--scores", "--format", "json")
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    assert [round(row["score"], 6) for row in objects] == scores and objects[0]["at"] == "2014-04-01 00:00:00"


def run(*options):
    return subprocess.run([OUTRIDER, "replay", *options], capture_output=True, text=True, timeout=60, check=False)


def check_wrong_options(path):
    for options in ([], ["--csv", path, "--from", "2h"], ["--csv", path, "--scores"], ["--csv", path, "--column", "value"],
                    ["--csv", path, "--target", "engine"], ["--from", "yesterday"], ["--from", "1h", "--to", "2h"]):
        done = run(*options)
        assert done.returncode == 2 and done.stdout == "", (options, done)
    done = run("--from", "2h", "--store", path + ".none")
    assert done.returncode == 1 and path + ".none" in done.stderr, done


def main():
    with work_directory() as directory:
        path = os.path.join(directory, "figures.csv")
        check_a_fault_is_found(path)
        check_quiet_figures_raise_nothing(path)
        check_bad_files(path)
        check_columns(path)
        check_a_clock_that_goes_back(path)
        check_scores(path)
        check_wrong_options(path)
    print("a fault is found in time, quiet and missing figures raise nothing, bad files are refused, rows are scored")


if __name__ == "__main__":
    main()
