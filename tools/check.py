#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run every test there is and say how many passed: the work of `make check`.

    check.py [PART]...      parts: style asan tsan fuzz system; default: all

    style   floors of the architecture, clang-format
    asan    every meson test, built with ASan and UBSan
    tsan    the same tests, built with TSan, less those it has nothing to say
            about
    fuzz    each libFuzzer target for FUZZ_SECONDS (60)
    system  real Linux kernels in QEMU against the ASan build, and against
            each other: tests/system/test_*.py

The emulated guests wait a lot and the compilers do not: the system tests run
beside the others as soon as there is an ASan build.  Failures show their
output; the last line is "N passed, N failed" (", N skipped"), and the exit
status agrees with it.
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("style", "asan", "tsan", "fuzz", "system")
CORES = os.cpu_count() or 2
FUZZ_SECONDS = int(os.environ.get("FUZZ_SECONDS", "60"))
# Builders and guests share the machine: a slow test is not a failed one.
MULTIPLIER = "4"

SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:"
                    "detect_stack_use_after_return=1:exitcode=99",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1:exitcode=99",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1:exitcode=99",
}


class Tally:
    """Counts cases and keeps the output of those that failed."""

    def __init__(self):
        self.count = {"pass": 0, "fail": 0, "skip": 0}
        self.failures = []
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def say(self, text) -> None:
        with self._lock:
            now = time.monotonic() - self._began
            print(f"[{now:6.1f}] {text}", flush=True)

    def add(self, name, outcome, seconds=0.0, output="", number=1) -> None:
        with self._lock:
            self.count[outcome] += number
            if outcome == "fail":
                self.failures.append((name, output))
        many = f" ({number})" if number != 1 else ""
        self.say(f"{outcome}  {name}{many}  {seconds:.1f} s")

    def summary(self) -> str:
        text = f"{self.count['pass']} passed, {self.count['fail']} failed"
        if self.count["skip"]:
            text += f", {self.count['skip']} skipped"
        return text

    def close(self) -> int:
        for name, output in self.failures:
            print(f"\n==== failed: {name}\n{output.rstrip()}")
        print()
        print(self.summary(), flush=True)
        return 1 if self.count["fail"] or not self.count["pass"] else 0


def command(tally, name, argv, **kw) -> bool:
    """Run one thing that is a case of its own."""
    began = time.monotonic()
    r = subprocess.run([str(a) for a in argv], cwd=ROOT, text=True,
                       errors="replace", stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kw)
    tally.add(name, "fail" if r.returncode else "pass",
              time.monotonic() - began, r.stdout)
    return r.returncode == 0


# -- builds -------------------------------------------------------------------

def build(tally, kind, options, **env) -> Path | None:
    """An up-to-date build in build-KIND, or None after counting a failure."""
    where = ROOT / f"build-{kind}"
    verb = ["--reconfigure"] if (where / "build.ninja").exists() else []
    steps = [["meson", "setup", *verb, where, *options],
             ["ninja", "-C", where]]
    began = time.monotonic()
    for step in steps:
        r = subprocess.run(step, cwd=ROOT, text=True, errors="replace",
                           env={**os.environ, **env},
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT)
        if r.returncode:
            tally.add(f"build-{kind}", "fail", time.monotonic() - began,
                      r.stdout[-8000:])
            return None
    tally.say(f"built build-{kind} in {time.monotonic() - began:.1f} s")
    return where


# -- meson tests --------------------------------------------------------------

def cmocka_cases(text) -> tuple[int, int]:
    """(passed, skipped) of a cmocka program that succeeded."""
    passed = re.findall(r"^\[  PASSED  \] (\d+) test", text, re.M)
    skipped = re.findall(r"^\[  SKIPPED ?\] (\d+) test", text, re.M)
    return sum(map(int, passed)), sum(map(int, skipped))


def cmocka_failures(text) -> list[str]:
    """The cases listed at the end of a cmocka program that failed."""
    return sorted(set(re.findall(r"^\[  FAILED  \] (?!.*tests?\))(\S+)$",
                                 text, re.M)))


def record(tally, kind, test) -> None:
    """Count the cases of one program of meson's log."""
    name = f"{kind}: {test['name']}"
    output = (test.get("stdout") or "") + (test.get("stderr") or "")
    seconds = test["duration"]
    passed, skipped = cmocka_cases(output)
    if test["result"] in ("OK", "EXPECTEDFAIL"):
        if passed or not skipped:
            tally.add(name, "pass", seconds, number=passed or 1)
        if skipped:
            tally.add(name, "skip", seconds, number=skipped)
    elif test["result"] == "SKIP":
        tally.add(name, "skip", seconds)
    else:
        if passed:
            tally.add(name, "pass", seconds, number=passed)
        bad = cmocka_failures(output)
        tally.add(f"{name} {' '.join(bad)} ({test['result']})", "fail",
                  seconds, output[-12000:], number=len(bad) or 1)


def meson_tests(tally, kind, where, args=(), **env) -> None:
    logs = where / "meson-logs"
    for old in logs.glob("testlog*.json"):
        old.unlink()
    r = subprocess.run(
        ["meson", "test", "-C", where, "--no-rebuild", "-q",
         "-t", MULTIPLIER, "--num-processes", str(CORES), *args],
        cwd=ROOT, text=True, errors="replace", stdin=subprocess.DEVNULL,
        env={**os.environ, **SANITIZER_ENV, **env},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    # Named after the wrapper, too, when there is one.
    lines = [line for log in logs.glob("testlog*.json")
             for line in log.read_text().splitlines()]
    if not lines:
        tally.add(f"{kind}: meson test", "fail", output=r.stdout)
    for line in lines:
        record(tally, kind, json.loads(line))


# -- parts --------------------------------------------------------------------

def style(tally) -> None:
    command(tally, "style: floors", ["python3", "tools/floors.py"])
    command(tally, "style: clang-format", ["make", "-s", "format-check"])


def asan_build(tally) -> Path | None:
    return build(tally, "asan", ["-Db_sanitize=address,undefined",
                                 "-Db_lundef=false"])


def asan(tally) -> None:
    meson_tests(tally, "asan", ROOT / "build-asan", ["--no-suite", "style"])


def tsan(tally) -> None:
    where = build(tally, "tsan", ["-Db_sanitize=thread", "-Db_lundef=false"])
    if where:
        # TSan of gcc 12 does not know where newer kernels put things.
        meson_tests(tally, "tsan", where,
                    ["--no-suite", "style", "--no-suite", "no-tsan",
                     "--wrapper", "setarch -R"])


def fuzz_one(tally, target, corpus) -> None:
    """One target for its time, starting from its seeds."""
    name = target.name.removeprefix("fuzz_")
    (corpus / name).mkdir(exist_ok=True)
    command(tally, f"fuzz: {name}", [
        target, f"-max_total_time={FUZZ_SECONDS}", "-timeout=20",
        "-rss_limit_mb=2048", "-print_final_stats=1",
        f"-artifact_prefix={ROOT}/build-fuzz/", corpus / name],
        env={**os.environ, **SANITIZER_ENV})


def fuzz(tally) -> None:
    where = build(tally, "fuzz", ["-Dfuzz=true", "-Db_lundef=false",
                                  "-Db_sanitize=address,undefined"],
                  CC="clang-14")
    if not where:
        return
    maker = where / "tests/fuzz/fuzz_corpus"
    targets = sorted(p for p in maker.parent.glob("fuzz_*")
                     if p.is_file() and p != maker)
    with tempfile.TemporaryDirectory(prefix="herald-fuzz-") as corpus:
        if not command(tally, "fuzz: the seeds", [maker, corpus]):
            return
        with ThreadPoolExecutor(CORES) as pool:
            list(pool.map(lambda t: fuzz_one(tally, t, Path(corpus)),
                          targets))


def system_one(tally, script) -> None:
    """A program that writes TAP: "ok 1 - name (2.5 s)", "# SKIP why"."""
    suite = script.stem.removeprefix("test_")
    began, planned, seen, output = time.monotonic(), None, 0, []
    argv = [sys.executable, "-u", str(script)]
    if os.geteuid():
        # heraldd needs root, and so does what looks at its files.
        argv = ["sudo", "-n", "-E", *argv]
    proc = subprocess.Popen(argv, cwd=ROOT, text=True, errors="replace",
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT,
                            env={**os.environ, **SANITIZER_ENV})
    for line in proc.stdout:
        output.append(line)
        if plan := re.match(r"1\.\.(\d+)", line):
            planned = int(plan[1])
        case = re.match(r"(not )?ok \d+ - (.*?)(?: \(([\d.]+) s\))?"
                        r"( # SKIP.*)?$", line)
        if case:
            seen += 1
            outcome = "fail" if case[1] else "skip" if case[4] else "pass"
            tally.add(f"system: {suite}: {case[2]}{case[4] or ''}", outcome,
                      float(case[3] or 0), "".join(output))
            output.clear()
    status = proc.wait()
    if planned is None or seen < planned or (status and not seen):
        tally.add(f"system: {suite}: ended early (status {status})", "fail",
                  time.monotonic() - began, "".join(output),
                  number=max(1, (planned or 1) - seen))


def system(tally) -> None:
    scripts = sorted((ROOT / "tests/system").glob("test_*.py"))
    # The guests' images, once, before two suites want them at a time.
    if not command(tally, "system: the guest's images",
                   [sys.executable, "tests/system/guest/fetch.py"]):
        return
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda s: system_one(tally, s), scripts))


def guarded(part, tally) -> None:
    """A mistake in here is a failure too, in whatever thread."""
    try:
        part(tally)
    except Exception:
        tally.add(part.__name__, "fail", output=traceback.format_exc())


def main() -> int:
    parts = sys.argv[1:] or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        print(f"check.py: no such part: {' '.join(unknown)}\n{__doc__}",
              file=sys.stderr)
        return 2
    tally = Tally()
    if "style" in parts:
        guarded(style, tally)
    ready = asan_build(tally) if {"asan", "system"} & set(parts) else None
    beside = None
    if ready and "system" in parts:
        beside = threading.Thread(target=guarded, args=(system, tally))
        beside.start()
    if ready and "asan" in parts:
        guarded(asan, tally)
    if "tsan" in parts:
        guarded(tsan, tally)
    if "fuzz" in parts:
        guarded(fuzz, tally)
    if beside:
        beside.join()
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
