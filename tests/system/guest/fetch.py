#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Fetch a Linux 7.x kernel and build the guest's root file system.

Everything comes from Debian: the kernel from trixie-backports (Debian's first
knfsd that sends CB_NOTIFY is 7.3), the userland from trixie.  The host's own
apt sources and package database are never touched: apt runs with a private
configuration, an empty status file and a cache of its own, so that it resolves
the whole closure of packages as if nothing were installed.

Packages are unpacked, not installed: no maintainer script runs and nothing is
chrooted, which makes the build fast, repeatable and independent of the host.

Result, in ${HERALD_CACHE:-~/.cache/herald}/guest/<recipe>/:

    vmlinuz     the kernel
    vmlinux     the same, unpacked (boots faster under emulation)
    initrd      busybox and the modules that find the root file system
    root.ext4   the root file system, mounted read-only under a tmpfs overlay
    manifest    every package and its version

<recipe> is a hash of the files that decide what is built, so a change of the
recipe makes a new directory and an unchanged recipe costs nothing.  The
directory is built aside and renamed; an interrupted build leaves nothing that
would be mistaken for a result.  --update asks Debian for newer packages.
"""
import argparse
import fcntl
import hashlib
import lzma
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
RECIPE = ("fetch.py", "initrd-init", "guest-init", "agent.py")
FILES = ("vmlinuz", "initrd", "root.ext4", "manifest")
MIRROR = os.environ.get("HERALD_DEBIAN_MIRROR",
                        "http://deb.debian.org/debian")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
HOST_PACKAGES = ("qemu-system-x86", "e2fsprogs", "util-linux",
                 "debian-archive-keyring")

# The cloud kernel has all we need and is a third of the general one:
# virtio_pci, virtio_console and ext4 are built in.
KERNEL = "linux-image-cloud-amd64"
PACKAGES = """
    acl attr base-files base-passwd bash bsdutils busybox-static coreutils
    dash diffutils e2fsprogs findutils git grep gzip hostname iproute2 kmod
    libc-bin mawk mount netbase nfs-common nfs-kernel-server perl-base procps
    python3 rsync sed strace sysvinit-utils tar util-linux zstd
""".split()
# Dependencies that only matter to maintainer scripts, boot loaders or people.
SKIP = re.compile(r"""
    (adduser|cpio|debconf|debianutils|dmsetup|dpkg|dracut.*|git-man
    |init-system-helpers|liberror-perl|libperl5.*|libpython3-stdlib-doc
    |linux-base|login\.defs|media-types|openssl-provider-legacy|passwd|perl
    |perl-modules.*|rpcbind|sensible-utils|systemd|libsystemd-shared|tzdata
    |ucf|udev|libtext-.*-perl|libpam-.*)$
""", re.X)
# Modules the initrd loads before there is a root file system.
EARLY_MODULES = ("virtio_blk", "overlay", "virtio_net")
EXCLUDE = ["./usr/share/" + d for d in
           ("doc", "man", "info", "locale", "lintian", "bug", "gitweb",
            "bash-completion", "perl5")]


def cache_root() -> Path:
    base = os.environ.get("HERALD_CACHE")
    return (Path(base) if base else Path.home() / ".cache/herald") / "guest"


def recipe() -> str:
    h = hashlib.sha256()
    for name in RECIPE:
        h.update((HERE / name).read_bytes())
    return h.hexdigest()[:12]


def result_dir() -> Path:
    return cache_root() / recipe()


def is_complete(d: Path) -> bool:
    return all((d / f).exists() for f in FILES)


def say(text: str) -> None:
    print(f"guest: {text}", file=sys.stderr, flush=True)


def run(*argv, **kw):
    """Run a program; its output is shown only when it fails."""
    r = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, **kw)
    if r.returncode:
        sys.stderr.buffer.write(r.stdout)
        raise SystemExit(f"guest: {argv[0]} failed ({r.returncode})")
    return r.stdout.decode(errors="replace")


def install_host_packages() -> None:
    """QEMU and mke2fs from the host's own Debian, when they are missing."""
    if "/usr/sbin" not in os.environ["PATH"].split(":"):
        os.environ["PATH"] += ":/usr/sbin:/sbin"
    tools = ("qemu-system-x86_64", "mke2fs", "setpriv")
    if all(map(shutil.which, tools)) and os.path.exists(KEYRING):
        return
    if os.geteuid() != 0:
        raise SystemExit("guest: as root: apt-get install "
                         "--no-install-recommends " + " ".join(HOST_PACKAGES))
    say("installing " + " ".join(HOST_PACKAGES))
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "-q", "update"], env=env,
                   stdout=subprocess.DEVNULL)
    run("apt-get", "-qy", "install", "--no-install-recommends",
        *HOST_PACKAGES, env=env)


class Apt:
    """apt with a configuration, a state and a cache of its own."""

    def __init__(self, root: Path):
        self.archives = root / "cache/archives"
        for d in ("etc/preferences.d", "state/lists/partial",
                  "cache/archives/partial"):
            (root / d).mkdir(parents=True, exist_ok=True)
        (root / "state/status").touch()
        (root / "etc/sources.list").write_text("".join(
            f"deb [signed-by={KEYRING}] {MIRROR} {suite} main\n"
            for suite in ("trixie", "trixie-updates", "trixie-backports")))
        # How to reach the network (proxies, certificates) is the host's
        # business; what to fetch is ours.
        dump = subprocess.run(["apt-config", "dump"], check=True, text=True,
                              stdout=subprocess.PIPE).stdout
        network = [line for line in dump.splitlines()
                   if re.match(r"Acquire::(https?|ftp|Retries|Check)\b",
                               line)]
        (root / "apt.conf").write_text("\n".join(network + [
            f'Dir::Etc "{root}/etc";',
            'Dir::Etc::sourceparts "/dev/null";',
            'Dir::Etc::parts "/dev/null";',
            f'Dir::State "{root}/state";',
            f'Dir::State::status "{root}/state/status";',
            f'Dir::Cache "{root}/cache";',
            'Acquire::Languages "none";',
            'APT::Architecture "amd64";',
            'APT::Architectures { "amd64"; };',
            'APT::Install-Recommends "false";',
            'APT::Sandbox::User "root";' if os.geteuid() == 0 else "",
        ]) + "\n")
        self.env = {**os.environ, "APT_CONFIG": str(root / "apt.conf"),
                    "LC_ALL": "C"}

    def __call__(self, *args, **kw):
        return run("apt-get", "-q", *args, env=self.env, **kw)

    def closure(self) -> list[tuple[str, str]]:
        """(package, version) of all we want and all that it needs."""
        out = self("install", "--simulate", KERNEL + "/trixie-backports",
                   *PACKAGES)
        inst = re.findall(r"^Inst (\S+) \((\S+) ", out, re.M)
        return sorted(p for p in inst if not SKIP.match(p[0]))

    def download(self, packages) -> list[Path]:
        """The packages as files; those already here are not fetched."""
        def path(name, version):
            hits = self.archives.glob(
                f"{name}_{version.replace(':', '%3a')}_*.deb")
            return next(hits, None)
        missing = [p for p in packages if not path(*p)]
        if missing:
            self("download", *(f"{n}={v}" for n, v in missing),
                 cwd=self.archives)
        return [path(*p) for p in packages]


def unpack(deb: Path, root: Path) -> None:
    tar = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb],
                           stdout=subprocess.PIPE)
    run("tar", "-x", "-C", root, "--keep-directory-symlink",
        *(f"--exclude={e}" for e in EXCLUDE), stdin=tar.stdout)
    tar.stdout.close()
    if tar.wait():
        raise SystemExit(f"guest: cannot unpack {deb.name}")


def finish_root(root: Path) -> None:
    """What the maintainer scripts would have done, as far as we need it."""
    def write(path, text, mode=0o644):
        p = root / path
        p.parent.mkdir(parents=True, exist_ok=True)
        p.unlink(missing_ok=True)
        p.write_text(text)
        p.chmod(mode)
    for d in ("proc", "sys", "dev", "run", "tmp", "mnt", "srv", "herald"):
        (root / d).mkdir(exist_ok=True)
    for name in ("passwd", "group"):
        master = (root / f"usr/share/base-passwd/{name}.master").read_text()
        extra = {"passwd": "statd:x:106:65534::/var/lib/nfs:/bin/false\n"
                           "user:x:1000:1000::/home/user:/bin/bash\n"
                           "other:x:1001:1001::/home/other:/bin/bash\n",
                 "group": "user:x:1000:\nother:x:1001:\n"}[name]
        write("etc/" + name, master.replace(":*:", ":x:") + extra)
    for uid, name in ((1000, "user"), (1001, "other")):
        home = root / "home" / name
        home.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(home, uid, uid)
    write("etc/hosts", "127.0.0.1 localhost\n10.0.2.2 host\n")
    write("etc/nsswitch.conf", "passwd: files\ngroup: files\n"
          "hosts: files\nprotocols: files\nservices: files\n")
    # Version 4 only: without this rpc.nfsd and rpc.mountd look for rpcbind.
    write("etc/nfs.conf", "[nfsd]\nvers3=n\nvers4=y\nvers4.0=n\nvers4.1=y\n"
          "vers4.2=y\nudp=n\n[mountd]\nreverse-lookup=n\n")
    write("etc/gitconfig", "[user]\n\tname = Guest\n\temail = guest@example\n"
          "[safe]\n\tdirectory = *\n[init]\n\tdefaultBranch = main\n")
    write("etc/exports", "")
    for d in ("v4recovery", "rpc_pipefs", "nfsdcltrack", "nfsdcld", "sm"):
        (root / "var/lib/nfs" / d).mkdir(parents=True, exist_ok=True)
    for name in ("etab", "rmtab"):
        write("var/lib/nfs/" + name, "")
    awk = root / "usr/bin/awk"
    if not awk.is_symlink():
        awk.symlink_to("mawk")
    shutil.copy(HERE / "guest-init", root / "herald/init")
    shutil.copy(HERE / "agent.py", root / "herald/agent.py")
    (root / "herald/init").chmod(0o755)


class Foreign:
    """Runs the guest's own programs on the host by their own loader.

    So the build depends on no tool of the host's, and needs no chroot."""

    def __init__(self, root: Path):
        lib = root / "usr/lib/x86_64-linux-gnu"
        self.root = root
        self.loader = [root / "usr/lib64/ld-linux-x86-64.so.2",
                       "--library-path", lib, "--argv0"]

    def argv(self, name, program, *args):
        return [*self.loader, name, self.root / "usr/bin" / program, *args]


def compile_python(root: Path) -> None:
    """Byte code, which a package's postinst makes: halves the boot in TCG."""
    lib = next((root / "usr/lib").glob("python3.*"))
    env = {**os.environ, "PYTHONHOME": str(root / "usr")}
    run(*Foreign(root).argv("python3", lib.name, "-m", "compileall", "-q",
                            "--invalidation-mode", "unchecked-hash",
                            "-s", root, "-p", "/", lib, root / "herald"),
        env=env)
    cache = root / "herald/__pycache__"
    next(cache.glob("agent.*.pyc")).rename(root / "herald/agent.pyc")
    cache.rmdir()


def plain_kernel(root: Path, vmlinuz: Path) -> bytes:
    """The ELF kernel out of its compressed wrapping (boot.rst, 1.16).

    QEMU starts it directly (PVH), which saves an emulated guest from
    decompressing it; b"" when it is not packed the way we know.
    """
    image = vmlinuz.read_bytes()
    start, length = struct.unpack_from("<II", image, 0x248)
    start += ((image[0x1f1] or 4) + 1) * 512
    packed = image[start:start + length - 4]    # the last 4 are the size
    if not packed.startswith(b"\x28\xb5\x2f\xfd"):
        return b""
    r = subprocess.run(Foreign(root).argv("zstd", "zstd", "-dcq"),
                       input=packed, stdout=subprocess.PIPE)
    return r.stdout if r.returncode == 0 else b""


def finish_modules(root: Path) -> str:
    """Unpack the modules (xz is slow in an emulated guest); run depmod."""
    version = next((root / "usr/lib/modules").iterdir()).name
    base = root / "usr/lib/modules" / version

    def plain(xz: Path) -> None:
        xz.with_suffix("").write_bytes(lzma.decompress(xz.read_bytes()))
        xz.unlink()
    with ThreadPoolExecutor() as pool:
        list(pool.map(plain, base.rglob("*.ko.xz")))
    run(*Foreign(root).argv("depmod", "kmod", "-b", root, version))
    return version


def module_order(base: Path, names) -> list[Path]:
    """The modules and what they depend on, in loading order."""
    deps = {}
    for line in (base / "modules.dep").read_text().splitlines():
        path, _, needs = line.partition(":")
        deps[path] = needs.split()
    by_name = {Path(p).stem.replace("-", "_"): p for p in deps}
    order = []

    def add(path):
        for need in deps[path]:
            add(need)
        if path not in order:
            order.append(path)
    for name in names:
        add(by_name[name])
    return [base / p for p in order]


def cpio(entries) -> bytes:
    """A newc archive; entries are (path, mode, data)."""
    out = bytearray()

    def pad():
        out.extend(bytes(-len(out) % 4))
    trailer = ("TRAILER!!!", 0, b"")
    for ino, (path, mode, data) in enumerate([*entries, trailer], 1):
        name = path.encode() + b"\0"
        fields = (ino, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
        out += b"070701" + b"".join(b"%08x" % f for f in fields) + name
        pad()
        out += data
        pad()
    return bytes(out)


def make_initrd(root: Path, version: str) -> bytes:
    base = root / "usr/lib/modules" / version
    entries = [(d, 0o040755, b"") for d in
               ("bin", "dev", "proc", "sys", "lower", "rw", "root", "modules")]
    entries += [("bin/busybox", 0o100755,
                 (root / "usr/bin/busybox").read_bytes()),
                ("bin/sh", 0o120777, b"busybox"),
                ("init", 0o100755, (HERE / "initrd-init").read_bytes())]
    # insmod takes them by name order
    entries += [(f"modules/{i:02}-{m.name}", 0o100644, m.read_bytes())
                for i, m in enumerate(module_order(base, EARLY_MODULES))]
    return cpio(entries)


def make_image(root: Path, image: Path) -> None:
    size = int(run("du", "-sk", "--apparent-size", root).split()[0])
    files = int(run("du", "-s", "--inodes", root).split()[0])
    owner = [] if os.geteuid() == 0 else ["-E", "root_owner=0:0"]
    run("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-m", "0",
        "-b", "4096", "-N", files + 1000, *owner, "-d", root, image,
        f"{int(size * 1.15) + files * 2 + 16384}k")


def build(target: Path, update: bool) -> None:
    cache = cache_root()
    apt = Apt(cache / "apt")
    say("asking Debian for its package lists")
    apt("update")
    packages = apt.closure()
    manifest = "".join(f"{n} {v}\n" for n, v in packages)
    if update and is_complete(target) \
            and (target / "manifest").read_text() == manifest:
        say("already the newest packages")
        return
    say(f"fetching {len(packages)} packages")
    debs = apt.download(packages)
    work = Path(tempfile.mkdtemp(prefix="build-", dir=cache))
    try:
        root, out = work / "root", work / "out"
        root.mkdir()
        out.mkdir()
        work.chmod(0o755)
        say("unpacking")
        # base-files brings the symlinks /bin -> usr/bin: it must be first
        for deb in sorted(debs, key=lambda d: "base-files_" not in d.name):
            unpack(deb, root)
        finish_root(root)
        version = finish_modules(root)
        compile_python(root)
        say(f"building the image, Linux {version}")
        kernel = root / "usr/lib/modules" / version
        shutil.copy(kernel / "vmlinuz", out / "vmlinuz")
        if elf := plain_kernel(root, kernel / "vmlinuz"):
            (out / "vmlinux").write_bytes(elf)
        shutil.copy(kernel / "config", out / "config")
        for name in ("vmlinuz", "System.map"):
            (kernel / name).unlink(missing_ok=True)
        (out / "initrd").write_bytes(make_initrd(root, version))
        make_image(root, out / "root.ext4")
        (out / "manifest").write_text(manifest)
        if target.exists():
            target.rename(work / "old")
        out.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def ensure(update: bool = False) -> Path:
    """The directory with kernel and images; builds it when needed."""
    install_host_packages()
    target = result_dir()
    if is_complete(target) and not update:
        return target
    cache_root().mkdir(parents=True, exist_ok=True)
    with open(cache_root() / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if update or not is_complete(target):
            for left in cache_root().glob("build-*"):
                shutil.rmtree(left, ignore_errors=True)
            build(target, update)
    return target


def main() -> None:
    p = argparse.ArgumentParser(description="fetch the guest's kernel and "
                                "root file system; print where they are")
    p.add_argument("--update", action="store_true",
                   help="rebuild when Debian has newer packages")
    print(ensure(p.parse_args().update))


if __name__ == "__main__":
    main()
