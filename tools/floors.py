#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that every include points to a floor below (doc/design.md, Floors).

Exit 0 when the tree keeps its floors, 1 with one line per trespass.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent / "src"

# box -> the boxes it may include besides itself
ALLOWED = {
    "base": set(),
    "proto": {"base"},
    "vocab": {"base", "proto"},
    "wire": {"base", "proto", "vocab"},
    "rpc": {"base", "proto", "vocab"},
    "state": {"base", "proto", "vocab"},
    "store": {"base", "vocab"},
    "nfs": {"base", "proto", "vocab", "wire", "rpc", "state", "store"},
    "client": {"base", "proto", "vocab", "wire", "rpc"},
    "daemon": {"base", "proto", "vocab", "wire", "rpc", "state", "store",
               "nfs"},
    "cli": {"base", "proto", "vocab", "wire", "rpc", "client"},
}
# Bridges between boxes of a floor: RPC headers are XDR too; herald checks a
# file by the daemon's own reading of it.
EXCEPTIONS = {("rpc", "wire/xdr.h"), ("rpc", "wire/rpcmsg.h"),
              ("cli", "daemon/check_config.h")}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def trespasses(path):
    box = path.relative_to(ROOT).parts[0]
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        target = match.group(1)
        floor = target.split("/")[0]
        if floor == box or floor in ALLOWED[box]:
            continue
        if (box, target) in EXCEPTIONS:
            continue
        yield f"{path.relative_to(ROOT.parent)}:{number}: {box} may not " \
              f"include {target}"


def main():
    files = sorted(p for p in ROOT.rglob("*.[ch]"))
    found = [t for p in files for t in trespasses(p)]
    print("\n".join(found) if found else f"{len(files)} files keep the floors")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
