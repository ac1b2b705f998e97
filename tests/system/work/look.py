# SPDX-License-Identifier: MIT
"""What a client believes: look.py DIRECTORY NAME...

Asks for each NAME before it lists the directory: a listing would make the
client look again.  Prints JSON: {name: attributes or null} of the NAMEs and
of ".", then the same of what is listed.
"""
import json
import os
import stat
import sys


def attributes(path):
    try:
        st = os.lstat(path)
    except FileNotFoundError:
        return None
    size = -1 if stat.S_ISDIR(st.st_mode) else st.st_size
    return [st.st_ino, oct(st.st_mode), st.st_nlink, st.st_uid, st.st_gid,
            size, st.st_mtime_ns]


os.chdir(sys.argv[1])
asked = {name: attributes(name) for name in [*sys.argv[2:], "."]}
print(json.dumps([asked, {n: attributes(n) for n in sorted(os.listdir())}]))
