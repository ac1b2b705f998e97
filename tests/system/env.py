# SPDX-License-Identifier: MIT
"""A server, a Linux guest, and the server mounted twice in it.

Two mounts, vers=4.1 and vers=4.2, are two NFS clients: what one does, the
other must see.
"""
import contextlib
import time
from pathlib import Path

from guest import Guest
from server import make_server
from tap import diag, equal, same_lines

WORK = Path(__file__).with_name("work")
SUMS = "find . -type f -print0 | xargs -0r sha256sum | sed 's:  \\./:  :'"


class Env:
    """What a suite's cases share.  A is the 4.1 mount, B the 4.2 one."""
    A, B = "/mnt/a", "/mnt/b"

    def __init__(self, hostname="alice", **options):
        self.hostname, self.options = hostname, options
        self.owner = {mount: f"Linux NFSv{vers} {hostname}"
                      for mount, vers in ((self.A, "4.1"), (self.B, "4.2"))}

    def __enter__(self):
        with contextlib.ExitStack() as stack:   # ends with the suite
            self.server = stack.enter_context(make_server(**self.options))
            self.guest = stack.enter_context(Guest(self.hostname))
            self.guest.mount_two("/", port=self.server.port)
            self.stack = stack.pop_all()
        self.boot = len(self.guest.dmesg())
        diag(f"{self.server.name}, client Linux {self.guest.kernel} "
             f"({self.guest.accel})")
        return self

    def __exit__(self, *exc):
        self.stack.close()

    # -- in the guest -------------------------------------------------------

    def run(self, command, timeout=60, **kw) -> str:
        return self.guest.run(command, timeout, **kw).stdout

    def work(self, script, *args, **kw):
        """Start a program of work/ in the guest."""
        code = (WORK / script).read_text()
        return self.guest.start(["python3", "-Ic", code, *map(str, args)],
                                **kw)

    def quiet(self) -> None:
        """Let what either client has cached run out (actimeo=1)."""
        self.run("sync; sleep 1.5")

    # -- both sides ---------------------------------------------------------

    def holds(self, mount, where) -> bool:
        """Whether the client of this mount has the directory delegated."""
        return self.owner[mount] in self.server.holders(where)

    def acquire(self, mount, *wheres, timeout=120) -> None:
        """Until the client of this mount holds these directories.

        Linux asks at the first GETATTR after an ACCESS or a change of its
        own.  A refusal (others changed the directory a moment ago, the back
        channel was not ready) it takes until the next one: so make one, and
        let it forget what it may do there, or it sends no ACCESS."""
        end = time.monotonic() + timeout
        while missing := [w for w in wheres if not self.holds(mount, w)]:
            if time.monotonic() > end:
                raise AssertionError(f"{mount} is never granted {missing}")
            self.run("echo 2 >/proc/sys/vm/drop_caches; " +
                     "".join(f"touch {mount}/{w}/.ask; rm {mount}/{w}/.ask; "
                             for w in missing) + "sleep 1.2; ls -d "
                     + " ".join(f"{mount}/{w}" for w in missing))

    def compare_sums(self, where, timeout=300) -> str:
        """The same files, with the same bytes, on both clients and the server.

        Returns what sha256sum said."""
        truth = self.server.shell(f"cd {where}; {SUMS}")
        for mount in (self.A, self.B):
            seen = self.run(f"cd {mount}/{where} && {SUMS}", timeout)
            same_lines(seen, truth, f"{mount}/{where} against the server")
        return truth

    def evidence(self) -> str:
        """For a failure: what both kernels and the server have to say."""
        said = [self.server.evidence()]
        if self.guest.alive:
            said += ["the guest's kernel log:"]
            said += self.guest.dmesg()[self.boot:]
            said.append(self.guest.blocked_tasks())
        else:
            said += ["the guest is gone", self.guest.console()[-2000:]]
        return "\n".join(said)


def add_last_cases(suite) -> None:
    """How every suite ends: nobody has anything to complain about."""

    @suite.case("the guest's kernel log is clean")
    def clean_kernel_log(env):
        env.run(f"umount {env.A} {env.B}", 120)
        equal(env.guest.complaints(), [], "suspicious lines")

    @suite.case("the server's log is clean")
    def clean_server_log(env):
        equal(env.server.problems(), [], "warnings and errors")

    @suite.case("the server stops well, nothing leaked")
    def clean_exit(env):
        env.server.stop()
