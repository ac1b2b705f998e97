#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run the NFSv4.1 tests of pynfs against a fresh server: make check-pynfs.

    pynfs.py PYNFS_DIR [TEST]...    default: the group "all"

PYNFS_DIR is a checkout of github.com/kofemann/pynfs.  It is copied and the
copy is built, so the checkout stays as it is.  Tests that are known to fail
stand in pynfs-expected.txt with the reason; any other failure is ours.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from server import make_server

# EID4 sends a flag that NFSv4.1 does not know; RFC 7862 (14.1) has clients
# of NFSv4.2 set it.  So it is asked in NFSv4.1.
OF_41 = ("EID4",)
EXPECTED = Path(__file__).with_name("pynfs-expected.txt")
# Several tests wait for more than a lease.
LEASE_S = 10
# The Python that Debian's packages (ply) belong to, whatever PATH says.
PYTHON = next(filter(os.path.exists, ["/usr/bin/python3", sys.executable]))


def expected_failures() -> dict[str, str]:
    """Code of the test -> why it fails."""
    lines = EXPECTED.read_text().splitlines()
    return dict(line.split(None, 1) for line in lines
                if line.strip() and not line.startswith("#"))


def build(source: Path, target: Path) -> Path:
    """A built copy: pynfs makes its codec from XDR files where it stands."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(".git"))
    for part in ("xdr", "rpc", "nfs4.1"):
        r = subprocess.run([PYTHON, "setup.py", "-q", "build"],
                           cwd=target / part, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if r.returncode:
            sys.exit(f"check-pynfs: cannot build {part}\n{r.stdout}")
    return target / "nfs4.1"


def run(pynfs: Path, port: int, tests, minor=2) -> dict:
    """Its own report, as JSON."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as report:
        subprocess.run(
            [PYTHON, "testserver.py", f"127.0.0.1:{port}/pynfs",
             "--maketree", "--showomit", "--minorversion", str(minor),
             "--json", report.name, *tests],
            cwd=pynfs, stdin=subprocess.DEVNULL)
        text = report.read()
    if not text:
        sys.exit("check-pynfs: it did not get to the end (above)")
    return json.loads(text)


def again_in_41(report, pynfs: Path, port: int) -> None:
    """Put results of NFSv4.1 in the place of those that mean nothing."""
    codes = [t["code"] for t in report["testcase"]
             if t["code"] in OF_41 and "skipped" not in t]
    if not codes:
        return
    again = {t["code"]: t for t in run(pynfs, port, codes, 1)["testcase"]}
    report["testcase"] = [again[t["code"]] if t["code"] in codes else t
                          for t in report["testcase"]]


def judge(report) -> int:
    ran = [t for t in report["testcase"] if "skipped" not in t]
    failed = {t["code"]: t["failure"]["message"] for t in ran
              if "failure" in t}
    known = expected_failures()
    print("\nFailed:" if failed else "\nNothing failed.")
    for code, message in sorted(failed.items()):
        note = f"expected: {known[code]}" if code in known else "NOT expected"
        print(f"  {code:10} {note}\n             {message}")
    for t in ran:
        if t["code"] in known and t["code"] not in failed:
            print(f"  {t['code']:10} passes now: take it off "
                  f"{EXPECTED.name}")
    unexpected = failed.keys() - known.keys()
    print(f"\npynfs: {len(ran) - len(failed)} of {len(ran)} passed, "
          f"{len(failed)} failed, {len(unexpected)} of them unexpected")
    return 1 if unexpected else 0


def main() -> int:
    if len(sys.argv) < 2 or not Path(sys.argv[1], "nfs4.1").is_dir():
        print("check-pynfs: PYNFS_DIR must name a checkout of "
              "https://github.com/kofemann/pynfs:\n"
              "  make check-pynfs PYNFS_DIR=/path/to/pynfs", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="herald-pynfs-") as work:
        pynfs = build(Path(sys.argv[1]), Path(work) / "pynfs")
        with make_server(lease_s=LEASE_S) as server:
            server.shell("mkdir -m 1777 pynfs")
            report = run(pynfs, server.port, sys.argv[2:] or ["all"])
            again_in_41(report, pynfs, server.port)
            for line in server.problems():
                print(f"server: {line}")
            server.stop()
    return judge(report)


if __name__ == "__main__":
    os.environ.setdefault("HERALD_BUILD", "build")
    sys.exit(main())
