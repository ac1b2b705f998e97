# SPDX-License-Identifier: MIT
"""The kernel's own NFS server, in a guest."""
import re

from .guest import Guest, GuestError


class Knfsd:
    """knfsd in a guest, exporting one directory as its root (fsid=0).

    Reachable in the guest on 127.0.0.1:2049, and from this machine on
    127.0.0.1:k.port when the guest was made with hostfwd=(2049,).

    The exported directory is an ext4 file system, because a tmpfs and an
    overlay are not what people export: on the guest's disk when it has one
    (then it survives Guest.kill()), else on a loop device in its memory.

    lease_s     knfsd's lease and grace time in seconds (at least 10).
    """

    MOUNT = "/srv/knfsd"

    def __init__(self, guest: Guest, *, size_mib=256,
                 options="rw,no_root_squash,insecure,sync,no_subtree_check",
                 threads=8, lease_s=15):
        self.guest, self.path = guest, self.MOUNT + "/export"
        self.options, self.threads = options + ",fsid=0", threads
        self.lease_s = lease_s
        self._make_fs(size_mib)
        self.start()

    @property
    def port(self) -> int:
        """The server's port on this machine's 127.0.0.1."""
        if 2049 not in self.guest.port:
            raise GuestError("make the guest with hostfwd=(2049,)")
        return self.guest.port[2049]

    def _make_fs(self, size_mib) -> None:
        device = "/dev/vdb" if self.guest.disk else "/tmp/knfsd.img"
        self.guest.run(f"""
            set -e
            modprobe loop
            [ -b {device} ] || truncate -s {size_mib}M {device}
            [ -n "$(blkid -o value -s TYPE {device})" ] ||
                mkfs.ext4 -q -F -b 4096 -E lazy_itable_init=1 {device}
            mkdir -p {self.MOUNT}
            mountpoint -q {self.MOUNT} || mount {device} {self.MOUNT}
            mkdir -p {self.path} {self.MOUNT}/clients
        """)

    def start(self) -> None:
        """Load nfsd, its helpers and the export; start serving.

        nfsdcld remembers clients beside the export, on the same disk: with
        it, and no client to wait for, the grace period ends at once.
        """
        self.guest.run(f"""
            set -e
            modprobe nfsd
            mountpoint -q /proc/fs/nfsd || mount -t nfsd nfsd /proc/fs/nfsd
            mountpoint -q /var/lib/nfs/rpc_pipefs ||
                mount -t rpc_pipefs rpc_pipefs /var/lib/nfs/rpc_pipefs
            echo {self.lease_s} >/proc/fs/nfsd/nfsv4leasetime
            echo {self.lease_s} >/proc/fs/nfsd/nfsv4gracetime
            pidof nfsdcld >/dev/null || nfsdcld -s {self.MOUNT}/clients
            pidof rpc.mountd >/dev/null ||
                rpc.mountd --no-nfs-version 3 --num-threads=2
            exportfs -o {self.options} 10.0.2.0/24:{self.path}
            exportfs -o {self.options} 127.0.0.1:{self.path}
            rpc.nfsd --no-nfs-version 3 --no-udp {self.threads}
        """)

    def stop(self) -> None:
        """Stop serving.  Clients are remembered, as over a reboot."""
        self.guest.run("rpc.nfsd 0; exportfs -ua; "
                       "for d in nfsdcld rpc.mountd; do "
                       "p=$(pidof $d) && kill $p; "
                       "while pidof $d >/dev/null; do sleep 0.05; done; done")

    def restart(self) -> None:
        self.stop()
        self.start()

    def end_grace(self) -> None:
        self.guest.run("echo Y >/proc/fs/nfsd/v4_end_grace")

    def states(self) -> str:
        """What knfsd holds for its clients: opens, locks, delegations."""
        return self.guest.run("cat /proc/fs/nfsd/clients/*/states "
                              "2>/dev/null", check=False).stdout

    def delegations(self) -> dict[str, set[str]]:
        """The delegations held: {"/dir": {"r"}, "/dir/file": {"wa"}}.

        Found by inode, because knfsd prints only the last two components.
        """
        held = re.findall(r'type: deleg, access: (\w+),.*:(\d+)"',
                          self.states())
        names = dict(line.split(" ", 1) for line in self.guest.run(
            f"cd {self.path} && find . -printf '%i /%P\\n'")
            .stdout.splitlines())
        result = {}
        for access, inode in held:
            result.setdefault(names.get(inode, "#" + inode), set()).add(access)
        return result

    def holders(self, where) -> set[str]:
        """The names of the clients that hold a delegation of a directory."""
        return set(self.guest.run(f"""
            inode=$(stat -c %i {self.path}/{where})
            cd /proc/fs/nfsd/clients
            for c in *; do
                grep -qs "type: deleg,.*:$inode\\"" $c/states &&
                    sed -n 's/^name: "\\(.*\\)"$/\\1/p' $c/info
            done""", check=False).stdout.splitlines())

    def clients(self) -> str:
        return self.guest.run("cat /proc/fs/nfsd/clients/*/info 2>/dev/null",
                              check=False).stdout
