# SPDX-License-Identifier: MIT
"""Add one to the number in a file, TIMES times, under a lock on its bytes."""
import fcntl
import os
import sys

path, times = sys.argv[1], int(sys.argv[2])
for _ in range(times):
    fd = os.open(path, os.O_RDWR)
    fcntl.lockf(fd, fcntl.LOCK_EX)
    value = int(os.pread(fd, 20, 0))
    os.pwrite(fd, b"%d" % (value + 1), 0)
    fcntl.lockf(fd, fcntl.LOCK_UN)
    os.close(fd)
