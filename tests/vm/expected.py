"""The committed table of what works on which kernel (expected.toml, expected_arm64.toml), what differs from it, and how it
is shown."""

import pathlib
import tomllib

from kernels import name_of, parse_series

FOLDER = pathlib.Path(__file__).parent
FILES = {"amd64": FOLDER / "expected.toml", "arm64": FOLDER / "expected_arm64.toml"}
MISSING = ("", "")


class Table:
    def __init__(self, architecture="amd64"):
        self.path = path = FILES[architecture]
        with open(path, "rb") as file:
            read = tomllib.load(file)
        self.features = read["features"]  # name: title
        self.kernels = {parse_series(name): cells for name, cells in read["kernel"].items()}
        for cells in self.kernels.values():
            unknown = [name for name in cells if name not in self.features]
            if unknown:
                raise ValueError(f"{path}: no such feature: {', '.join(unknown)}")

    def series(self):
        return sorted(self.kernels)

    def column(self, series):
        """{feature: (status, reason)} of a kernel: that of its series, else of the nearest one below the same change. Series
        that are not in the file are like the last one before them; older ones than all like the oldest."""
        before = [one for one in self.series() if one <= series]
        cells = self.kernels[before[-1] if before else self.series()[0]]
        return {name: self._parse(cells.get(name, "ok")) for name in self.features}

    @staticmethod
    def _parse(text):
        status, _, reason = text.partition(": ")
        return status, reason

    def oldest(self):
        """The oldest kernel that the agent works on."""
        return next(series for series in self.series() if self.column(series)["doctor"][0] == "ok")

    def newest(self):
        return self.series()[-1]


def differences(table, run, only=()):
    """What a run's results have otherwise than expected, as sentences. A reason is expected to be part of the one given."""
    found = [run.trouble] if run.trouble else []
    expected = table.column(parse_series(run.release))
    for name in only or table.features:
        status, reason = run.results.get(name, MISSING)
        should, because = expected[name]
        if (status, reason) == MISSING:
            if not run.trouble:
                found.append(f"{name} was not run")
        elif status != should or because not in reason:
            wanted = f"{should}: {because}" if because else should
            found.append(f"{name} is {status}{f': {reason}' if reason else ''}; expected is {wanted}")
    found += [f"{name} is not in {table.path.name}" for name in run.results if name not in table.features]
    return found


def gaps(table, wanted, found, only=()):
    """{series: sentence} of the wanted ones that no kernel speaks for. found: {series: release}; a release of another series
    stands for one only if the same is expected of both."""
    sentences = {}
    for series in wanted:
        if series not in found:
            sentences[series] = f"{name_of(series)} was not tried: neither it nor a neighbour that stands for it alone was found"
            continue
        should, stands = table.column(series), table.column(parse_series(found[series]))
        other = [name for name in only or table.features if should[name] != stands[name]]
        if other:
            sentences[series] = (f"{name_of(series)} was not tried: of {found[series]}, its nearest neighbour, something else "
                                 f"is expected: {', '.join(other)}")
    return sentences


def columns_of(table):
    return {f"{major}.{minor}": table.column((major, minor)) for major, minor in table.series()}


def markdown(table):
    """The table as docs/kernels.md shows it, with a numbered reason for what does not simply work."""
    columns, reasons = columns_of(table), []
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, title in table.features.items():
        cells = [cell(*column[name], reasons) for column in columns.values()]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *(f"{number}. {reason}" for number, reason in enumerate(reasons, 1))]) + "\n"


def cell(status, reason, reasons):
    if not reason:
        return status
    if reason not in reasons:
        reasons.append(reason)
    return f"{status} ({reasons.index(reason) + 1})"


def text(table, runs, paint=lambda status, words: words):
    """The results of some runs beside each other; `paint` may colour a cell by its status."""
    reasons = []
    rows = [["", *(run.release.split("-cloud-")[0] for run in runs)]]
    for name, title in table.features.items():
        if any(name in run.results for run in runs):
            rows.append([title, *(cell(*run.results.get(name, ("-", "")), reasons) for run in runs)])
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [words.ljust(width) for words, width in zip(row, widths)]
        lines.append("  ".join(paint(words.split(" ")[0], words) for words in cells).rstrip())
    return "\n".join([*lines, *(f"  ({number}) {reason}" for number, reason in enumerate(reasons, 1))])
