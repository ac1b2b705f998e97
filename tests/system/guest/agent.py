# SPDX-License-Identifier: MIT
"""The guest's end of the command channel: runs commands for the host.

Frames on the virtio-serial port, both ways: job number (4 bytes), kind (1),
length (4), payload.  Many jobs run at once and share the port.

    host to guest: S start (JSON)   I input    C end of input   K signal
    guest to host: H hello (JSON)   O output   E error output   X ended (JSON)
"""
import json
import os
import selectors
import signal
import struct
import subprocess
import sys

HEAD = struct.Struct(">IcI")
CHUNK = 1 << 16
PORT_NAME = "herald.agent"


def open_port() -> int:
    base = "/sys/class/virtio-ports"
    for port in os.listdir(base):
        with open(f"{base}/{port}/name") as f:
            if f.read().strip() == PORT_NAME:
                return os.open(f"/dev/{port}", os.O_RDWR | os.O_CLOEXEC)
    sys.exit("agent: no port")


class Job:
    def __init__(self, agent, number, spec):
        self.agent, self.number, self.input = agent, number, bytearray()
        self.input_ended = False
        ids = {}
        if spec["user"] is not None:
            uid = spec["user"]
            ids = dict(user=uid, group=spec.get("group", uid),
                       extra_groups=spec.get("groups", []))
        env = {**os.environ, **spec["env"]}
        self.proc = subprocess.Popen(
            spec["argv"], cwd=spec["cwd"], env=env, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, bufsize=0, **ids)
        self.pidfd = os.pidfd_open(self.proc.pid)
        self.streams = {self.proc.stdout: b"O", self.proc.stderr: b"E"}
        os.set_blocking(self.proc.stdin.fileno(), False)
        for stream in self.streams:
            os.set_blocking(stream.fileno(), False)
            agent.sel.register(stream, selectors.EVENT_READ,
                               lambda s=stream: self.read(s))
        agent.sel.register(self.pidfd, selectors.EVENT_READ, self.ended)

    def read(self, stream) -> bool:
        """Send on one chunk; False when there is nothing more just now."""
        try:
            data = os.read(stream.fileno(), CHUNK)
        except BlockingIOError:
            return False
        if data:
            self.agent.send(self.number, self.streams[stream], data)
            return True
        self.agent.sel.unregister(stream)
        del self.streams[stream]
        stream.close()
        return False

    def feed(self) -> None:
        """Write what input the command takes; watch the pipe for the rest."""
        pipe = self.proc.stdin
        if pipe.closed:
            return
        watched = pipe in self.agent.sel.get_map()
        try:
            while self.input:
                n = os.write(pipe.fileno(), self.input[:CHUNK])
                del self.input[:n]
        except BlockingIOError:
            if not watched:
                self.agent.sel.register(pipe, selectors.EVENT_WRITE,
                                        self.feed)
            return
        except BrokenPipeError:
            self.input.clear()
            self.input_ended = True
        if watched:
            self.agent.sel.unregister(pipe)
        if self.input_ended:
            pipe.close()

    def ended(self) -> None:
        """The command is over, even if a daemon it left holds the pipes."""
        rc = self.proc.wait()
        self.agent.sel.unregister(self.pidfd)
        os.close(self.pidfd)
        for stream in list(self.streams):
            while self.read(stream):
                pass
        for stream in list(self.streams):
            self.agent.sel.unregister(stream)
            stream.close()
        self.input.clear()
        self.input_ended = True
        self.feed()
        del self.agent.jobs[self.number]
        self.agent.send(self.number, b"X", json.dumps({"rc": rc}).encode())

    def kill(self, sig) -> None:
        try:
            os.killpg(self.proc.pid, sig)
        except ProcessLookupError:
            pass


class Agent:
    def __init__(self):
        self.port = open_port()
        self.sel = selectors.DefaultSelector()
        self.jobs = {}

    def send(self, number, kind, data) -> None:
        view = memoryview(HEAD.pack(number, kind, len(data)) + data)
        while view:
            view = view[os.write(self.port, view):]

    def receive(self, count) -> bytes:
        data = bytearray()
        while len(data) < count:
            part = os.read(self.port, count - len(data))
            if not part:
                sys.exit("agent: the host closed the port")
            data += part
        return bytes(data)

    def frame(self) -> None:
        number, kind, length = HEAD.unpack(self.receive(HEAD.size))
        data = self.receive(length)
        job = self.jobs.get(number)
        if kind == b"S":
            try:
                self.jobs[number] = Job(self, number, json.loads(data))
            except (OSError, KeyError, ValueError,
                    subprocess.SubprocessError) as e:
                self.send(number, b"E", f"agent: {e}\n".encode())
                self.send(number, b"X", b'{"rc": 127}')
        elif job and kind == b"I":
            job.input += data
            job.feed()
        elif job and kind == b"C":
            job.input_ended = True
            job.feed()
        elif job and kind == b"K":
            job.kill(int(data))

    def main(self) -> None:
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        # A virtio port cannot be polled before the host has it open: say
        # hello first, which blocks until then.
        self.send(0, b"H", json.dumps({
            "kernel": os.uname().release, "hostname": os.uname().nodename,
            "uptime": open("/proc/uptime").read().split()[0]}).encode())
        self.sel.register(self.port, selectors.EVENT_READ, self.frame)
        while True:
            for key, _ in self.sel.select():
                # Unless another key of this round closed it.
                if self.sel.get_map().get(key.fd) is key:
                    key.data()


Agent().main()
