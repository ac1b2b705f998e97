# SPDX-License-Identifier: MIT
"""Cases in order, told as TAP: what tools/check.py counts.

    suite = Suite("client")

    @suite.case("unpack a source tree")
    def unpack(env): ...

    suite.main(lambda: Env())       # Env is a context manager

The cases share one environment, because booting a guest and starting a server
under ASan is what costs time.  One that fails does not stop the others: a
guest that died does, and then the rest fail too.
"""
import sys
import time
import traceback


class Skip(Exception):
    """Why a case cannot be tried here."""


class Suite:
    def __init__(self, name):
        self.name = name
        self.cases = []

    def case(self, title):
        def add(function):
            self.cases.append((title, function))
            return function
        return add

    def main(self, make_env) -> None:
        """Run all cases, or those whose titles contain a word of argv."""
        words = sys.argv[1:]
        chosen = [c for c in self.cases
                  if not words or any(w in c[0] for w in words)]
        print(f"1..{len(chosen)}", flush=True)
        failed = 0
        with make_env() as env:
            for number, (title, function) in enumerate(chosen, 1):
                failed += not self._one(env, number, title, function)
        sys.exit(1 if failed else 0)

    def _one(self, env, number, title, function) -> bool:
        began, verdict, why = time.monotonic(), "ok", ""
        try:
            function(env)
        except Skip as e:
            why = f" # SKIP {e}"
        except Exception as e:
            verdict = "not ok"
            diag(traceback.format_exc())
            try:
                diag(env.evidence())
            except Exception as more:
                diag(f"no evidence: {more!r}")
            diag(f"{e!r}"[:4000])       # a long log is often cut above here
        print(f"{verdict} {number} - {title} "
              f"({time.monotonic() - began:.1f} s){why}", flush=True)
        return verdict == "ok"


def diag(text: str) -> None:
    for line in text.rstrip().splitlines():
        print(f"# {line}")


def equal(got, expected, what="") -> None:
    """assert got == expected, with both in the message, but not endlessly."""
    if got != expected:
        raise AssertionError(f"{what or 'value'}: expected "
                             f"{str(expected)[:2000]}\n     got "
                             f"{str(got)[:2000]}")


def same_lines(got: str, expected: str, what: str) -> None:
    """Compare two texts as sets of lines; say which lines differ."""
    a, b = set(got.splitlines()), set(expected.splitlines())
    if a != b:
        raise AssertionError(
            f"{what}: {len(a - b)} lines too many, {len(b - a)} missing\n"
            + "\n".join(["+ " + s for s in sorted(a - b)[:10]]
                        + ["- " + s for s in sorted(b - a)[:10]]))
