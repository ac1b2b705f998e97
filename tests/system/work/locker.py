# SPDX-License-Identifier: MIT
"""Takes and gives back locks on a file as it is told: locker.py PATH

Lines in, lines out:
    lock|try|shared START LENGTH    "ok" or "busy"
    unlock START LENGTH             "ok"
    test START LENGTH               "free", or the type of what is in the way
"""
import fcntl
import os
import struct
import sys

FLOCK = struct.Struct("hhqqi4x")
fd = os.open(sys.argv[1], os.O_RDWR)
print("ready", flush=True)
for line in sys.stdin:
    verb, start, length = line.split()
    where = (int(length), int(start))
    answer = "ok"
    if verb == "test":
        got = FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_GETLK, FLOCK.pack(
            fcntl.F_WRLCK, 0, where[1], where[0], 0)))
        answer = {fcntl.F_UNLCK: "free", fcntl.F_RDLCK: "read",
                  fcntl.F_WRLCK: "write"}[got[0]]
    else:
        how = {"lock": fcntl.LOCK_EX, "unlock": fcntl.LOCK_UN,
               "try": fcntl.LOCK_EX | fcntl.LOCK_NB,
               "shared": fcntl.LOCK_SH | fcntl.LOCK_NB}[verb]
        try:
            fcntl.lockf(fd, how, *where)
        except BlockingIOError:
            answer = "busy"
    print(answer, flush=True)
