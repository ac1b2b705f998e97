#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Other programs of this machine change what heraldd exports (DD-23).

No guest: they and `herald watch` run here, beside the server.
"""
import contextlib
import json
import os
import signal
import subprocess
import tempfile

from server import Herald, build_dir
from tap import Suite, diag, equal
from watch import Watch, replay

suite = Suite("local")

# As another user's container would run it: the kernel's limits hold.
UNPRIVILEGED = ("setpriv", "--bounding-set", "-sys_admin")
# More than fs.fanotify.max_queued_events usually is.
FLOOD = 20000


class Env:
    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.server = stack.enter_context(Herald())
            self.git_dir = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="herald-git-"))
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *exc):
        self.stack.close()

    def git(self, command) -> None:
        """In the work tree export/tree; git's own files are elsewhere."""
        self.server.shell(
            f"git --git-dir={self.git_dir} --work-tree=tree "
            f"-c user.name=x -c user.email=x@example.org {command}")

    def evidence(self) -> str:
        return self.server.evidence()


def names_below(where) -> dict[str, set[str]]:
    """Every directory of the export, and what is in it."""
    return {f"/{os.path.relpath(top, where)}/".replace("/./", "/"):
            set(dirs) | set(files)
            for top, dirs, files in os.walk(where)}


def untold(watch, server, before) -> str:
    """The first directory that is not what the events made of it."""
    events = watch.by_dir()
    for where, names in names_below(server.export).items():
        told = replay([("CREATE", n) for n in before.get(where, ())] +
                      [e for e in events[where] if e[0] != "RESCAN"])
        if told != names:
            return (f"{where}: told {sorted(told - names)[:10]}, "
                    f"not told {sorted(names - told)[:10]}")
    return ""


def all_is_told(watch, server, before) -> None:
    try:
        watch.wait("right model", lambda w: not untold(w, server, before))
    except AssertionError as e:
        raise AssertionError(untold(watch, server, before)) from e


def unexpected(server, *expected) -> list[str]:
    """Complaints of an unprivileged server, but for these."""
    expected += ("missing cap_sys_admin",)
    return [p for p in server.problems()
            if not any(text in p for text in expected)]


@suite.case("dd23 what a shell does is told, once")
def shell(env):
    env.server.shell("mkdir one two")
    with Watch(env.server.port, recursive=True) as watch:
        watch.wait_ready()
        watch.wait_held(env.server, ".", "one", "two")
        for command, *events in (
                ("touch one/a", ("CREATE", "/one/", "a")),
                ("mv one/a one/b", ("MOVE", "/one/", "a", "b")),
                ("ln one/b one/c", ("CREATE", "/one/", "c")),
                ("mv one/b two/d", ("DELETE", "/one/", "b"),
                 ("CREATE", "/two/", "d")),
                ("rm one/c", ("DELETE", "/one/", "c")),
                ("mkdir one/sub; rmdir one/sub; touch one/last",
                 ("CREATE", "/one/", "last"))):
            env.server.shell(command)
            for event in events:
                watch.wait_event(*event)
        watch.settle(0.5)
        equal(watch.rescans(), 0)
        equal(len(watch.events), len(set(watch.events)), "told twice")
    env.server.shell("rm -r one two")


@suite.case("dd23 what a shell does to files is told")
def files(env):
    env.server.shell("mkdir files; cd files; touch a b; mkdir sub")
    with Watch(env.server.port, "/files",
               kinds="modify,attrib,rescan") as watch:
        watch.wait_ready()
        watch.wait_held(env.server, "files")
        for command, *event in (
                ("echo more >>files/a", "MODIFY", "a"),
                ("chmod 600 files/a", "ATTRIB", "a"),
                ("chown 1000 files/b", "ATTRIB", "b"),
                ("touch -d @1 files/b", "MODIFY", "b"),
                ("ln files/a files/c", "ATTRIB", "a"),
                ("chmod 700 files/sub", "ATTRIB", "sub"),
                ("truncate -s 1000 files/b", "MODIFY", "b"),
                ("rm files/c", "ATTRIB", "a")):
            before = len(watch.events)
            env.server.shell(command)
            event.insert(1, "/files/")
            watch.wait(f"{event}", lambda w: tuple(event) in
                       w.events[before:])
        watch.settle(0.5)
        equal(watch.rescans(), 0)
        equal(dict(env.server.recalls()), {}, "recalls")
    env.server.shell("rm -r files")


@suite.case("dd23 git checkout of 2,000 files is told whole")
def checkout(env):
    env.server.shell(
        "mkdir tree; cd tree; for d in $(seq 100); do mkdir d$d; "
        "for f in $(seq 20); do echo $d $f >d$d/f$f; done; done")
    env.git("init -q -b full")
    env.git("add .")
    env.git("commit -qm full")
    env.git("checkout -q -b few")
    env.git("rm -rq --cached .")
    env.server.shell("cd tree; rm -r d*; mkdir d1; echo new >d1/f1; echo x >n")
    env.git("add .")
    env.git("commit -qm few")
    before = names_below(env.server.export)
    recalls = env.server.recalls()
    with Watch(env.server.port, recursive=True) as watch:
        watch.wait_ready()
        watch.wait_held(env.server, ".", "tree", "tree/d1")
        env.git("checkout -q full")
        all_is_told(watch, env.server, before)
        many = len(watch.events)
        env.git("checkout -q few")
        all_is_told(watch, env.server, before)
        equal(watch.rescans(), 0)
    # No delegation was lost but with its directory.
    recalls = env.server.recalls() - recalls
    equal(set(recalls) - {"directory_removed"}, set(), "recalls")
    diag(f"{many} events, then {len(watch.events) - many}; "
         f"recalls: {dict(recalls)}")
    assert many > 2000, many
    equal(env.server.problems(), [])
    env.server.stop()


@suite.case("dd23 10,000 creates through NFS are not too many for the queue")
def our_own(env):
    with Herald(prefix=UNPRIVILEGED) as server:
        said = json.loads(subprocess.run(
            [build_dir() / "herald", "bench", "notify", "--burst", "10000",
             "--json", f"nfs://127.0.0.1:{server.port}/"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=300,
            check=True).stdout)
        metrics = server.metrics()
        own = metrics["herald_local_own_events_total"]
        diag(f"{said}; the kernel told of {own:.0f} of them")
        assert own > 0
        equal(metrics["herald_local_overflows_total"], 0)
        equal(metrics["herald_local_events_total"], 0)
        equal(dict(server.recalls()), {}, "recalls")
        equal(unexpected(server), [])
        server.stop()


@suite.case("dd23 a queue that overflows ends in the right model")
def overflow(env):
    with Herald(prefix=UNPRIVILEGED) as server:
        server.shell("mkdir d; cd d; touch old1 old2 old3")
        before = names_below(server.export)
        with Watch(server.port, recursive=True) as watch:
            watch.wait_ready()
            watch.wait_held(server, ".", "d")
            # Nobody reads the queue while all this is done.
            server.process.send_signal(signal.SIGSTOP)
            server.shell(
                f"cd d; for i in $(seq {FLOOD}); do echo >n$i; done; "
                "rm old1; mv old2 moved; rm n*5 n*7; mkdir ../e; touch ../e/x;"
                "ls | head -15000 | xargs rm")
            server.process.send_signal(signal.SIGCONT)
            all_is_told(watch, server, before)
            server.shell("touch d/after e/after")
            watch.wait_event("CREATE", "/d/", "after")
            watch.wait_event("CREATE", "/e/", "after")
        assert server.metrics()["herald_local_overflows_total"] > 0
        equal(unexpected(server, "were lost"), [])
        server.stop()


suite.main(Env)
