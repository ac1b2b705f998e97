#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Operators see it: the metrics, and the verbs that ask a running server.

Real programs on this machine, no guest: `herald watch` holds delegations, and
`herald bench notify` makes changes over NFS as another client.
"""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request

import promtool
from server import Herald, build_dir
from tap import Suite, equal
from watch import Watch

suite = Suite("operators")


class Env:
    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.server = stack.enter_context(Herald(lease_s=90))
            for name in ("quiet", "busy"):
                (self.server.export / name).mkdir()
                (self.server.export / name).chmod(0o777)
            self.watch = stack.enter_context(
                Watch(self.server.port, recursive=True))
            self.watch.wait_ready()
            self.watch.wait_held(self.server, "quiet", "busy", ".")
            self.stack = stack.pop_all()
        self.socket = self.server.dir / "state/control.sock"
        return self

    def __exit__(self, *exc):
        self.stack.close()

    def evidence(self) -> str:
        return self.server.evidence() + "\n" + self.watch.said()

    def herald(self, *args, status=0, socket=None) -> str:
        r = subprocess.run(
            [build_dir() / "herald", *args, "--socket", socket or self.socket],
            text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=60)
        equal(r.returncode, status, f"herald {args}: {r.stdout}{r.stderr}")
        return r.stdout if status == 0 else r.stderr

    def objects(self, *args) -> list[dict]:
        return [json.loads(line) for line in
                self.herald(*args, "--json").splitlines()]

    def url(self, path="/metrics") -> str:
        at = re.findall(r" serving metrics address=(\S+)",
                        self.server.log())[-1]
        return f"http://{at}{path}"


def total(metrics, name, **labels) -> float:
    """The sum of a metric's samples that have these labels."""
    return sum(value for sample, value in metrics.items()
               if sample.split("{")[0] == name
               and all(f'{k}="{v}"' in sample for k, v in labels.items()))


def active_at(env, path) -> dict | None:
    """The delegation there that is not being recalled."""
    return next((d for d in env.objects("delegations")
                 if d.get("path") == path and d["state"] == "active"), None)


def wait_until(condition, what, timeout=60) -> None:
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"it never came to {what}")
        time.sleep(0.2)


@suite.case("dd18 promtool finds nothing wrong with the metrics")
def promtool_agrees(env):
    with urllib.request.urlopen(env.url(), timeout=30) as answer:
        page = answer.read().decode()
    equal(promtool.complaints(page), "", "promtool check metrics")


@suite.case("SIGHUP ends nothing")
def hung_up(env):
    env.server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "ignored signal=Hangup" in env.server.log(),
               "a word about SIGHUP")
    env.herald("status")


@suite.case("nothing but the metrics is served")
def only_metrics(env):
    for request, status in (
            (urllib.request.Request(env.url("/")), 404),
            (urllib.request.Request(env.url(), data=b"x"), 405)):
        try:
            urllib.request.urlopen(request, timeout=30)
        except urllib.error.HTTPError as e:
            equal(e.code, status)
        else:
            raise AssertionError(f"{request.full_url}: no error")


@suite.case("dd18 a grant is counted, and listed with its path")
def granted(env):
    metrics = env.server.metrics()
    held = env.objects("delegations", "--type", "directory")
    equal({d["path"] for d in held}, {"/", "/quiet", "/busy"}, "paths")
    for d in held:
        equal((d["type"], d["state"]), ("directory", "active"))
        assert {"add_entry", "remove_entry", "rename_entry"} <= set(d["kinds"])
        assert d["address"].startswith("127.0.0.1:")
    equal(total(metrics, "herald_delegations_outstanding", type="directory"),
          3)
    assert total(metrics, "herald_delegations_granted_total",
                 type="directory") >= 3
    equal(total(metrics, "herald_delegations_granted_total", type="file"), 0)
    assert "/quiet" in env.herald("delegations")


@suite.case("dd18 notifications are counted by kind")
def notified(env):
    before = env.server.metrics()
    subprocess.run(
        [build_dir() / "herald", "bench", "notify", "--holders", "0",
         "--burst", "20", f"nfs://127.0.0.1:{env.server.port}/busy"],
        check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        timeout=120)
    for name in ("herald_notification_events_total",
                 "herald_notification_entries_total"):
        for kind in ("add_entry", "remove_entry"):
            wait_until(lambda: total(env.server.metrics(), name, kind=kind)
                       > total(before, name, kind=kind), f"{name} {kind}")
    after = env.server.metrics()
    assert total(after, "herald_callbacks_total", operation="CB_NOTIFY",
                 answer="ok") > 0
    assert total(after, "herald_notification_batch_events_count") > 0
    assert total(after, "herald_notification_answer_delay_seconds_count") > 0


@suite.case("dd16 recalls by an administrator have that reason")
def recalled(env):
    before = env.server.recalls()["admin"]
    equal(env.objects("recall", "--dir", "/quiet"), [{"recalled": 1}])
    wait_until(lambda: env.server.recalls()["admin"] == before + 1,
               "one more recall")
    # It is returned at once, and granted again.
    wait_until(lambda: active_at(env, "/quiet"), "another grant")
    one = active_at(env, "/quiet")
    equal(env.herald("recall", one["delegation"]), "1 delegation recalled\n")
    wait_until(lambda: env.server.recalls()["admin"] == before + 2,
               "another recall")
    wait_until(lambda: total(
        env.server.metrics(),
        "herald_delegation_recall_duration_seconds_count",
        type="directory") >= 2, "two ended recalls")


@suite.case("clients, by number, owner and address")
def clients(env):
    me = next(c for c in env.objects("clients")
              if f" {env.watch.process.pid} " in c["owner"])
    for who in (me["client"], me["owner"], me["address"], "127.0.0.1"):
        found = env.objects("clients", "--client", who)
        assert me["client"] in [c["client"] for c in found], who
    equal(me["backchannel"], "up")
    equal({d["client"] for d in
           env.objects("delegations", "--client", me["owner"])},
          {me["client"]})


@suite.case("status, as text and JSON")
def status(env):
    (one,) = env.objects("status")
    equal(one["pid"], env.server.process.pid)
    equal([e["path"] for e in one["exports"]], ["/"])
    assert one["address"].endswith(f":{env.server.port}")
    assert one["delegations"]["directory"]["recalled"]["admin"] >= 2
    assert f"pid {env.server.process.pid}" in env.herald("status")


@suite.case("errors have an exit status and a reason")
def errors(env):
    nowhere = env.server.dir / "nowhere.sock"
    said = env.herald("status", status=1, socket=nowhere)
    assert "no heraldd is running there" in said, said
    for args in (("recall", "--dir", "/nix"), ("recall", "0" * 24),
                 ("clients", "--client", "nix")):
        env.herald(*args, status=1)
    for args in (("recall",), ("recall", "--dir", "/", "--client", "x"),
                 ("status", "x"), ("clients", "--nix"),
                 ("delegations", "--type", "nix")):
        env.herald(*args, status=2)


@suite.case("only its owner may open the control socket")
def private(env):
    equal(oct(env.socket.stat().st_mode & 0o777), "0o600")


@suite.case("herald watch goes where a secondary group may")
def secondary_group(env):
    team = env.server.export / "team"
    team.mkdir()
    os.chown(team, 0, 5001)
    team.chmod(0o750)
    env.server.dir.chmod(0o711)     # nobody else may go where it was built
    program = shutil.copy(build_dir() / "herald", env.server.dir)
    who = {"program": program, "user": 1000, "group": 1000}
    with Watch(env.server.port, "/team", **who, extra_groups=[5001]) as watch:
        watch.wait_ready()
    with Watch(env.server.port, "/team", **who, extra_groups=[]) as watch:
        equal(watch.process.wait(60), 1, "a stranger's exit status")


@suite.case("the server's log is clean, it stops well, the socket goes")
def clean_exit(env):
    env.watch.stop()
    env.server.stop()
    equal(env.server.problems(), [], "warnings and errors")
    assert not env.socket.exists()


if __name__ == "__main__":
    suite.main(Env)
