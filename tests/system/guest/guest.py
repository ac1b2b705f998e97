# SPDX-License-Identifier: MIT
"""class Guest: boot a real Linux in QEMU and run commands in it.

The guest reaches this machine's 127.0.0.1 as 10.0.2.2 (QEMU user networking:
no privilege, no interface, no firewall); `hostfwd` makes a port of the guest
reachable on 127.0.0.1 here.  Commands travel over a virtio-serial port, so
they work whatever a test does to the network.
"""
import fcntl
import io
import json
import os
import queue
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import tarfile
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from . import fetch

HOST = "10.0.2.2"
"""This machine's 127.0.0.1, as the guest calls it."""

HEAD = struct.Struct(">IcI")
CHUNK = 1 << 16

# What a healthy run never logs.  (Debian's kernels have no lockdep; a kernel
# that has it is covered all the same.)
SUSPICIOUS = re.compile(r"""
    \bWARNING: | \bBUG\b | \bOops\b | \bUBSAN\b | \bKASAN\b | kernel\ panic
    | Call\ Trace | general\ protection | refcount_t
    | possible\ (recursive|circular)\ locking | suspicious\ RCU
    | lost\ \d+\ locks | blocked\ for\ more\ than | soft\ lockup | rcu.*stall
    | not\ responding | timed\ out
    | (NFS|nfs4?|nfsd|RPC|lockd)\b.*(error|fail|bad|unhandled|invalid|illegal
                                     |unexpected|corrupt|broken|bug|refus)
    | nfs_.*returned\ a\ bad | page\ allocation\ failure | Out\ of\ memory
""", re.X | re.I)
# ... but which some kernels say at boot and which mean nothing here.
HARMLESS = re.compile(r"spectre|mitigation|acpi|pci|i8042|rtc|tsc|"
                      r"clocksource|NFS: Registering|Command line:", re.I)


class GuestError(Exception):
    """The guest did not boot, died, or did not answer in time."""


class CommandFailed(GuestError):
    def __init__(self, command, result):
        self.command, self.result = command, result
        super().__init__(
            f"exit status {result.rc} in the guest: {command}\n"
            f"{result.stdout[-2000:]}{result.stderr[-4000:]}".rstrip())


@dataclass
class Result:
    """How a command ended.  A negative rc is the signal that killed it."""
    rc: int
    stdout: str
    stderr: str
    out: bytes = b""        # stdout as it came
    seconds: float = 0.0


class Command:
    """A command under way in the guest (Guest.start makes it)."""

    def __init__(self, guest, number, text):
        self.guest, self.number, self.text = guest, number, text
        self.began = time.monotonic()
        self._out, self._err = bytearray(), bytearray()
        self._cond = threading.Condition()
        self._rc = self._gone = None
        self._ended = 0.0

    # Called by the guest's reader thread.
    def _frame(self, kind, data):
        with self._cond:
            if kind == b"O":
                self._out += data
            elif kind == b"E":
                self._err += data
            elif kind == b"X":
                self._rc = json.loads(data)["rc"]
                self._ended = time.monotonic()
            self._cond.notify_all()

    def _lost(self, why):
        with self._cond:
            self._gone = why
            self._cond.notify_all()

    @property
    def running(self) -> bool:
        return self._rc is None and self._gone is None

    @property
    def stdout(self) -> str:
        """What it has printed so far."""
        with self._cond:
            return self._out.decode(errors="replace")

    @property
    def stderr(self) -> str:
        with self._cond:
            return self._err.decode(errors="replace")

    def send(self, data: bytes) -> None:
        """Give it input (start it with stdin=None)."""
        for i in range(0, len(data), CHUNK):
            self.guest._send(self.number, b"I", data[i:i + CHUNK])

    def close_stdin(self) -> None:
        self.guest._send(self.number, b"C")

    def kill(self, sig=signal.SIGKILL) -> None:
        """Signal its process group."""
        self.guest._send(self.number, b"K", str(int(sig)).encode())

    def wait_output(self, pattern: str, timeout: float = 60) -> re.Match:
        """Wait until its standard output matches a regular expression."""
        def found():
            hit.append(re.search(pattern, self._out.decode(errors="replace"),
                                 re.M))
            return hit[-1] or self._rc is not None or self._gone
        hit = []
        timeout *= self.guest.patience
        with self._cond:
            self._cond.wait_for(found, timeout)
        if not hit[-1]:
            raise GuestError(f"no {pattern!r} from: {self.text}\n"
                             f"{self.stdout}{self.stderr}")
        return hit[-1]

    def wait(self, timeout: float = 60, check: bool = True) -> Result:
        """Wait for the end.  After the timeout the command is killed."""
        limit = timeout * self.guest.patience
        with self._cond:
            self._cond.wait_for(lambda: not self.running, limit)
        if self._gone:
            raise GuestError(f"{self._gone}, while running: {self.text}")
        if self._rc is None:
            raise self._timed_out(limit)
        r = Result(self._rc, self.stdout, self.stderr, bytes(self._out),
                   self._ended - self.began)
        if check and r.rc:
            raise CommandFailed(self.text, r)
        return r

    def _timed_out(self, limit) -> GuestError:
        """Say where the guest hangs before the command is killed."""
        stuck = "?"
        try:
            stuck = self.guest.blocked_tasks()
        except GuestError:
            pass
        self.kill()
        return GuestError(f"no end after {limit:.0f} s in the guest: "
                          f"{self.text}\n{self.stdout[-2000:]}"
                          f"{self.stderr[-2000:]}\n{stuck}")


def kvm_usable() -> bool:
    """Whether KVM can run an unmodified kernel here.

    /dev/kvm alone does not tell: a paravirtual KVM (kvm_pvm, found in some
    cloud sandboxes) has it too, runs only kernels made for it, and lets any
    other hang.  Real KVM needs the processor's help.
    """
    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
        os.close(os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC))
        return not flags.isdisjoint({"vmx", "svm"})
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def own_dir():
    """A temporary directory and the lock that says it is in use.

    A test that was killed leaves its directory behind, perhaps with a disk in
    it; the next one sweeps away those that nobody holds any more.
    """
    for old in Path(tempfile.gettempdir()).glob("herald-guest-*/lock"):
        try:
            with open(old) as f:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(old.parent, ignore_errors=True)
        except OSError:
            pass
    path = Path(tempfile.mkdtemp(prefix="herald-guest-"))
    lock = open(path / "new", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    (path / "new").rename(path / "lock")
    return path, lock


class Guest:
    """A virtual machine.  Boots in the constructor; a context manager.

    accel       "kvm" or "tcg"; None: $HERALD_GUEST_ACCEL, else KVM when it
                can be used.  Emulation is several times slower: every timeout
                given to this class is then multiplied by `patience` (4).
    hostname    NFS clients are told apart by it: give two guests that mount
                the same server two names.
    hostfwd     ports of the guest to reach from here, e.g. (2049,);
                g.port[2049] is the port on 127.0.0.1.  A dict chooses it:
                {2049: 12049}.
    disk        a file (or a size in MiB for a temporary one) that is /dev/vdb
                in the guest.  A file survives kill(): power cuts.
    memory      MiB
    cpus        None: two, but one under emulation.  Emulated processors spend
                their time waiting for each other: unpacking a tar file over
                NFS took five times as long with two (on two cores).
    cmdline     more words for the kernel's command line
    """

    def __init__(self, hostname="guest", *, accel=None, memory=1024, cpus=None,
                 hostfwd=(), disk=None, cmdline="", boot_timeout=60,
                 verbose=False):
        self.hostname = hostname
        chosen = accel or os.environ.get("HERALD_GUEST_ACCEL")
        self.accel = chosen or ("kvm" if kvm_usable() else "tcg")
        self.memory, self.cpus, self.cmdline = memory, cpus, cmdline
        self.verbose = verbose
        self.port = dict(hostfwd) if isinstance(hostfwd, dict) else {
            p: free_port() for p in hostfwd}
        self.dir, self._dir_lock = own_dir()
        self.disk = self._disk(disk)
        self.images = fetch.ensure()
        try:
            self.boot(boot_timeout)
        except GuestError:
            if chosen or self.accel == "tcg":
                raise
            # Nested and unusual hypervisors offer a KVM that does not work.
            self.accel = "tcg"
            self.boot(boot_timeout)

    @property
    def patience(self) -> int:
        """What timeouts are multiplied by."""
        return 1 if self.accel == "kvm" else 4

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def __del__(self):
        if getattr(self, "dir", None) and self.dir.exists():
            self.close()

    # -- life ---------------------------------------------------------------

    def _disk(self, disk):
        if isinstance(disk, int):
            path = self.dir / "disk"
            with open(path, "wb") as f:
                f.truncate(disk << 20)
            return path
        return disk

    def _argv(self, channel: int) -> list[str]:
        i = self.images
        kernel = i / "vmlinux"
        if self.accel == "kvm" or not kernel.exists():
            kernel = i / "vmlinuz"
        fwd = "".join(f",hostfwd=tcp:127.0.0.1:{here}-:{there}"
                      for there, here in self.port.items())
        argv = [
            # QEMU must not outlive the test, however the test ends.
            "setpriv", "--pdeathsig", "KILL", "--",
            "qemu-system-x86_64", "-nodefaults", "-no-user-config",
            "-display", "none", "-no-reboot",
            "-machine", "q35,usb=off,vmport=off,smm=off",
            "-accel", self.accel + (",thread=multi" if self.accel == "tcg"
                                    else ""),
            "-cpu", "host" if self.accel == "kvm" else "max,la57=off",
            "-smp", str(self.cpus or (2 if self.accel == "kvm" else 1)),
            "-m", str(self.memory),
            "-kernel", kernel, "-initrd", i / "initrd",
            "-append", "console=ttyS0 quiet loglevel=4 panic=-1 "
            "oops=panic random.trust_cpu=on mitigations=off tsc=reliable "
            # On a busy machine an emulated timer looks broken to Linux.
            f"no_timer_check herald.hostname={self.hostname} {self.cmdline}",
            "-serial", f"file:{self.dir}/console",
            "-drive", f"if=none,id=root,format=raw,readonly=on,"
            f"file={i}/root.ext4,file.locking=off",
            "-device", "virtio-blk-pci,drive=root",
            "-netdev", "user,id=net" + fwd,
            "-device", "virtio-net-pci,netdev=net,romfile=",
            "-device", "virtio-rng-pci",
            "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=agent,fd={channel}",
            "-device", "virtserialport,chardev=agent,name=herald.agent",
        ]
        if self.disk:
            argv += ["-drive", f"if=none,id=disk,format=raw,cache=writeback,"
                     f"discard=unmap,file={self.disk}",
                     "-device", "virtio-blk-pci,drive=disk"]
        return [str(a) for a in argv]

    def boot(self, timeout: float = 60) -> None:
        """Switch on.  The constructor does; use it again after kill()."""
        if self.alive:
            raise GuestError("already running")
        self._jobs, self._next, self._lock = {}, 1, threading.Lock()
        self._send_lock = threading.Lock()
        self._why = None
        began = time.monotonic()
        hello = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._live, args=(hello,),
                                        daemon=True, name=self.hostname)
        self._thread.start()
        try:
            self.hello = hello.get(timeout=timeout * self.patience)
        except queue.Empty:
            self.hello = None
        if not self.hello:
            log = self.dir / "qemu.log"
            said = self.console()[-3000:] + (
                log.read_text(errors="replace") if log.exists() else "")
            why = self._why or "no sign of life"
            self.kill()
            raise GuestError(f"the guest did not boot with {self.accel} "
                             f"({why})\n{said}")
        self.boot_seconds = time.monotonic() - began
        self.kernel = self.hello["kernel"]

    def _live(self, hello) -> None:
        """The guest's own thread: start QEMU, then read what it sends.

        The death signal is tied to the thread that forked, so that must be
        one that lasts as long as QEMU should.
        """
        env = {**os.environ, "PATH": os.environ.get("PATH", "")
               + ":/usr/bin:/usr/sbin"}
        ours, theirs = socket.socketpair()
        try:
            with open(self.dir / "qemu.log", "wb") as log:
                self.qemu = subprocess.Popen(
                    self._argv(theirs.fileno()), stdin=subprocess.DEVNULL,
                    stdout=log, stderr=log, pass_fds=[theirs.fileno()],
                    start_new_session=True, env=env)
        except OSError as e:
            self._why = str(e)
            hello.put(None)
            return
        finally:
            theirs.close()
        self._sock = ours
        stream = ours.makefile("rb", buffering=1 << 18)
        try:
            while len(head := stream.read(HEAD.size)) == HEAD.size:
                number, kind, length = HEAD.unpack(head)
                data = stream.read(length)
                if kind == b"H":
                    hello.put(json.loads(data))
                elif job := self._jobs.get(number):
                    job._frame(kind, data)
                    if kind == b"X":
                        del self._jobs[number]
        except OSError:
            pass
        self.qemu.wait()
        log = (self.dir / "qemu.log").read_text(errors="replace").strip()
        with self._lock:
            self._why = self._why or (
                f"the guest is gone (QEMU ended with {self.qemu.returncode})"
                + (f": {log}" if log else ""))
            lost = list(self._jobs.values())
            self._jobs.clear()
        stream.close()
        ours.close()
        for job in lost:
            job._lost(self._why)
        hello.put(None)

    @property
    def alive(self) -> bool:
        qemu = getattr(self, "qemu", None)
        return bool(qemu and qemu.poll() is None and self._thread.is_alive())

    @property
    def pid(self) -> int:
        return self.qemu.pid

    def kill(self) -> None:
        """A power cut.  What the guest had not written to its disk is lost."""
        with self._lock:
            self._why = self._why or "the guest was switched off"
        if getattr(self, "qemu", None):
            self.qemu.kill()
        self._thread.join(10)

    def shutdown(self, timeout: float = 30) -> None:
        """Sync, unmount, power off."""
        if self.alive:
            try:
                job = self.start("umount -a -f -l -t nfs4; sync; "
                                 "umount -a -t ext4; sync; "
                                 "echo o >/proc/sysrq-trigger; sleep 100")
                job.wait(timeout)
            except GuestError:
                pass
            self._thread.join(timeout * self.patience)
        self.kill()

    def close(self) -> None:
        """Switch off and forget.  Nothing is kept, not the console either."""
        if getattr(self, "_thread", None):
            self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)
        self._dir_lock.close()

    def pause(self) -> None:
        """Freeze the machine, as a suspended laptop: its leases go on."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def console(self) -> str:
        """What the kernel printed on its console (panics end up here)."""
        try:
            return (self.dir / "console").read_text(errors="replace")
        except OSError:
            return ""

    # -- commands -----------------------------------------------------------

    def _send(self, number, kind, data=b"") -> None:
        try:
            with self._send_lock:
                self._sock.sendall(HEAD.pack(number, kind, len(data)) + data)
        except OSError as e:
            raise GuestError(self._why or str(e)) from None

    def start(self, command, *, user=None, cwd="/", env=None, groups=(),
              stdin: bytes | None = b"") -> Command:
        """Start a command and return at once.

        A string is for bash, a list is run as it is.  user is a numeric uid
        (gid the same; `groups` are supplementary).  stdin=None leaves the
        input open for Command.send().
        """
        argv = ["bash", "-c", command] if isinstance(command, str) \
            else [str(a) for a in command]
        text = command if isinstance(command, str) else shlex.join(argv)
        if self.verbose:
            print(f"{self.hostname}# {text}", flush=True)
        with self._lock:
            if self._why:
                raise GuestError(self._why)
            number, self._next = self._next, self._next + 1
            job = self._jobs[number] = Command(self, number, text)
        spec = {"argv": argv, "user": user, "cwd": cwd, "env": env or {},
                "groups": list(groups)}
        self._send(number, b"S", json.dumps(spec).encode())
        if stdin is not None:
            job.send(stdin)
            job.close_stdin()
        return job

    def run(self, command, timeout: float = 60, check: bool = True,
            **kw) -> Result:
        """Run a command to its end; with check, failure is CommandFailed."""
        return self.start(command, **kw).wait(timeout, check)

    def python(self, code: str, *args, timeout: float = 60, **kw) -> Result:
        """Run Python in the guest, for system calls no tool offers."""
        return self.run(["python3", "-c", code, *args], timeout, **kw)

    def wait_for(self, command: str, timeout: float = 30,
                 interval: float = 0.1) -> None:
        """Repeat a shell command until it succeeds."""
        self.run(f"until {command}; do sleep {interval}; done", timeout)

    # -- files --------------------------------------------------------------

    def put(self, path, data: bytes | str, mode: int | None = None,
            user=None) -> None:
        data = data.encode() if isinstance(data, str) else data
        q = shlex.quote(str(path))
        more = f" && chmod {mode:o} {q}" if mode is not None else ""
        self.run(f"cat >{q}{more}", stdin=data, user=user)

    def get(self, path, user=None) -> bytes:
        return self.run(["cat", path], user=user).out

    def put_tree(self, source, target, timeout: float = 120) -> None:
        """Copy a directory of this machine (or one file) into the guest."""
        buf = io.BytesIO()
        with tarfile.open(fileobj=buf, mode="w") as tar:
            tar.add(source, arcname=".")
        q = shlex.quote(str(target))
        make = f"mkdir -p {q} && tar -xC {q}" if os.path.isdir(source) \
            else f"tar -xO >{q} && chmod {os.stat(source).st_mode & 0o777:o}" \
                 f" {q}"
        self.run(make, timeout, stdin=buf.getvalue())

    # -- what the kernel says -----------------------------------------------

    def dmesg(self) -> list[str]:
        """The kernel's log since boot."""
        return self.run(["dmesg", "--notime"]).stdout.splitlines()

    def complaints(self, since: int = 0) -> list[str]:
        """Only the suspicious lines of the log: expect an empty list.

        `since` = len(g.dmesg()) taken earlier leaves out what came before.
        """
        return [line for line in self.dmesg()[since:]
                if SUSPICIOUS.search(line) and not HARMLESS.search(line)]

    def blocked_tasks(self) -> str:
        """Kernel stacks of the tasks that hang in the kernel."""
        return self.run("for s in /proc/[0-9]*/status; do p=${s%/status}; "
                        "if grep -q '^State:.*D' $s 2>/dev/null; then "
                        "echo \"== ${p#/proc/} $(tr '\\0' ' ' <$p/cmdline)\";"
                        " cat $p/stack; fi; done", 10, check=False).stdout

    def mountstats(self, mountpoint) -> "Stats":
        """RPCs sent on a mount so far, by operation: {"LOOKUP": 3, ...}.

        Only operations that were sent at all.  Differences: after - before.
        Linux names them by what they are for: a GET_DIR_DELEGATION rides in
        the compound it counts as GETATTR.
        """
        text = self.run(["cat", "/proc/self/mountstats"]).stdout
        for block in text.split("\ndevice ")[0:]:
            if f" mounted on {mountpoint} with fstype nfs" in block:
                ops = block.partition("per-op statistics")[2]
                return Stats({op: int(n) for op, n in re.findall(
                    r"^\s+(\w+): (\d+)", ops, re.M) if int(n)})
        raise GuestError(f"no NFS mount on {mountpoint}")

    # -- NFS client ---------------------------------------------------------

    def mount(self, export, mountpoint="/mnt", opts="", *, vers="4.2",
              port=None, host=HOST, actimeo=1, timeout: float = 60) -> None:
        """Mount an NFS export; `export` is "/path" or "host:/path".

        actimeo=1 because Linux asks for its first directory delegation only
        when it revalidates a directory, which is after 30 s by default.
        actimeo=None leaves the default alone.
        """
        device = export if ":" in export else f"{host}:{export}"
        words = [f"vers={vers}", "proto=tcp", "sec=sys"]
        words += [f"port={port}"] if port else []
        words += [f"actimeo={actimeo}"] if actimeo is not None else []
        words += [opts] if opts else []
        self.run(["mkdir", "-p", mountpoint])
        self.run(["mount", "-t", "nfs4", "-o", ",".join(words), device,
                  mountpoint], timeout)

    def mount_two(self, export, first="/mnt/a", second="/mnt/b", opts="",
                  **kw) -> tuple[str, str]:
        """Mount twice so that the server sees two clients.

        Linux is one NFS client per server address and minor version, however
        many mounts: only 4.1 beside 4.2 makes two.  (Two guests with two host
        names are the other way.)
        """
        self.mount(export, first, opts, vers="4.1", **kw)
        self.mount(export, second, opts, vers="4.2", **kw)
        return first, second

    def umount(self, mountpoint="/mnt", opts="", timeout: float = 60) -> None:
        self.run(f"umount {opts} {shlex.quote(str(mountpoint))}", timeout)

    def drop_caches(self) -> None:
        """Forget clean pages, dentries and inodes."""
        self.run("sync; echo 3 >/proc/sys/vm/drop_caches")


class Stats(dict):
    """Counts by operation; what is missing is 0."""

    def __missing__(self, op):
        return 0

    def __sub__(self, before):
        diff = {op: self[op] - before.get(op, 0) for op in self}
        return Stats({op: n for op, n in diff.items() if n})
