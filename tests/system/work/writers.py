# SPDX-License-Identifier: MIT
"""One of several processes that work in the same directories.

    writers.py NUMBER FILES DIRECTORY...

Creates FILES files; some are then renamed, some over names that the other
processes fight for, some removed, some linked; prints what it did.  Every
error is a failure but the one that a race explains: a shared name that is no
longer there.
"""
import json
import os
import random
import sys


def write(path, data, flags=os.O_EXCL):
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | flags, 0o644)
    try:
        assert os.write(fd, data) == len(data)
    finally:
        os.close(fd)


def main():
    me, files, dirs = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    rng = random.Random(me)
    mine, did, changes = [], {}, []

    def count(what, *paths):
        """Remember what was done, as churn.py records it."""
        did[what] = did.get(what, 0) + 1
        if not paths:
            return
        (a, name), *new = [p.split("/")[-2:] for p in paths]
        if not new:
            kind = "delete" if what.startswith("remove") else "create"
            changes.append((kind, a, name))
        elif a == new[0][0]:
            changes.append(("move", a, name, new[0][1]))
        else:
            changes.append(("move", a, name, *new[0]))

    for i in range(files):
        path = f"{rng.choice(dirs)}/p{me}-{i}"
        write(path, f"{me} {i}\n".encode() * rng.choice((0, 1, 10, 100, 700)))
        count("create", path)
        dice = rng.random()
        if dice < 0.30:
            new = f"{rng.choice(dirs)}/shared{rng.randrange(40)}"
            os.rename(path, new)
            count("rename over", path, new)
            continue
        mine.append(path)
        if dice < 0.45:
            path = mine.pop(rng.randrange(len(mine)))
            os.unlink(path)
            count("remove", path)
        elif dice < 0.55:
            k = rng.randrange(len(mine))
            new = f"{rng.choice(dirs)}/m{me}-{i}"
            os.rename(mine[k], new)
            count("rename", mine[k], new)
            mine[k] = new
        elif dice < 0.60:
            new = f"{rng.choice(dirs)}/l{me}-{i}"
            os.link(mine[-1], new)
            mine.append(new)
            count("link", new)
        elif dice < 0.63:
            try:
                path = f"{rng.choice(dirs)}/shared{rng.randrange(40)}"
                os.unlink(path)
                count("remove shared", path)
            except FileNotFoundError:
                pass
        elif dice < 0.66:
            try:
                write(mine[-1], b"never")
                raise AssertionError("O_EXCL created what was there")
            except FileExistsError:
                count("exists")
    print(json.dumps([did, changes]))


main()
