#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measure what Herald promises of its notifications: the work of `make bench`.

    bench.py [--quick] [--runs N] [NAME]...

    latency   one holder, no window: p99 of change to event
    holders   1,000 holders of one directory, 100 changes a second
    burst     10,000 files created at once in a held directory
    memory    1,000,000 delegations held by 10 clients
    create    instructions of CREATE where nobody holds anything
    list      a directory of 1,000,000 entries, listed by 8 clients while
              files are created in it
    marks     the kernel's memory for 100,000 watched directories, on the
              file system of /var/tmp
    local     files made and changed on the server's disk: time until herald
              watch says so

Each one runs against a fresh release build of heraldd on loopback, which
exports a new directory in memory (/dev/shm, or $HERALD_TEST_DIR): what is
measured is Herald, not a disk.  --quick takes a hundredth of the size, to see
that all of it still works; its figures mean nothing.  --runs repeats a timed
benchmark and takes the median run.  What was run and what came out goes to
build-bench/bench.json, too.  Run it as root, on a machine that does nothing
else.
"""
import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build-bench"
HERALDD = os.environ.get("HERALDD", BUILD / "heraldd")
HERALD = BUILD / "herald"

CONFIG = """\
exports:
  - path: {dir}/export
    pseudo: /
nfs:
  directory_delegations:
    batch_window: {window_ms}ms
    max: 2000000
"""


class Server:
    """A fresh heraldd for one measurement."""

    def __init__(self, window_ms=50, fill=None):
        place = os.environ.get("HERALD_TEST_DIR", "/dev/shm")
        self.dir = Path(tempfile.mkdtemp(prefix="herald-bench-", dir=place))
        (self.dir / "state").mkdir()
        (self.dir / "export").mkdir()
        (self.dir / "export").chmod(0o1777)
        if fill:
            fill(self.dir / "export")
        self.port = free_port()
        self.window_ms = window_ms
        self.process = None

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc):
        self.close()

    @property
    def url(self) -> str:
        return f"nfs://127.0.0.1:{self.port}/"

    def _start(self) -> None:
        config = self.dir / "heraldd.yaml"
        config.write_text(CONFIG.format(
            dir=self.dir, window_ms=self.window_ms))
        argv = [HERALDD, "--config", config, "--state-dir", self.dir / "state",
                "--listen", f"127.0.0.1:{self.port}"]
        with open(self.dir / "log", "wb") as log:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + 30
        while not re.search(" serving ", self.log()):
            if self.process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"heraldd did not start\n{self.log()}")
            time.sleep(0.05)

    def log(self) -> str:
        return (self.dir / "log").read_text(errors="replace")

    def close(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(120)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(argv) -> str:
    r = subprocess.run([str(a) for a in argv], text=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    if r.returncode and not r.stdout:
        raise SystemExit(f"{argv[0]} failed with {r.returncode}")
    return r.stdout


class Bench:
    """What was measured, row by row."""

    def __init__(self, quick, runs):
        self.quick, self.runs = quick, runs
        self.rows, self.record = [], []

    def scale(self, n) -> int:
        return max(1, n // 100) if self.quick else n

    def notify(self, server, *words) -> dict:
        """One run of herald bench notify."""
        argv = [HERALD, "bench", "notify", "--json",
                "--server-pid", server.process.pid, *words, server.url]
        found = json.loads(run(argv))
        self.note([f"batch_window: {server.window_ms}ms"] + argv, found)
        return found

    def note(self, argv, found) -> None:
        self.record.append({"command": " ".join(str(a) for a in argv),
                            "found": found})

    def median(self, measure, key) -> dict:
        """The run in the middle, by @key."""
        runs = sorted((measure() for _ in range(self.runs)), key=key)
        return runs[len(runs) // 2]

    def row(self, name, what, measured, target, good) -> None:
        self.rows.append((name, what, measured, target,
                          "yes" if good else "NO"))
        print(f"  {name}: {what}: {measured} (target {target}) "
              f"{'' if good else 'MISSED'}", flush=True)

    def sound(self, name, found) -> None:
        """No figure counts when something was lost."""
        bad = found["events_lost"] + found["models_wrong"] + found["recalls"]
        said = (f"{found['recalls']} recalls, {found['events_lost']} lost, "
                f"{found['models_wrong']} of {found['models']} models wrong")
        self.row(name, "told", said, "none", bad == 0)

    def table(self) -> str:
        head = ("benchmark", "what", "measured", "target", "met")
        rows = [head, *self.rows]
        widths = [max(len(r[i]) for r in rows) for i in range(len(head))]
        lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(r, widths)) +
                 " |" for r in rows]
        lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
        return "\n".join(lines)


# -- the benchmarks -----------------------------------------------------------

def latency(b) -> None:
    def once():
        with Server(window_ms=0) as server:
            return b.notify(server, "--rate", 100,
                            "--seconds", b.scale(3000) / 100)

    found = b.median(once, lambda f: f["due_to_event_ms"]["p99"])
    ms = found["due_to_event_ms"]
    b.row("latency", "one holder, window 0: change to event",
          f"p50 {ms['p50']:.2f} ms, p99 {ms['p99']:.2f} ms, "
          f"max {ms['max']:.2f} ms", "p99 < 5 ms", ms["p99"] < 5)
    b.sound("latency", found)


def holders(b) -> None:
    def once():
        with Server(window_ms=100) as server:
            return b.notify(server, "--holders", b.scale(1000), "--rate", 100,
                            "--seconds", b.scale(3000) / 100)

    found = b.median(once, lambda f: f["due_to_event_ms"]["p99"])
    ms = found["due_to_event_ms"]
    b.row("holders", f"{found['holders']} of one directory, window 100 ms, "
          "100 changes/s", f"{found['rate']:.1f} changes/s, "
          f"{found['events_per_second']:.0f} events/s in "
          f"{found['callbacks_per_second']:.0f} callbacks/s, "
          f"p99 {ms['p99']:.0f} ms, server "
          f"{found['server']['cpu_percent']:.0f} % of a processor",
          ">= 99 changes/s", found["rate_kept"])
    b.sound("holders", found)


def burst(b) -> None:
    def once():
        with Server() as server:
            return b.notify(server, "--burst", b.scale(10000))

    found = b.median(once, lambda f: f["seconds"])
    b.row("burst", f"{found['changes']} files created at once",
          f"{found['seconds']:.2f} s, {found['rate']:.0f} changes/s, all "
          f"told {found['reply_to_event_ms']['max']:.0f} ms after their reply",
          "all told", found["events"] == found["changes"])
    b.sound("burst", found)


def memory(b) -> None:
    """Fresh servers do the same, but for the delegations."""
    words = ["--directories", b.scale(100000), "--clients", 10, "--rate", 0,
             "--seconds", 1]
    with Server() as server:
        without = b.notify(server, *words, "--holders", 0)
    for what, more in (("entries", []),
                       ("entries and attributes", ["--attributes"])):
        with Server() as server:
            held = b.notify(server, *words, "--holders", 10, *more)
        weigh(b, what, without, held)


def weigh(b, what, without, held) -> None:
    n = held["delegations"]
    with_, less = (f["server"]["rss_bytes"] for f in (held, without))
    b.row("memory", f"{n} delegations told of {what}, "
          f"{held['directories']} directories",
          f"{(with_ - less) / max(n, 1):.0f} bytes each (RSS "
          f"{less / 2**20:.0f} MiB without, {with_ / 2**20:.0f} MiB with), "
          f"{held['refused']} refused", "<= 500 bytes, none refused",
          n > 0 and with_ - less <= 500 * n and not held["refused"])


def instructions(b, mode) -> float:
    """Of one CREATE, on the memory store."""
    n = b.scale(20000)
    argv = ["valgrind", "--tool=callgrind", "--toggle-collect=op_create",
            "--callgrind-out-file=/dev/null", BUILD / "tests/perf/create_cost",
            mode, n]
    r = subprocess.run([str(a) for a in argv], text=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT)
    found = re.search(r"Collected : (\d+)", r.stdout)
    if r.returncode or not found:
        raise SystemExit(f"create_cost {mode} failed:\n{r.stdout}")
    each = int(found[1]) / n
    b.note(argv, each)
    return each


def create(b) -> None:
    off = instructions(b, "off")
    for mode, what in (("idle", "nobody holds anything"),
                       ("elsewhere", "another directory is held")):
        on = instructions(b, mode)
        more = 100 * (on - off) / off
        b.row("create", f"instructions of CREATE, {what}",
              f"{on:.0f}, with delegations off {off:.0f}: {more:+.1f} %",
              "within 5 %", more <= 5)


def list_huge(b) -> None:
    n = b.scale(1000000)

    def fill(export):
        (export / "huge").mkdir()
        (export / "huge").chmod(0o777)
        fd = os.open(export / "huge", os.O_RDONLY)
        for i in range(n):
            os.mknod(f"s{i}", 0o100644, dir_fd=fd)
        os.close(fd)

    def once():
        with Server(fill=fill) as server:
            argv = [BUILD / "tests/perf/list_huge", "127.0.0.1", server.port,
                    "huge", n, 8, 100]
            found = json.loads(run(argv))
            b.note(argv, found)
            return found

    found = b.median(once, lambda f: f["create_ms"]["max"])
    ms = found["create_ms"]
    b.row("list", f"{n} entries, 8 listings: CREATE takes",
          f"p50 {ms['p50']:.1f} ms, p99 {ms['p99']:.1f} ms, "
          f"max {ms['max']:.1f} ms ({found['created']} of them)",
          "max < 100 ms", ms["max"] < 100 and not found["create_failed"])
    wrong = found["missing"] + found["twice"] + found["others"]
    b.row("list", "names missing or twice in a listing",
          f"{wrong}, the slowest took {found['slowest_listing_s']:.1f} s",
          "none", wrong == 0 and not found["listing_error"])


def marks(b) -> None:
    argv = [BUILD / "tests/perf/mark_memory", "/var/tmp", b.scale(100000)]
    said = run(argv)
    b.note(argv, said)
    b.row("marks", "kernel's memory for a watched directory",
          re.search(r"(\d+ bytes).* each", said)[1], "none", True)


class Watch:
    """herald watch, and when it said what."""

    def __init__(self, server):
        self.process = subprocess.Popen(
            [HERALD, "watch", "--verbose", server.url], text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        while "watching" not in (line := self.process.stderr.readline()):
            if not line:
                raise SystemExit("herald watch did not start")
        self.said, self.news = {}, threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            with self.news:
                self.said[line.split(" ", 1)[1].strip()] = time.monotonic()
                self.news.notify()

    def when(self, what) -> float:
        with self.news:
            if not self.news.wait_for(lambda: what in self.said, 30):
                raise SystemExit(f"herald watch did not say {what}")
            return self.said[what]

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


LOCAL_CHANGES = {"CREATE": Path.touch, "ATTRIB": lambda p: p.chmod(0o600),
                 "DELETE": Path.unlink}


def local_delays(b) -> dict:
    """By event, in ms: from before each change to the line that tells it."""
    took = {event: [] for event in LOCAL_CHANGES}
    with Server() as server:
        watch = Watch(server)
        for i in range(b.scale(300)):
            path = server.dir / "export" / f"f{i}"
            for event, change in LOCAL_CHANGES.items():
                before = time.monotonic()
                change(path)
                then = watch.when(f"{event} {path.name}")
                took[event].append((then - before) * 1e3)
        watch.close()
    return took


def local(b) -> None:
    for event, ms in local_delays(b).items():
        ms.sort()
        p50, p99 = (ms[len(ms) * n // 100] for n in (50, 99))
        b.note(["herald watch", event],
               {"ms": {"p50": p50, "p99": p99, "max": ms[-1]}})
        b.row("local", f"{event} on the server's disk, {len(ms)} times, "
              "window 50 ms: change to event", f"p50 {p50:.0f} ms, "
              f"p99 {p99:.0f} ms, max {ms[-1]:.0f} ms", "max < 1 s",
              ms[-1] < 1000)


BENCHMARKS = {"latency": latency, "holders": holders, "burst": burst,
              "memory": memory, "create": create, "list": list_huge,
              "marks": marks, "local": local}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("names", nargs="*", metavar="NAME")
    args = parser.parse_args()
    if unknown := set(args.names) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {' '.join(sorted(unknown))}")
    b = Bench(args.quick, 1 if args.quick else args.runs)
    for name in args.names or BENCHMARKS:
        print(f"{name}...", flush=True)
        BENCHMARKS[name](b)
    (BUILD / "bench.json").write_text(json.dumps(b.record, indent=1) + "\n")
    print()
    print(b.table())
    return 0 if b.quick or all(r[-1] == "yes" for r in b.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
