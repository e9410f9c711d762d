#!/usr/bin/python3
"""Makes outrider.toml(5) of outrider.toml, so that the keys and their defaults are written down once.

  toml_to_man.py outrider.toml VERSION OUTPUT

In that file "# text" explains what follows it up to the next explanation: keys ("#key = default") or a table. Text
before an empty line is about the table or the file as a whole, and "#   text" is shown as it stands."""

import re
import sys

HEAD = r""".\" Made of outrider.toml by toml_to_man.py.
.TH OUTRIDER.TOML 5 "" "Outrider {version}" "File Formats"
.SH NAME
outrider.toml \- the configuration of outrider run
.SH SYNOPSIS
.I /etc/outrider/outrider.toml
.SH DESCRIPTION
"""
TAIL = r"""
.SH EXAMPLE
Every process named postgres, now or later, and its figures for Prometheus:
.PP
.in +4n
.nf
[export]
export_prometheus = true

[[targets]]
name = "postgres"
labels = {{ environment = "production" }}
.fi
.in
.SH SEE ALSO
.BR outrider (1)
"""


def escaped(text):
    """Text for troff: a backslash, a leading dot or quote, and the minus of an option mean themselves."""
    for plain, troff in (("\\", r"\e"), ("-", r"\-"), ("'", r"\(aq")):
        text = text.replace(plain, troff)
    return r"\&" + text if text.startswith(".") else text


class Page:
    def __init__(self):
        self.lines, self.explanation, self.names = [], [], []

    def write_explanation(self):
        verbatim = False
        for text in self.explanation:
            if text.startswith("  ") != verbatim:
                verbatim = not verbatim
                self.lines += [".PP", ".nf"] if verbatim else [".fi", ".PP"]
            self.lines.append(escaped(text if verbatim else text.strip()))
        if verbatim:
            self.lines.append(".fi")
        self.explanation = []

    def end_item(self):
        """Keys in a row share the explanation before them."""
        for number, (key, default) in enumerate(self.names):
            self.lines += [".TP" if number == 0 else ".TQ", rf"\fB{escaped(key)}\fR = {escaped(default)}"]
        self.names = []
        self.write_explanation()

    def add(self, line):
        table = re.fullmatch(r"#?(\[\[?[\w.]+\]\]?)", line)
        key = re.fullmatch(r"#?([\w.-]+) = (.*)", line)
        if key and not line.startswith("# "):
            self.names.append(key.groups())
            return
        if self.names:
            self.end_item()
        if table:
            self.lines.append(f".SH {table[1]}")
            self.write_explanation()
        elif line.startswith("# "):
            self.explanation.append(line[2:])
        elif line in ("", "#"):
            self.write_explanation()
        else:
            sys.exit(f"toml_to_man.py: not understood: {line}")


def main():
    source, version, output = sys.argv[1:]
    page = Page()
    with open(source, encoding="utf-8") as file:
        for line in file:
            page.add(line.rstrip())
    page.end_item()
    with open(output, "w", encoding="utf-8") as file:
        file.write(HEAD.format(version=version) + "\n".join(page.lines) + TAIL.format())


if __name__ == "__main__":
    main()
