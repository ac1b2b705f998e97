#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How long a Linux client with default timeouts believes what is over.

    measure_delay.py [heraldd] [knfsd]

Not a test: it prints the table of docs/NFS.md.  One guest is the client of
both servers; its own kernel is the second, over its loopback.  "ls" and
"stat" look at directories of their own, so that neither refreshes what the
other sees.  A new directory was looked at once, just before; one that is held
is delegated to the client that looks.
"""
import json
import sys
from statistics import median

from env import Env
from guest import Guest, Knfsd
from server import Herald

LOOKS = [("ls", "create"), ("ls", "remove"), ("ls", "rename"),
         ("stat", "create"), ("stat", "remove"), ("stat", "rename"),
         ("stat", "chmod"), ("stat", "write")]
EACH = 3
LOCAL = {"create": "install /dev/null new", "remove": "rm old",
         "rename": "mv old new", "chmod": "chmod 600 old",
         "write": "printf longer >old"}


class Loopback:
    """knfsd in the guest that mounts it; "local" is that guest, too."""
    name = "knfsd"

    def __init__(self, guest):
        self.knfsd, self.guest = Knfsd(guest), guest
        guest.run(["chmod", "1777", self.knfsd.path])

    def holders(self, where):
        return self.knfsd.holders(where)

    def shell(self, text):
        return self.guest.run(text, cwd=self.knfsd.path).stdout


class Setup(Env):
    """Two mounts with default timeouts."""

    def __init__(self, server):
        super().__init__("delay")
        self.kind = server

    def __enter__(self):
        self.guest = Guest(self.hostname)
        if self.kind == "knfsd":
            self.server = Loopback(self.guest)
            where = dict(host="127.0.0.1")
        else:
            self.server = Herald()
            where = dict(port=self.server.port)
        self.guest.mount_two("/", actimeo=None, **where)
        return self

    def __exit__(self, *exc):
        if self.kind != "knfsd":
            self.server.close()
        self.guest.close()


def measure(env, prefix, held, local) -> dict:
    """Delays in seconds by (look, change), EACH of them."""
    jobs = [(*look, f"{prefix}{i}") for i, look in enumerate(LOOKS * EACH)]
    dirs = [where for *_, where in jobs]
    # By the changer, so that it has nothing cached that is in its way.
    env.run(f"cd {env.B}; umask 022; mkdir {' '.join(dirs)}; "
            f"touch {' '.join(d + '/old' for d in dirs)}", 120)
    if held:
        env.acquire(env.A, *dirs, timeout=600)
    spec = [(look, change, f"{env.A}/{where}",
             None if local else f"{env.B}/{where}")
            for look, change, where in jobs]
    job = env.work("delay.py", json.dumps(spec), stdin=None)
    job.wait_output("^primed$", 120)
    if held:
        lost = [d for d in dirs if not env.holds(env.A, d)]
        assert not lost, lost
    job.send(b"go\n")
    for i, (_, change, where) in enumerate(jobs if local else ()):
        env.server.shell(f"cd {where}; {LOCAL[change]}")
        job.send(b"%d\n" % i)
    job.close_stdin()
    result = {}
    for (look, change, _), seconds in zip(jobs, json.loads(
            job.wait(600).stdout.splitlines()[-1])):
        result.setdefault((look, change), []).append(seconds)
    return result


def show(seconds) -> str:
    """The median and the longest; there is no number for never."""
    known = sorted(float("inf") if s is None else s for s in seconds)
    return f"{median(known):.1f} ({known[-1]:.1f})"


def main() -> None:
    servers = sys.argv[1:] or ["heraldd", "knfsd"]
    rows = {}
    for server in servers:
        with Setup(server) as env:
            for held in (False, True):
                for local in (False, True):
                    prefix = f"m{held:d}{local:d}-"
                    for look, s in measure(env, prefix, held, local).items():
                        print(server, prefix, *look, s, file=sys.stderr)
                        rows.setdefault((held, local, *look), {})[server] = s
    print("| directory | changed by | change | seen by | "
          + " | ".join(servers) + " |\n|" + "---|" * (4 + len(servers)))
    for (held, local, look, change), delays in rows.items():
        print(f"| {'held' if held else 'new'} | "
              f"{'the host' if local else 'a client'} | {change} | `{look}` | "
              + " | ".join(show(delays[s]) for s in servers) + " |")


if __name__ == "__main__":
    main()
