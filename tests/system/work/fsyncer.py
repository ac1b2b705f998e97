# SPDX-License-Identifier: MIT
"""Make files one after the other; say so of each when it is safe on disk.

    fsyncer.py DIRECTORY NAME FILES

Prints "NAME-3 sha256" only after the fsync and, for every third, the rename
into place, which is safe when it returns.  An open file is written
throughout, so that there is state to carry over a restart.  It is not
locked: a lock is lost with a server that does not let its clients reclaim.
"""
import hashlib
import os
import random
import sys

where, name, files = sys.argv[1], sys.argv[2], int(sys.argv[3])
rng = random.Random(name)
os.chdir(where)
held = os.open(name + ".held", os.O_CREAT | os.O_RDWR, 0o644)
for i in range(files):
    data = rng.randbytes(rng.choice((10, 5000, 100_000)))
    final = f"{name}-{i}"
    path = final + ".new" if i % 3 == 0 else final
    fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    os.write(fd, data)
    os.fsync(fd)
    os.close(fd)
    if path != final:
        os.rename(path, final)
    os.pwrite(held, b"%d\n" % i, 0)
    os.fsync(held)
    print(final, hashlib.sha256(data).hexdigest(), flush=True)
