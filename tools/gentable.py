#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Put what a program prints between two markers of a document.

    gentable.py DOCUMENT NAME PROGRAM [--check]

The markers are the lines "<!-- NAME: begin -->" and "<!-- NAME: end -->".
With --check nothing is written: exit 1 when the document is not up to date.
Tables whose truth is in the code get into docs/ this way and stay true.
"""
import subprocess
import sys
from pathlib import Path


def replace_between(text: str, name: str, table: str) -> str:
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise SystemExit(f"the markers of {name!r} are missing, or twice there")
    head, rest = text.split(begin)
    tail = rest.split(end)[1]
    return head + begin + table + end + tail


def main() -> None:
    document, name, program, *check = sys.argv[1:]
    table = subprocess.run([program], check=True, text=True,
                           stdout=subprocess.PIPE).stdout
    old = Path(document).read_text()
    new = replace_between(old, name, table)
    if new == old:
        return
    if check:
        raise SystemExit(f"{document}: the table {name!r} is not what "
                         "the code says: make docs")
    Path(document).write_text(new)


if __name__ == "__main__":
    main()
