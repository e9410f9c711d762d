"""Prints a compilation database as if no two files were compiled together: clang-tidy looks at each by itself."""

import json
import pathlib
import re
import sys


def single_files(entry):
    """The entry, or one for each file that it includes where it is one of CMake's unity sources."""
    unity = entry["file"]
    if not re.search(r"/Unity/unity_\d+_c(xx)?\.cxx?$", unity):
        return [entry]
    files = re.findall(r'^#include "(.+)"$', pathlib.Path(unity).read_text(), re.MULTILINE)
    return [{**entry, "file": file, "command": entry["command"].replace(unity, file)} for file in files]


def main():
    entries = json.loads(pathlib.Path(sys.argv[1]).read_text())
    print(json.dumps([single for entry in entries for single in single_files(entry)], indent=0))


if __name__ == "__main__":
    main()
