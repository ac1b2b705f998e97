#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The server dies under a working Linux kernel and comes back."""
import time

from env import Env, add_last_cases
from tap import Skip, Suite, diag, equal
from watch import Watch

suite = Suite("restart")
FILES = 60


@suite.case("kill -9: work goes on, and every fsynced file is whole")
def killed(env):
    env.run(f"mkdir {env.A}/k; ls {env.B}/k")
    jobs = [env.work("fsyncer.py", f"{mount}/k", name, FILES)
            for name, mount in (("a", env.A), ("b", env.B))]
    for job, name in zip(jobs, "ab"):
        job.wait_output(f"^{name}-9 ", 60)
    env.server.kill()
    done = [len(job.stdout.splitlines()) for job in jobs]
    time.sleep(1)
    began = time.monotonic()
    env.server.start()
    sums = "".join(job.wait(120).stdout for job in jobs)
    diag(f"killed after {done} of {FILES} files each, done "
         f"{time.monotonic() - began:.1f} s after the restart")
    assert max(done) < FILES, "it was killed too late"
    check(env, sums)


def check(env, sums):
    """Every file is there as its maker's checksum says, and no other."""
    promised = dict(line.split() for line in sums.splitlines())
    equal(len(promised), 2 * FILES)
    seen = env.compare_sums("k")
    there = {name: sha for sha, name in
             (line.split() for line in seen.splitlines())}
    equal({n: there.get(n) for n in promised}, promised, "fsynced files")
    equal(sorted(set(there) - set(promised)), ["a.held", "b.held"])
    equal(env.server.shell("cat k/*.held"), f"{FILES - 1}\n" * 2)


@suite.case("restarted twice while a file is open, its data arrives")
def twice(env):
    job = env.guest.start(
        f"exec 3>{env.B}/open; for i in 1 2 3; do read x; echo $x >&3; "
        f"sync {env.B}/open; echo did $x; done", stdin=None)
    for word in ("one", "two", "three"):
        job.send(word.encode() + b"\n")
        job.wait_output(f"^did {word}$", 120)
        if word != "three":
            env.server.kill()
            env.server.start()
    job.wait()
    equal(env.server.shell("cat open"), "one\ntwo\nthree\n")
    env.run(f"ls -l {env.A} {env.B}", 120)


@suite.case("herald watch says that the server restarted, and goes on")
def watched(env):
    if env.server.name != "heraldd":
        raise Skip("test_watch_knfsd.py has it")
    env.run(f"mkdir {env.A}/seen; ls {env.B}/seen")
    with Watch(env.server.port, "/seen") as watch:
        watch.wait_ready()
        env.run(f"touch {env.A}/seen/one")
        watch.wait_event("CREATE", "/seen/", "one")
        env.server.kill()
        watch.wait_note("connection lost")
        env.server.shell("touch seen/two")
        env.server.start()
        watch.wait_note("restarted")
        watch.wait_event("RESCAN", "/seen/")
        watch.wait_event("CREATE", "/seen/", "two")
        env.run(f"mv {env.A}/seen/one {env.A}/seen/three", 120)
        watch.wait_event("MOVE", "/seen/", "one", "three")
        watch.settle()
        equal([e for e in watch.events if e[0] != "RESCAN"],
              [("CREATE", "/seen/", "one"), ("CREATE", "/seen/", "two"),
               ("MOVE", "/seen/", "one", "three")])
        watch.stop()


add_last_cases(suite)

if __name__ == "__main__":
    suite.main(lambda: Env("carol"))
