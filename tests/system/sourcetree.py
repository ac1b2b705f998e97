# SPDX-License-Identifier: MIT
"""A source tree out of nothing, the same one each time.

Shaped like a real one: many small files, few large ones, nested directories,
some executables, symlinks and empty files, old times.  Made here rather than
found, so that every machine tests the same thing and nothing is fetched.
"""
import hashlib
import io
import random
import tarfile
from dataclasses import dataclass

FILES = 2200
TREE_TIME = 1_000_000_000


@dataclass
class Entry:
    path: str
    kind: str               # "d", "f", "l"
    mode: int
    mtime: int
    data: bytes = b""       # a symlink's target
    sha: str = ""


def text(rng, size) -> bytes:
    words = ["static", "int", "return", "struct", "node", "if", "(err)", "{",
             "}", "/* why */", "\n\t", "\n\n", "goto fail;", "#include"]
    out = "".join(rng.choice(words) + " " for _ in range(size // 5 + 1))
    return out[:size].encode()


def entries(files=FILES, seed=1) -> list[Entry]:
    rng = random.Random(seed)
    dirs, result = ["src"], []
    for i in range(files // 15):
        dirs.append(f"{rng.choice(dirs[-40:])}/part{i}")
    for i in range(files):
        size = int(min(rng.lognormvariate(7.6, 1.3), 300_000))
        data = b"" if i % 97 == 0 else text(rng, size)
        result.append(Entry(
            f"{rng.choice(dirs)}/file-{i}.{rng.choice(['c', 'h', 'py'])}",
            "f", 0o755 if i % 23 == 0 else 0o644, TREE_TIME + i * 1000, data,
            hashlib.sha256(data).hexdigest()))
    for i in range(files // 100):
        result.append(Entry(f"{rng.choice(dirs)}/link-{i}", "l", 0o777,
                            TREE_TIME, f"file-{i}.c".encode()))
    result += [Entry(d, "d", 0o755, TREE_TIME + 7 * i)
               for i, d in enumerate(dirs)]
    return sorted(result, key=lambda e: e.path)


def archive(tree) -> bytes:
    """The tree as a tar file.

    Directories come last: their times are set after their contents."""
    buf = io.BytesIO()
    with tarfile.open(fileobj=buf, mode="w") as tar:
        for e in sorted(tree, key=lambda e: e.kind == "d"):
            info = tarfile.TarInfo(e.path)
            info.type = {"d": tarfile.DIRTYPE, "f": tarfile.REGTYPE,
                         "l": tarfile.SYMTYPE}[e.kind]
            info.mode, info.mtime = e.mode, e.mtime
            if e.kind == "l":
                info.linkname = e.data.decode()
                tar.addfile(info)
            else:
                info.size = len(e.data)
                tar.addfile(info, io.BytesIO(e.data))
    return buf.getvalue()


def checksums(tree) -> str:
    """As `find -type f | xargs sha256sum` prints it."""
    return "".join(f"{e.sha}  {e.path}\n" for e in tree if e.kind == "f")


def listing(tree) -> str:
    """As `find -printf '%P %y %m %s %Ts %l\\n'` prints it; directories
    without their sizes."""
    return "".join(
        f"{e.path} {e.kind} {e.mode:o} "
        f"{'-' if e.kind == 'd' else len(e.data)} "
        f"{'-' if e.kind == 'l' else e.mtime} "
        f"{e.data.decode() if e.kind == 'l' else ''}\n" for e in tree)
