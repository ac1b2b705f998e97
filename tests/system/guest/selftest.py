#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Does the harness itself work?  Boots, mounts knfsd, gets a delegation.

    selftest.py [kvm|tcg]...        without arguments: every way that works
"""
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from guest import CommandFailed, Guest, GuestError, Knfsd  # noqa: E402
from guest.guest import kvm_usable  # noqa: E402


def check_commands(g: Guest) -> None:
    r = g.run("echo out; echo err >&2; exit 3", check=False)
    assert (r.rc, r.stdout, r.stderr) == (3, "out\n", "err\n"), r
    assert g.run("id -u; id -g", user=1000).stdout == "1000\n1000\n"
    try:
        g.run("false")
        raise AssertionError("check=True let a failure pass")
    except CommandFailed:
        pass
    try:
        g.run("sleep 100", timeout=0.3)
        raise AssertionError("the timeout did not come")
    except GuestError:
        pass
    # Eight at once, each with its own input, take as long as one.
    blob = os.urandom(1 << 20)
    jobs = [g.start("cat; sleep 1", stdin=blob) for _ in range(8)]
    assert all(j.wait().out == blob for j in jobs)
    # A daemon that keeps the pipes does not keep the command.
    assert g.run("sleep 1000 & echo left", 10).stdout == "left\n"
    g.put("/tmp/blob", blob)
    assert g.get("/tmp/blob") == blob
    talk = g.start("read x; echo got $x; sleep 100", stdin=None)
    talk.send(b"word\n")
    talk.wait_output("^got word$")
    talk.kill(signal.SIGTERM)
    assert talk.wait(check=False).rc == -signal.SIGTERM


def check_network(g: Guest) -> None:
    """The guest's 10.0.2.2 is our 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as s:
        job = g.start(f"cat </dev/tcp/10.0.2.2/{s.getsockname()[1]}")
        conn, _ = s.accept()
        conn.sendall(b"hello")
        conn.close()
        assert job.wait().stdout == "hello"


def check_knfsd(g: Guest) -> None:
    k = Knfsd(g)
    g.mount("127.0.0.1:/", "/mnt")
    g.run("mkdir /mnt/d; touch /mnt/d/x; ls /mnt/d")
    g.wait_for("stat /mnt/d >/dev/null; "
               "grep -q 'type: deleg.*\"export/d\"' /proc/fs/nfsd/clients/*/states")
    assert k.delegations()["/d"] == {"r"}, k.states()
    # Held (the root as well, after one more look): stat is answered from the
    # cache, actimeo=1 or not.
    g.run("for i in 1 2; do sleep 1.1; stat /mnt /mnt/d; done")
    before = g.mountstats("/mnt")
    g.run("for i in 1 2 3; do sleep 1.1; stat /mnt/d; done")
    sent = g.mountstats("/mnt") - before
    assert not sent["GETATTR"] + sent["LOOKUP"] + sent["ACCESS"], sent
    # A change on the server itself recalls it.
    g.run(["touch", k.path + "/d/y"])
    assert g.run("ls /mnt/d").stdout == "x\ny\n"
    g.umount("/mnt")

    g.mount_two("127.0.0.1:/")
    names = k.clients()
    assert "NFSv4.1" in names and "NFSv4.2" in names, names
    g.run("touch /mnt/a/from-a; ls /mnt/b | grep from-a")

    k.restart()
    g.run("touch /mnt/b/after-restart; ls /mnt/a/after-restart", 60)
    g.umount("/mnt/a")
    g.umount("/mnt/b")
    socket.create_connection(("127.0.0.1", k.port), 5).close()
    k.stop()


def check_two_guests(accel) -> None:
    """knfsd in one guest, its client in another, by way of this machine."""
    with Guest("server", accel=accel, hostfwd=(2049,)) as server, \
            Guest("alice", accel=accel) as alice:
        k = Knfsd(server)
        alice.mount("/", opts="timeo=20,retrans=1", port=k.port)
        alice.run("echo hello >/mnt/file; sync")
        assert server.get(k.path + "/file") == b"hello\n"
        assert "alice" in k.clients(), k.clients()
        alice.pause()
        alice.resume()
        # A server that dies under its client: the client's log says so.
        server.kill()
        job = alice.start("ls -l /mnt")
        alice.wait_for("dmesg | grep -q 'not responding'", 120)
        assert any("not responding" in c for c in alice.complaints())
        assert job.running
        alice.kill()


def check_power_cut(accel) -> None:
    with Guest("cut", accel=accel, disk=64) as g:
        k = Knfsd(g)
        g.run(f"echo kept >{k.path}/file; sync; echo lost >{k.path}/late")
        g.kill()
        assert not g.alive
        g.boot()
        k = Knfsd(g)
        assert g.run(["cat", k.path + "/file"]).stdout == "kept\n"
        g.shutdown()
        assert not g.alive


def check_death(accel) -> None:
    """QEMU dies with the process that started it, even by SIGKILL."""
    code = ("import sys; sys.path.insert(0, sys.argv[1]); import time\n"
            "from guest import Guest; g = Guest(accel=sys.argv[2])\n"
            "print(g.pid, flush=True); time.sleep(1000)")
    child = subprocess.Popen(
        [sys.executable, "-c", code, sys.path[0], accel],
        stdout=subprocess.PIPE, text=True)
    pid = int(child.stdout.readline())
    child.kill()
    child.wait()
    for _ in range(50):
        if not os.path.exists(f"/proc/{pid}"):
            return
        time.sleep(0.1)
    raise AssertionError(f"QEMU {pid} outlived its owner")


def selftest(accel) -> None:
    with Guest("self", accel=accel, hostfwd=(2049,)) as g:
        print(f"{accel}: Linux {g.kernel} booted in {g.boot_seconds:.2f} s",
              flush=True)
        assert int(g.kernel.split(".")[0]) >= 7, g.kernel
        g.run("modprobe nfsv4")
        on = g.get("/sys/module/nfsv4/parameters/directory_delegations")
        assert on == b"Y\n", on
        for check in (check_commands, check_network, check_knfsd):
            began = time.monotonic()
            check(g)
            print(f"{accel}: {check.__name__} ok in "
                  f"{time.monotonic() - began:.1f} s", flush=True)
        assert not g.complaints(), g.complaints()
    for check in (check_two_guests, check_power_cut, check_death):
        began = time.monotonic()
        check(accel)
        print(f"{accel}: {check.__name__} ok in "
              f"{time.monotonic() - began:.1f} s", flush=True)


def main() -> None:
    ways = sys.argv[1:]
    if not ways:
        ways = ["kvm", "tcg"] if kvm_usable() else ["tcg"]
    for accel in ways:
        selftest(accel)
    if "kvm" not in ways and not kvm_usable():
        print("kvm: not usable here, not tried")
    assert threading.active_count() == 1, threading.enumerate()


if __name__ == "__main__":
    main()
