#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prometheus' own opinion of a page of metrics.

promtool is a package of Debian trixie, which is unpacked into the cache of the
system tests and never installed: no service is started, and the host's own
packages are not touched.
"""
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from guest.fetch import Apt, cache_root, install_host_packages, say


def fetch(target: Path) -> None:
    """Download the package and keep the one program."""
    apt = Apt(cache_root() / "apt")
    say("fetching promtool")
    apt("update")
    with tempfile.TemporaryDirectory(prefix="promtool-",
                                     dir=cache_root()) as work:
        apt("download", "promtool", cwd=work)
        deb = next(Path(work).glob("promtool_*.deb"))
        subprocess.run(["dpkg-deb", "--extract", deb, f"{work}/root"],
                       check=True)
        shutil.copy(f"{work}/root/usr/bin/promtool", f"{work}/promtool")
        os.rename(f"{work}/promtool", target)


def ensure() -> Path:
    """Where promtool is; fetched when it is not there yet."""
    target = cache_root() / "promtool"
    if not target.exists():
        install_host_packages()     # the archive's keys are among them
        cache_root().mkdir(parents=True, exist_ok=True)
        with open(cache_root() / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.exists():
                fetch(target)
    return target


def complaints(page: str) -> str:
    """What promtool finds wrong with it; "" when nothing is."""
    r = subprocess.run([ensure(), "check", "metrics"], input=page, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = r.stdout.strip()
    return said if r.returncode == 0 or said else f"status {r.returncode}"


if __name__ == "__main__":
    sys.exit(complaints(sys.stdin.read()) or 0)
