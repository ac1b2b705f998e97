#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A real Linux kernel works hard on heraldd: two clients in one guest."""
import contextlib
import json
import re
from collections import Counter

import sourcetree
from env import Env, SUMS, add_last_cases
from tap import Skip, Suite, diag, equal, same_lines
from watch import Watch, expected_events, replay

suite = Suite("client")
TREE = sourcetree.entries()
LISTING = ("find src -type d -printf '%p %y %m - %Ts \\n' , "
           "-type f -printf '%p %y %m %s %Ts \\n' , "
           "-type l -printf '%p %y %m %s - %l\\n'")


@suite.case("two mounts are two clients")
def two_clients(env):
    env.run(f"ls {env.A} {env.B}")
    equal(env.server.client_count(), 2, "clients in the server's log")


@suite.case("a source tree is unpacked, every checksum right")
def unpack(env):
    env.run(f"tar -xC {env.A}", 300, stdin=sourcetree.archive(TREE))
    same_lines(env.server.shell(f"cd src; {SUMS}").replace("  ", "  src/"),
               sourcetree.checksums(TREE), "on the server")
    # The other client reads what it has never seen.
    same_lines(env.run(f"cd {env.B}/src && {SUMS}", 300)
               .replace("  ", "  src/"),
               sourcetree.checksums(TREE), "on the other client")


@suite.case("tar -x kept modes, times, sizes and links")
def unpacked_attributes(env):
    expected = sourcetree.listing(TREE)
    same_lines(env.server.shell(LISTING), expected, "on the server")
    same_lines(env.run(f"cd {env.B} && {LISTING}", 120), expected,
               "on the other client")


@suite.case("git init, add, commit, status")
def git(env):
    # A third of the files: what is added is slow, what is looked at is not.
    env.run(f"cd {env.A}/src && git init -q && "
            "printf '*.c\\n*.h\\nlink*\\n' >.gitignore && git add . && "
            "git commit -q -m first", 600)
    equal(env.run(f"cd {env.A}/src && git status --porcelain", 120), "")
    env.run(f"cd {env.A}/src && echo changed >>$(git ls-files | head -1) && "
            "git commit -qam second && git rm -qr part0 && "
            "git commit -qm third", 120)
    # The other client believes it too.
    env.quiet()
    equal(env.run(f"cd {env.B}/src && git status --porcelain && "
                  "git log --format=%s", 120), "third\nsecond\nfirst\n")
    env.run(f"cd {env.B}/src && git fsck --strict", 120)
    equal(env.server.shell("cd src; git -c safe.directory='*' log "
                           "--format=%s"), "third\nsecond\nfirst\n")


@suite.case("8 processes make, rename over each other and remove 5,000 files")
def writers(env):
    env.run(f"mkdir -p {env.A}/w/d{{0..7}} {env.A}/churn/{{one,two}}; "
            f"ls {env.B}/w")
    if env.server.name == "heraldd":
        env.watches = {d: env.stack.enter_context(Watch(
            env.server.port, "/" + d, recursive=True))
            for d in ("w", "churn")}
        env.watches["churn"].wait_held(env.server, "churn", "churn/one",
                                       "churn/two")
        env.watches["w"].wait_held(env.server, "w", *(
            f"w/d{d}" for d in range(8)))
    churn = env.work("churn.py", 600, f"{env.B}/churn/one",
                     f"{env.B}/churn/two")
    jobs = []
    for n in range(8):
        mount = env.B if n % 2 else env.A
        dirs = [f"{mount}/w/d{d}" for d in range(8)]
        jobs.append(env.work("writers.py", n, 625, *dirs))
    done, env.changes = Counter(), []
    for job in jobs:
        did, changes = json.loads(job.wait(300).stdout)
        done.update(did)
        env.changes += changes
    env.churned = [json.loads(line)
                   for line in churn.wait(300).stdout.splitlines()]
    diag(f"{dict(done)}; in order: {len(env.churned)}")
    equal(done["create"], 5000)
    env.quiet()
    left = len(env.compare_sums("w").splitlines())
    assert left > 1000, left
    names = "find . -type f -printf '%P %y %s %n\\n'"
    same_lines(env.run(f"cd {env.A}/w && {names}", 120),
               env.server.shell(f"cd w; {names}"),
               "names, sizes and link counts")


@contextlib.contextmanager
def watched(env, name, expected):
    """The watch of this directory, when it has heard all; ends it."""
    if env.server.name != "heraldd":
        raise Skip("knfsd's queue of three events is too short for this")
    with env.watches[name] as watch:
        watch.settle(expected=sum(map(len, expected.values())))
        equal(watch.rescans(), 0, f"RESCANs; it said {watch.notes}")
        yield watch
        watch.stop()


@suite.case("herald watch told each change of two directories, in order")
def churned(env):
    expected = expected_events(env.churned, "/churn")
    assert sum(map(len, expected.values())) > 500, expected
    with watched(env, "churn", expected) as watch:
        seen = watch.by_dir()
        for where in sorted(seen.keys() | expected.keys()):
            equal(seen[where], expected[where], where)


def without_silly_renames(seen):
    """What a Linux client removes while somebody holds it open it renames
    first, and removes the new name later: the other events, and the removals
    that were meant."""
    rest = [e for e in seen if not e[-1].startswith(".nfs")]
    meant = Counter(("DELETE", e[1]) for e in seen
                    if e[0] == "MOVE" and e[-1].startswith(".nfs"))
    return Counter(rest), meant


@suite.case("herald watch told all that the 8 processes did, once, in order")
def watched_writers(env):
    expected = expected_events(env.changes, "/w")
    with watched(env, "w", expected) as watch:
        seen = watch.by_dir()
        diag(f"{len(watch.events)} events")
        for where in sorted(seen.keys() | expected.keys()):
            # Who won which race nobody can know; but what was told is
            # possible, is what was done, and leads to what is there now.
            rest, meant = without_silly_renames(seen[where])
            missing = Counter(expected[where]) - rest - meant
            excess = rest - Counter(expected[where])
            equal((missing, excess), (Counter(), Counter()), where)
            equal(sorted(replay(seen[where])), sorted(env.server.shell(
                f"ls -A .{where}").split()), where)


def told(job, line, answer, timeout=60):
    """Send a line to a locker and take its next answer."""
    seen = job.stdout.count("\n")
    job.send(f"{line}\n".encode())
    job.wait_output(rf"\A(.*\n){{{seen}}}.*\n", timeout)
    equal(job.stdout.splitlines()[seen], answer, line)


@suite.case("locks are kept between the two clients")
def locks(env):
    env.run(f"echo data >{env.A}/lockfile; cat {env.B}/lockfile")
    a = env.work("locker.py", f"{env.A}/lockfile", stdin=None)
    b = env.work("locker.py", f"{env.B}/lockfile", stdin=None)
    a.wait_output("^ready$")
    b.wait_output("^ready$")
    told(a, "try 0 100", "ok")
    told(b, "try 50 10", "busy")
    told(b, "test 50 10", "write")
    told(b, "test 100 10", "free")
    told(b, "try 100 10", "ok")
    told(a, "test 100 10", "write")
    # Half of a range: the rest stays locked.
    told(a, "unlock 0 40", "ok")
    told(b, "try 0 40", "ok")
    told(b, "try 40 1", "busy")
    told(b, "unlock 0 40", "ok")
    # Readers share, a writer among them waits.
    told(a, "shared 200 10", "ok")
    told(b, "shared 200 10", "ok")
    told(b, "try 200 10", "busy")
    told(a, "test 200 10", "read")
    # Waiting for a lock is rewarded.
    b.send(b"lock 40 60\n")
    env.run("sleep 1")
    told(a, "unlock 40 60", "ok")
    b.wait_output(r"(\A|\n)busy\nread\nok\nok\Z|ok\n\Z", 60)
    # A process that ends leaves none behind.
    told(b, "unlock 0 0", "ok")
    told(a, "try 0 0", "ok")
    a.close_stdin()
    a.wait()
    told(b, "try 0 0", "ok")
    b.close_stdin()
    b.wait()


@suite.case("a counter under a contended lock counts right")
def contended(env):
    env.run(f"echo 0 >{env.A}/counter")
    jobs = [env.work("counter.py", f"{mount}/counter", 5)
            for mount in (env.A, env.B) * 2]
    for job in jobs:
        job.wait(120)
    equal(env.server.shell("cat counter").split()[0], "20")


@suite.case("a delegated directory is listed with no RPC at all")
def delegated(env):
    env.run(f"mkdir {env.A}/deleg && touch {env.A}/deleg/f{{0..9}}")
    # The way there is looked at as well: two directories.
    env.acquire(env.A, ".", "deleg")
    look = f"for i in 1 2 3; do ls {env.A}/deleg; sleep 1.2; done"
    env.run(look)
    before = env.guest.mountstats(env.A)
    env.run(look)
    sent = env.guest.mountstats(env.A) - before
    for op in ("GETATTR", "LOOKUP", "READDIR", "ACCESS"):
        equal(sent[op], 0, f"{op} sent ({sent})")


@suite.case("another client's create takes the delegation away")
def recalled(env):
    env.acquire(env.A, "deleg")
    env.run(f"ls {env.A}/deleg; touch {env.B}/deleg/new")
    assert not env.holds(env.A, "deleg")
    env.guest.wait_for(f"ls {env.A}/deleg | grep -qx new", 10)
    equal(len(env.run(f"ls {env.A}/deleg").split()), 11)


@suite.case("ls -lR sees what find sees")
def list_all(env):
    lines = env.run(f"ls -lR {env.B}/src", 300)
    files = [s for s in lines.splitlines() if re.match(r"[-l]", s)]
    equal(len(files), int(env.server.shell(
        "find src -not -path '*/.*' -not -type d | wc -l")))


@suite.case("rm -rf leaves nothing")
def remove_all(env):
    env.run(f"rm -rf {env.A}/src & rm -rf {env.B}/w; wait", 600)
    equal(env.server.shell("ls -A | grep -x -e src -e w || true"), "")
    env.quiet()
    equal(env.run(f"cd {env.B}; ls -d src w .nfs* 2>/dev/null || true"), "")


add_last_cases(suite)

if __name__ == "__main__":
    suite.main(Env)
