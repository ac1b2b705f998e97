# SPDX-License-Identifier: MIT
"""Change a directory at random, as others do at the same time.

    change.py SEED SECONDS DIRECTORY OTHER NAMES

Makes, removes, renames (over each other too, and from and to OTHER), links,
chmods and resizes what is called n0 .. nNAMES-1 there; everybody fights for
the same names.  Prints what it did and what others were quicker at.  An error
that no race explains is a failure.
"""
import errno
import json
import os
import random
import stat
import sys
import time
from collections import Counter

seed, seconds, here, other, names = sys.argv[1:]
rng = random.Random(seed)
did, lost = Counter(), Counter()
RACES = {errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR,
         errno.ENOTDIR, errno.EPERM, errno.ELOOP, errno.ENXIO, errno.EINVAL,
         # The other client removed it after this one had looked it up.
         errno.ESTALE}


def name(where=None):
    return f"{where or here}/n{rng.randrange(int(names))}"


def create():
    with open(name(), "xb") as f:
        f.write(bytes(rng.choice((0, 10, 5000))))


def mkdir():
    os.mkdir(name())


def symlink():
    os.symlink("x" * rng.randrange(1, 50), name())


def remove():
    path = name()
    if stat.S_ISDIR(os.lstat(path).st_mode):
        os.rmdir(path)
    else:
        os.unlink(path)


def rename():
    os.rename(name(), name())


def leave():
    os.rename(name(), name(other))


def enter():
    os.rename(name(other), name())


def link():
    os.link(name(), name(), follow_symlinks=False)


def chmod():
    path = name()
    if not stat.S_ISLNK(os.lstat(path).st_mode):
        os.chmod(path, rng.choice((0o600, 0o644, 0o755, 0o700)))


def touch():
    os.utime(name(), ns=(0, rng.randrange(1 << 60)), follow_symlinks=False)


def resize():
    fd = os.open(name(), os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        if rng.random() < 0.5:
            os.ftruncate(fd, rng.randrange(9000))
        else:
            os.lseek(fd, 0, os.SEEK_END)
            os.write(fd, bytes(rng.randrange(1, 5000)))
    finally:
        os.close(fd)


def chmod_dir():
    os.chmod(here, rng.choice((0o755, 0o775, 0o1777)))


WEIGHTS = {create: 30, mkdir: 5, symlink: 4, remove: 15, rename: 15, leave: 6,
           enter: 6, link: 5, chmod: 5, touch: 3, resize: 8, chmod_dir: 1}
end = time.monotonic() + float(seconds)
while time.monotonic() < end:
    act, = rng.choices(list(WEIGHTS), WEIGHTS.values())
    try:
        act()
        did[act.__name__] += 1
    except OSError as e:
        if e.errno not in RACES:
            raise
        lost[act.__name__] += 1
    time.sleep(rng.random() * 0.05)
print(json.dumps([did, lost]))
