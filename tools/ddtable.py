#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Print which tests show each row of the requirements on directory delegations.

A test belongs to a row when its name says so: dd07_..., test_dd07_..., and of
a system test its title, "dd07 ...".  A whole program, such as a property test,
says in a comment "Rows: DD-04, DD-05".  A row without a test is an error.
"""
import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

ROWS = {
    1: "one operation; a refusal is no error",
    2: "all six notification types",
    3: "the client's mask is honoured; what recalls and what does not",
    4: "notifications are self-contained",
    5: "cookies and verifier are READDIR's",
    6: "order-aware clients",
    7: "batches: window, size, order",
    8: "renames",
    9: "every directory is eligible",
    10: "limits",
    11: "no time-out of its own",
    12: "lease, live backchannel, permission",
    13: "the end of a client",
    14: "recall, lease of grace, revocation",
    15: "DELEGRETURN delivers first",
    16: "every recall has a reason",
    17: "state belongs to the object",
    18: "metrics by type",
    19: "one change section",
    20: "one sender; one CB_NOTIFY in flight",
    21: "nothing is dropped",
    22: "a holder's own changes",
    23: "changes on the server's disk",
    24: "odd cases",
    25: "hot directories",
    26: "the users' page",
}

TEST = re.compile(r'^(?:static void (?:test_)?|@suite\.case\(")dd(\d\d)[_ ]',
                  re.M)

ROWS_OF_A_FILE = re.compile(r"Rows: ((?:DD-\d\d[,.]?[\s*]*)+)")


def tests_by_row() -> dict[int, dict[str, int]]:
    """Row -> file -> number of tests."""
    found = defaultdict(lambda: defaultdict(int))
    for path in sorted((ROOT / "tests").rglob("*.*")):
        if path.suffix in (".c", ".py") and path.is_file():
            name = str(path.relative_to(ROOT / "tests"))
            text = path.read_text()
            for match in TEST.finditer(text):
                found[int(match[1])][name] += 1
            for match in ROWS_OF_A_FILE.finditer(text):
                for row in re.findall(r"DD-(\d\d)", match[1]):
                    found[int(row)][name] += 1
    return found


def main() -> None:
    found = tests_by_row()
    # Its tables are compared with the code by gentable.py.
    found[26]["docs metrics"] = found[26]["docs settings"] = 1
    missing = [row for row in ROWS if row not in found]
    print("| row | what | tests (how many) |\n|---|---|---|")
    for row, what in ROWS.items():
        files = ", ".join(
            f"{name} ({count})" if count > 1 else name
            for name, count in sorted(found[row].items()))
        print(f"| DD-{row:02} | {what} | {files} |")
    if missing:
        sys.exit("no test: " + ", ".join(f"DD-{row:02}" for row in missing))


if __name__ == "__main__":
    main()
