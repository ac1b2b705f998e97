# SPDX-License-Identifier: MIT
"""How long until a client sees what another one changed: delay.py SPEC

SPEC (JSON) is a list of [look, change, directory, directory as the changer
has it, or null].  All is looked at once; after a line on standard input each
change is made, or, where the changer is null, waited for: a line with its
index says that it was made.  Then all is looked at again and again.  Prints
the seconds from each change to the first look that saw it, null for never.
"""
import json
import os
import select
import sys
import time

LONGEST_S = 120
spec = json.loads(sys.argv[1])


def make(change, where):
    at = lambda name: f"{where}/{name}"
    if change == "create":
        os.close(os.open(at("new"), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    elif change == "remove":
        os.unlink(at("old"))
    elif change == "rename":
        os.rename(at("old"), at("new"))
    elif change == "chmod":
        os.chmod(at("old"), 0o600)
    else:
        with open(at("old"), "wb") as f:
            f.write(b"longer")


def mode_and_size(path):
    try:
        st = os.stat(path)
    except FileNotFoundError:
        return None
    return st.st_mode & 0o777, st.st_size


def look(how, where):
    if how == "ls":
        return sorted(os.listdir(where))
    return [mode_and_size(f"{where}/{name}") for name in ("old", "new")]


RIGHT = {("ls", "create"): ["new", "old"], ("ls", "remove"): [],
         ("ls", "rename"): ["new"],
         ("stat", "create"): [(0o644, 0), (0o755, 0)],
         ("stat", "remove"): [None, None], ("stat", "rename"):
         [None, (0o644, 0)], ("stat", "chmod"): [(0o600, 0), None],
         ("stat", "write"): [(0o644, 6), None]}
os.umask(0o022)
for how, change, where, _ in spec:
    look(how, where)
print("primed", flush=True)
os.read(0, len("go\n"))
changed, seen = {}, {}
for i, (_, change, _, changer) in enumerate(spec):
    if changer:
        make(change, changer)
        changed[i] = time.monotonic()
end = time.monotonic() + LONGEST_S
while len(seen) < len(spec) and time.monotonic() < end:
    if select.select([0], [], [], 0)[0]:
        for word in os.read(0, 4096).split():
            changed[int(word)] = time.monotonic()
    for i, (how, change, where, _) in enumerate(spec):
        if i not in changed or i in seen:
            continue
        if look(how, where) == RIGHT[how, change]:
            seen[i] = time.monotonic() - changed[i]
    time.sleep(0.05)
print(json.dumps([seen.get(i) for i in range(len(spec))]))
