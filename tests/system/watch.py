# SPDX-License-Identifier: MIT
"""herald watch, run on this machine, and what it should have said."""
import json
import signal
import subprocess
import threading
import time
from collections import defaultdict

from server import build_dir
from tap import diag


class Watch:
    """A running `herald watch --json`, of names or all `kinds` of events.

    `who` runs it: user, group and extra_groups, as subprocess takes them.

    events      [("CREATE", dir, name), ("DELETE", dir, name),
                 ("MOVE", dir, old, new), ("MODIFY", dir, name),
                 ("ATTRIB", dir, name), ("RESCAN", dir)] so far
    notes       what it said on standard error
    """

    def __init__(self, port, path="/", *, recursive=False,
                 kinds="create,delete,move,rescan", program=None, **who):
        self.events, self.notes = [], []
        self._cond = threading.Condition()
        self.process = subprocess.Popen(
            [program or build_dir() / "herald", "watch", "--json", "-e", kinds,
             *(["-r"] if recursive else []), f"nfs://127.0.0.1:{port}{path}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, errors="replace", **who)
        for stream, take in ((self.process.stdout, self._event),
                             (self.process.stderr, self._note)):
            threading.Thread(target=self._read, args=(stream, take),
                             daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, failed, *exc):
        if failed:
            diag(self.said())
        if self.process.poll() is None:
            # Politely, or its delegations are in others' way for a lease.
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()

    def _read(self, stream, take) -> None:
        for line in stream:
            with self._cond:
                take(line)
                self._cond.notify_all()

    def _event(self, line) -> None:
        e = json.loads(line)
        self.events.append(tuple(
            e[k] for k in ("event", "dir", "name", "to") if k in e))

    def _note(self, line) -> None:
        self.notes.append(line.rstrip())

    def wait(self, what, condition, timeout=60) -> None:
        """Until condition(self) holds; `what` is for the message."""
        with self._cond:
            good = self._cond.wait_for(
                lambda: condition(self) or self.process.poll() is not None,
                timeout) and condition(self)
        if not good:
            raise AssertionError(f"herald watch: no {what}\n{self.said()}")

    def wait_ready(self, timeout=60) -> None:
        self.wait("watching", lambda w: any(n.startswith("watching ")
                                            for n in w.notes), timeout)

    def wait_held(self, server, *wheres, timeout=60) -> None:
        """Until it has these directories delegated.

        It is ready before, when the server refused at first."""
        end = time.monotonic() + timeout
        me = f" {self.process.pid} "
        for where in wheres:
            while not any(me in owner for owner in server.holders(where)):
                if time.monotonic() > end:
                    raise AssertionError(f"herald watch does not hold {where}"
                                         f"\n{self.said()}")
                time.sleep(0.1)

    def wait_event(self, *event, timeout=60) -> None:
        self.wait(f"{event}", lambda w: event in w.events, timeout)

    def wait_note(self, text, timeout=60) -> None:
        self.wait(f"note {text!r}", lambda w: any(text in n for n in w.notes),
                  timeout)

    def settle(self, seconds=2.0, expected=0, timeout=60) -> None:
        """Until nothing more has come for a while, and all that was expected
        has, unless that takes too long."""
        with self._cond:
            self._cond.wait_for(lambda: len(self.events) >= expected, timeout)
        seen = -1
        while seen != len(self.events):
            seen = len(self.events)
            time.sleep(seconds)

    def by_dir(self) -> dict[str, list]:
        result = defaultdict(list)
        for event, where, *names in self.events:
            result[where].append((event, *names))
        return result

    def rescans(self) -> int:
        return sum(e[0] == "RESCAN" for e in self.events)

    def stop(self) -> None:
        """As Ctrl-C: it gives its delegations back and ends with 0."""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(20)
        if status:
            raise AssertionError(f"herald watch ended with {status}\n"
                                 f"{self.said()}")

    def said(self) -> str:
        state = self.process.poll()
        return "\n".join([*self.notes[-20:], *map(str, self.events[-10:]),
                          f"({len(self.events)} events, "
                          f"{'running' if state is None else state})"])


def expected_events(changes, root="") -> dict[str, list]:
    """What `herald watch` should print for the changes a program of work/
    recorded, per directory: between directories there is no order."""
    result = defaultdict(list)
    for what, where, *names in changes:
        here = result[f"{root}/{where}/"]
        if what == "move" and len(names) == 3:
            here.append(("DELETE", names[0]))
            result[f"{root}/{names[1]}/"].append(("CREATE", names[2]))
        else:
            here.append((what.upper(), *names))
    return result


def replay(events) -> set[str]:
    """The names a directory has after these events, from none.

    An event that cannot be, or comes twice, is an AssertionError."""
    names = set()
    for event, name, *new in events:
        if event == "CREATE":
            names.add(name)
            continue
        assert name in names, f"{event} of {name}, which is not there"
        names.remove(name)
        if event == "MOVE":
            names.add(new[0])
    return names
