#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""herald watch on this machine, Linux's own server in a guest.

Our decoder meets an encoder we did not write.  What happens, happens on the
server's disk; knfsd tells of it as of anything done by another client.  It
holds three events at most and recalls when there are more, so here one change
waits until the one before it was told.
"""
import signal

from guest import Guest, Knfsd
from tap import Suite, diag, equal
from watch import Watch

suite = Suite("watch knfsd")
# After a recall knfsd grants the directory to nobody for 30 to 60 s.
BLOCKED_S = 90


class Env:
    def __enter__(self):
        self.guest = Guest("server", hostfwd=(2049,))
        self.knfsd = Knfsd(self.guest)
        self.run("mkdir d e burst; touch d/old")
        self.watch = Watch(self.knfsd.port, "/", recursive=True,
                           kinds="create,delete,move,modify,attrib,rescan")
        diag(f"knfsd of Linux {self.guest.kernel} ({self.guest.accel})")
        return self

    def __exit__(self, *exc):
        self.watch.__exit__(*exc)
        self.guest.close()

    def run(self, command) -> None:
        self.guest.run(command, cwd=self.knfsd.path)

    def told(self, command, *events) -> None:
        """Change something; exactly these lines must come, in this order."""
        before = len(self.watch.events)
        self.run(command)
        self.watch.wait(f"{events} after {command}",
                        lambda w: len(w.events) >= before + len(events))
        seen = self.watch.events[before:]
        # Two directories have no common order.
        equal(sorted(seen), sorted(events), command)

    def evidence(self) -> str:
        return "\n".join([self.watch.said(), *self.guest.complaints(),
                          self.knfsd.states()])


@suite.case("it watches three directories of knfsd")
def start(env):
    env.watch.wait_ready()
    equal(env.watch.events, [])
    # Held: by name of the directory under the export.
    held = env.knfsd.delegations()
    assert {"/d", "/e"} <= set(held), held


@suite.case("create, remove, rename, mkdir, rmdir, link, symlink, fifo")
def simple(env):
    env.told("touch d/new", ("CREATE", "/d/", "new"))
    env.told("mv d/new d/renamed", ("MOVE", "/d/", "new", "renamed"))
    env.told("rm d/renamed", ("DELETE", "/d/", "renamed"))
    env.told("ln d/old d/hard", ("CREATE", "/d/", "hard"))
    env.told("rm d/hard", ("DELETE", "/d/", "hard"))
    env.told("ln -s old d/soft", ("CREATE", "/d/", "soft"))
    env.told("mkfifo d/pipe", ("CREATE", "/d/", "pipe"))


@suite.case("a rename over another name is one line")
def overwrite(env):
    env.told("mv -f d/pipe d/soft", ("MOVE", "/d/", "pipe", "soft"))


@suite.case("a rename to another directory is a removal and a creation")
def across(env):
    env.told("mv d/soft e/moved", ("DELETE", "/d/", "soft"),
             ("CREATE", "/e/", "moved"))
    env.told("touch d/over", ("CREATE", "/d/", "over"))
    env.told("mv -f d/over e/moved", ("DELETE", "/d/", "over"),
             ("CREATE", "/e/", "moved"))
    env.told("rm e/moved", ("DELETE", "/e/", "moved"))


@suite.case("a new directory is watched as well")
def new_directory(env):
    env.told("mkdir d/sub", ("CREATE", "/d/", "sub"))
    env.guest.wait_for("grep -qs 'type: deleg.*d/sub\"' "
                       "/proc/fs/nfsd/clients/*/states")
    env.told("touch d/sub/x", ("CREATE", "/d/sub/", "x"))
    env.told("rm d/sub/x", ("DELETE", "/d/sub/", "x"))
    env.told("rmdir d/sub", ("DELETE", "/d/", "sub"))
    equal(env.watch.rescans(), 0)


@suite.case("odd names arrive as they are")
def names(env):
    for name in ("with space", "ümlaut", "new\nline", "n" * 255):
        env.told(f"touch 'e/{name}'", ("CREATE", "/e/", name))


@suite.case("more than three events at once: RESCAN, and nothing is missed")
def overflow(env):
    # Asleep, it answers no CB_NOTIFY: then the queue surely gets full.
    env.watch.process.send_signal(signal.SIGSTOP)
    env.run("touch burst/{1..30}")
    env.watch.process.send_signal(signal.SIGCONT)
    env.watch.wait_event("RESCAN", "/burst/")
    env.watch.wait("30 files", lambda w: len({
        e for e in w.events if e[:2] == ("CREATE", "/burst/")}) == 30,
        BLOCKED_S)
    # While knfsd grants it to nobody, it is looked at now and then.
    env.run("touch burst/late")
    env.watch.wait_event("CREATE", "/burst/", "late", timeout=BLOCKED_S)
    # The others are as they were.
    env.told("touch d/still", ("CREATE", "/d/", "still"))


@suite.case("attributes are not told, until a listing shows them")
def attributes(env):
    before = len(env.watch.events)
    env.run("echo more >> d/old; chmod 600 d/still")
    env.watch.settle()
    equal(env.watch.events[before:], [])
    # A change of the directory's mode is a recall.
    env.run("chmod 711 d")
    env.watch.wait_event("MODIFY", "/d/", "old", timeout=BLOCKED_S)
    env.watch.wait_event("ATTRIB", "/d/", "still")
    equal(env.watch.events[before], ("RESCAN", "/d/"))
    env.guest.wait_for("grep -qs 'type: deleg.*export/d\"' "
                       "/proc/fs/nfsd/clients/*/states", BLOCKED_S)


@suite.case("knfsd restarts: it says so, finds what changed, and goes on")
def restart(env):
    env.told("touch d/before", ("CREATE", "/d/", "before"))
    env.knfsd.stop()
    env.run("touch d/meanwhile; rm d/before")
    env.knfsd.start()
    env.watch.wait_event("CREATE", "/d/", "meanwhile", timeout=120)
    env.watch.wait_event("DELETE", "/d/", "before")
    env.watch.wait_event("RESCAN", "/d/")
    diag("\n".join(env.watch.notes))
    env.guest.wait_for("grep -qs 'type: deleg.*export/d\"' "
                       "/proc/fs/nfsd/clients/*/states", 60)
    env.told("touch d/after", ("CREATE", "/d/", "after"))


@suite.case("Ctrl-C gives everything back")
def stop(env):
    env.watch.stop()
    env.guest.wait_for("! grep -qs 'type: deleg' "
                       "/proc/fs/nfsd/clients/*/states")


@suite.case("the server's kernel log is clean")
def clean(env):
    equal(env.guest.complaints(), [])


if __name__ == "__main__":
    suite.main(Env)
