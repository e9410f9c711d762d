"""The strings of tests/unit/nasty_strings.h, which every output is tried with, read from there: page and log get the same
ones as the formats that unit tests parse."""

import ast
import codecs
import pathlib
import re

HEADER = pathlib.Path(__file__).resolve().parents[1] / "unit" / "nasty_strings.h"
TYPE_BYTES = 26  # of a type's name: one less than OUTRIDER_TYPE_NAME of bpf/abi/abi.h, and the zero
# What stands between the braces: C strings, raw ones, and strings of so many of one letter; joined by +.
PIECE = re.compile(r"""(?:std::string\()? (?: R"\((?P<raw>.*?)\)" | (?P<text>"(?:[^"\\]|\\.)*")
                       | (?P<times>[\d']+),\s*'(?P<letter>.)' ) \)?""", re.VERBOSE)


def one_string(line):
    """The bytes that a line of the list stands for; there is nothing in it that is not understood."""
    found, at = b"", 0
    while at < len(line):
        piece = PIECE.match(line, at)
        assert piece, f"{HEADER.name}: what is {line[at:]!r}?"
        if piece["raw"] is not None:
            found += piece["raw"].encode()
        elif piece["text"] is not None:
            found += ast.literal_eval("b" + piece["text"])  # its escapes mean the same
        else:
            found += piece["letter"].encode() * int(piece["times"].replace("'", ""))
        at = piece.end()
        at += re.match(r"\s*\+?\s*", line[at:]).end()
    return found


def nasty_strings():
    """As bytes, in the order of the header."""
    (entries,) = re.findall(r"kStrings = \{\n(.*?)\n *\};", HEADER.read_text(encoding="ascii"), re.DOTALL)
    return [one_string(line.strip().removesuffix(",")) for line in entries.splitlines()]


def one_mark_a_byte(error):
    return "\ufffd", error.start + 1


codecs.register_error("one_mark_a_byte", one_mark_a_byte)


def nasty_types():
    """(the word that a process is started with, what everybody should see) of each as the name of a query type."""
    cut = [name[:TYPE_BYTES] for name in nasty_strings()]
    return [(name.decode(errors="surrogateescape"), name.decode(errors="one_mark_a_byte")) for name in cut]
