# SPDX-License-Identifier: MIT
"""The servers under test: heraldd on this machine, knfsd in a guest.

Both have the same face, so that a test can be tried on the server everybody
trusts first:

    port            on this machine's 127.0.0.1
    shell(text)     run bash in the exported directory, on the server's side
    kill()          as hard as it goes; start() brings it back
    client_count()  how many NFS clients the server has seen
    holders(where)  who holds a delegation of this directory, by the owners
                    clients call themselves: {"Linux NFSv4.1 alice"}
    recalls()       of directories, by reason: a Counter
    problems()      what it logged that a healthy server does not
    stop()          end it well, or raise
"""
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path

from guest import Guest, Knfsd

ROOT = Path(__file__).resolve().parent.parent.parent
# What a sanitizer writes, and what stands before it.
SANITIZER = re.compile(r"(ERROR|WARNING|SUMMARY): \w*Sanitizer|runtime error:")
SERIOUS = re.compile(r"^\S+Z (WARN|ERROR) ")


def build_dir() -> Path:
    """Where the binaries are: $HERALD_BUILD, else the ASan build."""
    named = os.environ.get("HERALD_BUILD")
    if named:
        return (ROOT / named).resolve()
    asan = ROOT / "build-asan"
    return asan if (asan / "heraldd").exists() else ROOT / "build"


def file_handle(path) -> bytes:
    """The kernel's handle of a file; none when the file system has none.

    Then it cannot be exported: overlays (containers' roots) are like that.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    handle = (ctypes.c_uint32 * 34)(128)
    mount = ctypes.c_int()
    if libc.name_to_handle_at(-100, os.fsencode(path), handle,
                              ctypes.byref(mount), 0):
        return b""
    return bytes(handle)[8:8 + handle[0]]


def work_dir(prefix="herald-system-") -> Path:
    """A new directory that can hold an export."""
    places = [os.environ.get("HERALD_TEST_DIR"), tempfile.gettempdir(),
              "/var/tmp", "/dev/shm"]
    for place in filter(None, places):
        if os.path.isdir(place) and file_handle(place):
            return Path(tempfile.mkdtemp(prefix=prefix, dir=place))
    raise RuntimeError("no file system here has file handles: "
                       f"{places}; name a directory in HERALD_TEST_DIR")


class Herald:
    """heraldd, exporting a new directory of this machine.

    It keeps its port and its state over kill() and start(), as a real one
    would.  Its log goes to a file, one for all its lives.
    """
    name = "heraldd"

    def __init__(self, *, lease_s=15, root_squash=False, prefix=()):
        self.dir = work_dir()
        self.export = self.dir / "export"
        self.export.mkdir()
        self.export.chmod(0o1777)
        self.lease_s, self.root_squash = lease_s, root_squash
        self.prefix = list(prefix)
        self.port, self.process = 0, None
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def start(self) -> None:
        argv = [*self.prefix, build_dir() / "heraldd",
                "--export", self.export, "--state-dir", self.dir / "state",
                "--listen", f"127.0.0.1:{self.port}", "--metrics", "0",
                "--lease", str(self.lease_s), "--verbose"]
        argv += [] if self.root_squash else ["--no-root-squash"]
        (self.dir / "state").mkdir(exist_ok=True)
        self._seen = len(self.log())
        with open(self.dir / "log", "ab") as log:
            self.process = subprocess.Popen(
                [str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log)
        self.port = self._wait_ready()

    def _wait_ready(self, timeout=30) -> int:
        """The port, when it says that it serves and answers."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            said = re.search(r" serving address=\S+:(\d+)",
                             self.log()[self._seen:])
            if said:
                port = int(said[1])
                socket.create_connection(("127.0.0.1", port), 5).close()
                return port
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"heraldd did not start\n{self.log()[-4000:]}")

    def shell(self, text) -> str:
        r = subprocess.run(["bash", "-c", text], cwd=self.export, text=True,
                           errors="surrogateescape", stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           env={**os.environ, "LC_ALL": "C.UTF-8"})
        if r.returncode:
            raise RuntimeError(f"{text}: {r.stderr}")
        return r.stdout

    def log(self) -> str:
        try:
            return (self.dir / "log").read_text(errors="replace")
        except OSError:
            return ""

    def clients(self) -> dict[str, str]:
        """By id, what they call themselves."""
        return dict(re.findall(r" client confirmed id=(\w+) owner=(.*)",
                               self.log()))

    def client_count(self) -> int:
        return len(self.clients())

    def holders(self, where) -> set[str]:
        # A fileid: the file system (8 bytes), the handle's type, the handle.
        handle = file_handle(self.export / where).hex()
        held, owners = {}, self.clients()
        for verb, client in re.findall(
                r" delegation (granted|returned|revoked|ended) client=(\w+) "
                rf"type=directory id=\w{{18}}{handle}$", self.log(), re.M):
            held[client] = verb == "granted"
        return {owners[client] for client, holds in held.items() if holds}

    def metrics(self) -> dict[str, float]:
        """What Prometheus would read: 'name{label="value"}' to number."""
        at = re.findall(r" serving metrics address=(\S+)", self.log())[-1]
        with urllib.request.urlopen(f"http://{at}/metrics", timeout=30) as r:
            lines = r.read().decode().splitlines()
        return {name: float(value) for name, value in (
            s.rsplit(" ", 1) for s in lines if not s.startswith("#"))}

    def recalls(self) -> Counter:
        """Of directories, by reason, since the server started."""
        found = ((re.fullmatch(r'herald_delegations_recalled_total\{'
                               r'type="directory",reason="(\w+)"\}', name), n)
                 for name, n in self.metrics().items())
        return Counter({m[1]: int(n) for m, n in found if m and n})

    def problems(self) -> list[str]:
        return [line for line in self.log().splitlines()
                if SERIOUS.search(line) or SANITIZER.search(line)]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self, timeout=60) -> None:
        """SIGTERM; the exit status is where LeakSanitizer speaks."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout)
        if status:
            raise AssertionError(f"heraldd ended with {status}\n"
                                 f"{self.log()[-6000:]}")

    def close(self) -> None:
        if self.process and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def evidence(self) -> str:
        """What it says of its clients and delegations, then of the rest."""
        log, state = self.log().splitlines(), self.process.poll()
        told = [s for s in log if re.search(r"Z \w+ +(client|delegation) ", s)
                or not re.search("Z DEBUG ", s)]
        if len(told) > 200:
            told[100:-100] = ["..."]
        rest = [s for s in log if s not in set(told)]
        return "\n  ".join([
            f"heraldd {'runs' if state is None else f'ended: {state}'}; "
            "its log, abridged:", *told, "and of the rest the last:",
            *rest[-30:]])


class KernelServer:
    """knfsd in a guest of its own, to try a test on."""
    name = "knfsd"

    def __init__(self, *, lease_s=15, root_squash=False):
        squash = "root_squash" if root_squash else "no_root_squash"
        self.guest = Guest("server", hostfwd=(2049,))
        self.knfsd = Knfsd(
            self.guest, lease_s=lease_s, size_mib=640,
            options=f"rw,{squash},insecure,sync,no_subtree_check")
        self.guest.run(["chmod", "1777", self.knfsd.path])
        self.lease_s, self._seen = lease_s, 0

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    @property
    def port(self) -> int:
        return self.knfsd.port

    def shell(self, text) -> str:
        return self.guest.run(text, 300, cwd=self.knfsd.path).stdout

    def client_count(self) -> int:
        return len(re.findall("^clientid:", self.knfsd.clients(), re.M))

    def holders(self, where) -> set[str]:
        return self.knfsd.holders(where)

    def recalls(self) -> Counter:
        return Counter()        # it does not count them

    def problems(self) -> list[str]:
        return self.guest.complaints()

    def kill(self) -> None:
        self.knfsd.stop()

    def start(self) -> None:
        self.knfsd.start()

    def stop(self) -> None:
        self.knfsd.stop()

    def close(self) -> None:
        self.guest.close()

    def evidence(self) -> str:
        if not self.guest.alive:
            return "the server's guest is gone"
        return "knfsd's guest says: " + " ".join(self.problems())


def make_server(**options):
    """heraldd, or what $HERALD_TEST_SERVER says."""
    kinds = {"heraldd": Herald, "knfsd": KernelServer}
    return kinds[os.environ.get("HERALD_TEST_SERVER", "heraldd")](**options)
