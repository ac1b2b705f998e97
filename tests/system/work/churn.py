# SPDX-License-Identifier: MIT
"""Change two directories, one thing at a time, and keep a record.

    churn.py CHANGES DIRECTORY OTHER

Prints a line of JSON for each change that succeeded, in order:
["create", dir, name], ["delete", dir, name], ["move", dir, old, new] (in one
directory) or ["move", dir, old, newdir, new].
"""
import json
import os
import random
import sys

changes, dirs = int(sys.argv[1]), sys.argv[2:4]
rng = random.Random(7)
there = {}                  # path -> is a directory
serial = 0


def say(*words):
    print(json.dumps(words))


def tell(path):
    return os.path.basename(os.path.dirname(path)), os.path.basename(path)


def create(path):
    kind = rng.choice(["file", "file", "file", "dir", "symlink", "link",
                       "fifo"])
    files = [p for p, is_dir in there.items() if not is_dir]
    if kind == "dir":
        os.mkdir(path)
    elif kind == "symlink":
        os.symlink("nowhere", path)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "link" and files:
        os.link(rng.choice(files), path, follow_symlinks=False)
    else:
        with open(path, "x") as f:
            f.write("x" * rng.choice((0, 10, 5000)))
    there[path] = kind == "dir"
    say("create", *tell(path))


def delete(path):
    os.rmdir(path) if there.pop(path) else os.unlink(path)
    say("delete", *tell(path))


def same_file(a, b):
    """Renaming one link of a file over another does nothing at all."""
    return os.lstat(a).st_ino == os.lstat(b).st_ino


def move(path, target):
    if target in there and (there[target] != there[path]
                            or same_file(path, target)):
        return
    os.rename(path, target)
    there[target] = there.pop(path)
    (a, old), (b, new) = tell(path), tell(target)
    say(*(("move", a, old, new) if a == b else ("move", a, old, b, new)))


for serial in range(changes):
    dice = rng.random()
    if len(there) < 5 or dice < 0.40:
        create(f"{rng.choice(dirs)}/n{serial}")
    elif dice < 0.65:
        delete(rng.choice(list(there)))
    else:
        path = rng.choice(list(there))
        others = [p for p in there if p != path]
        fresh = f"{rng.choice(dirs)}/r{serial}"
        move(path, rng.choice(others) if dice > 0.85 else fresh)
for path in list(there):
    delete(path)
