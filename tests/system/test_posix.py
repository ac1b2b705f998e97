#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What people expect of a file system, seen through the kernel's mounts.

As root (not squashed) and as the ordinary users 1000 and 1001.
"""
import re

from env import Env, add_last_cases
from server import make_server
from tap import Suite, equal, same_lines

suite = Suite("posix")


def server_stat(env, path, what) -> list[str]:
    return env.server.shell(f"stat -c '{what}' {path}").split()


@suite.case("df and df -i tell the server's sizes")
def df(env):
    def both(column):
        ask = f"df -B1 --output={column} . | tail -1"
        return int(env.server.shell(ask)), int(env.run(f"cd {env.A}; {ask}"))

    there, here = both("size")
    assert abs(there - here) <= 1 << 20, (there, here)  # counted in wsizes
    there, here = both("avail")     # other people use that disk as well
    assert abs(there - here) < there / 10 + (1 << 24), (there, here)
    ask = "df --output=itotal . | tail -1"
    equal(env.run(f"cd {env.A}; {ask}").split(),
          env.server.shell(ask).split(), "inodes")


@suite.case("touch -d sets times to the nanosecond")
def touch(env):
    env.run(f"cd {env.A}; mkdir times; cd times; echo x >f; ln -s f l; "
            "touch -d '2001-02-03 04:05:06.123456789' f; "
            "touch -h -d '1999-01-01 00:00:00' l; "
            "touch -d '1971-07-07' .")
    expect = {"times/f": "981173106.123456789", "times/l": "915148800",
              "times": "47692800"}
    for path, when in expect.items():
        equal(float(env.server.shell(f"TZ= stat -c %.9Y {path}")),
              float(when), path)
        equal(float(env.run(f"stat -c %.9Y {env.B}/{path}")), float(when),
              path)
    # "Now" is the server's now, also for who may only write.
    env.run(f"touch {env.A}/times/f")
    age = int(env.server.shell(
        "echo $(($(date +%s) - $(stat -c %Y times/f)))"))
    assert -2 <= age <= 60, age


@suite.case("cp -a copies modes, owners, times and links")
def copy(env):
    env.run(f"""set -e
        mkdir /tmp/orig; cd /tmp/orig
        for i in 1 2 3; do head -c {{1..9}}000 /dev/urandom >r$i || :; done
        echo a >r1; mkdir -p d/e; echo b >d/e/f; chmod 4711 r1
        chmod 2770 d; chown 1000:1001 d/e/f r2; ln r1 d/hard; ln -s r1 soft
        mkfifo p; touch -d '2010-10-10 10:10:10.5' d/e/f d/e
        cp -a /tmp/orig {env.A}/copy; sync""", 120)
    what = ("find . -mindepth 1 -type d -printf '%P %m %U %G %n %T@\\n' , "
            "-type p -printf '%P %m %U %G p\\n' , -type l -printf '%P %l\\n' "
            ", -type f -printf '%P %m %U %G %n %s %T@\\n'")
    truth = env.run(f"cd /tmp/orig; {what}")
    same_lines(env.server.shell(f"cd copy; {what}"), truth, "on the server")
    same_lines(env.run(f"cd {env.B}/copy; {what}"), truth, "on the other")
    env.run(f"diff -r --no-dereference -x p /tmp/orig {env.B}/copy")
    # And back by tar, with times.
    env.run(f"mkdir /tmp/back; tar --format=posix -cC {env.B}/copy . "
            "| tar -xpC /tmp/back")
    same_lines(env.run(f"cd /tmp/back; {what}"), truth, "through tar")


@suite.case("a 5 GiB sparse file, and where its holes are")
def sparse(env):
    gib = 1 << 30
    env.guest.python("""
import os, sys
fd = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR)
os.truncate(fd, 5 << 30)
for at in (0, 1 << 30, (9 << 30) // 2):
    os.pwrite(fd, b"here" * 1024, at)
os.fsync(fd)
""", f"{env.B}/sparse", timeout=120)
    equal(server_stat(env, "sparse", "%s"), [str(5 * gib)])
    blocks = int(server_stat(env, "sparse", "%b")[0])
    assert blocks * 512 < 1 << 20, blocks
    find = """
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
at, end = 0, os.fstat(fd).st_size
while at < end:
    try:
        at = os.lseek(fd, at, os.SEEK_DATA)
    except OSError:
        break
    hole = os.lseek(fd, at, os.SEEK_HOLE)
    print(at, hole)
    at = hole
print(os.pread(fd, 4, 9 << 29), os.pread(fd, 4, 3 << 30), end)
"""
    data = "here".encode(), b"\0" * 4, 5 * gib
    islands = "".join(f"{at} {at + 4096}\n" for at in (0, gib, 9 * gib // 2))
    equal(env.guest.python(find, f"{env.B}/sparse").stdout,
          islands + " ".join(map(str, data)) + "\n", "4.2 (SEEK)")
    # 4.1 has no SEEK: all of it is data, and reads the same.
    equal(env.guest.python(find, f"{env.A}/sparse").stdout,
          f"0 {5 * gib}\n" + " ".join(map(str, data)) + "\n", "4.1")
    # Holes punched and space reserved (4.2: DEALLOCATE, ALLOCATE).
    env.run(f"fallocate -p -o {gib} -l 4096 {env.B}/sparse; "
            f"fallocate -o 0 -l 1MiB {env.B}/space; "
            f"fallocate -l 2MiB {env.B}/space; sync")
    equal(server_stat(env, "space", "%s"), [str(2 << 20)])
    out = env.guest.python(find, f"{env.B}/sparse").stdout
    equal(out.splitlines()[1], f"{9 * gib // 2} {9 * gib // 2 + 4096}")
    env.run(f"truncate -s 100 {env.A}/sparse")
    equal(server_stat(env, "sparse", "%s"), ["100"])


@suite.case("fifos, devices, sockets, long symlinks and names")
def specials(env):
    link, name = "t/" * 1999 + "tt", "n" * 255
    equal(len(link), 4000)
    env.run(f"cd {env.A}; mkdir odd; cd odd; mkfifo -m 640 fifo; "
            "mknod -m 600 null c 1 3; mknod block b 7 200; "
            f"touch {name}; mkdir {'d' * 255}; ln -s {link} long; "
            "touch '  spaced  ' $'new\\nline' $'\\xff\\xfe' ümlaut -- -rf")
    env.guest.python("import socket, os, sys; os.chdir(sys.argv[1]); "
                     "socket.socket(socket.AF_UNIX).bind('socket')",
                     f"{env.A}/odd")
    # Names are bytes: both sides print them as hexadecimal.
    what = "cd {}/odd; find . -printf '%P\\t%y\\t%m\\t%l\\0' | sort -z | " \
           "od -An -v -tx1"
    truth = env.server.shell(what.format("."))
    equal(env.run(what.format(env.B)), truth)
    env.run("set -e; "
            f"cd {env.B}/odd; [ $(stat -c %t:%T null) = 1:3 ]; "
            "[ $(stat -c %t:%T block) = 7:c8 ]; "
            "[ -p fifo ]; [ -S socket ]; [ -b block ]; "
            f"[ $(readlink long) = {link} ]; [ -f {name} ]; "
            "echo gone >null; [ -z \"$(cat null)\" ]; "
            "(echo through >fifo &); [ $(cat fifo) = through ]; "
            "[ -e $'\\xff\\xfe' ]")
    r = env.guest.run(f"touch {env.B}/odd/{'n' * 256}", check=False)
    assert "File name too long" in r.stderr, r
    env.run(f"rm -r {env.B}/odd")


# Who does what in the directory that MAKE makes, and the error to expect; ""
# is success.
PERMISSIONS = [
    ("1000", "cat private", "Permission denied"),
    ("1000", "echo x >>private", "Permission denied"),
    ("1000", "ls hidden", "Permission denied"),
    ("1000", "cat hidden/file", "Permission denied"),
    ("1000", "touch readonly/new", "Permission denied"),
    ("1000", "rm readonly/file", "Permission denied"),
    ("1000", "mkdir readonly/new", "Permission denied"),
    ("1000", "mv readonly/file open/", "Permission denied"),
    ("1000", "ln -s x readonly/l", "Permission denied"),
    ("1000", "chmod 777 private", "Operation not permitted"),
    ("1000", "chown 1000 private", "Operation not permitted"),
    ("1000", "touch -d yesterday shared-write", "Operation not permitted"),
    ("1000", "touch shared-write", ""),
    ("1000", "cat searchable/file", ""),
    ("1000", "ls searchable", "Permission denied"),
    ("1000", "mknod open/dev c 1 3", "Operation not permitted"),
    ("1000", "mkfifo open/fifo", ""),
    ("1000", "(umask 027; touch open/masked; mkdir open/masked-dir)", ""),
    ("1000", "[ $(stat -c %a open/masked open/masked-dir | "
     "xargs | tr ' ' -) = 640-750 ]",
     ""),
    ("1000", "umask 0; touch open/mine; "
     "[ $(stat -c %a:%u:%g open/mine) = 666:1000:1000 ]",
     ""),
    ("1000", "chmod 200 open/mine; cat open/mine", "Permission denied"),
    ("1000", "echo more >>open/mine", ""),
    ("1000", "chmod 400 open/mine; "
     "echo more >>open/mine",
     "Permission denied"),
    ("1000", "chgrp 1001 open/mine", "Operation not permitted"),
    ("1000", "chown 1001 open/mine", "Operation not permitted"),
    ("1000", "install -m 444 /dev/null open/read-only-from-birth", ""),
    ("1000", 'python3 -c "import os; '
     'fd = os.open(\'open/ro\', os.O_CREAT | os.O_WRONLY, 0o444); '
     'os.write(fd, b\'x\')"',
     ""),
    ("1001", "rm sticky/of-1000", "Operation not permitted"),
    ("1001", "mv sticky/of-1000 sticky/other", "Operation not permitted"),
    ("1001", "touch sticky/of-1001; "
     "mv -f sticky/of-1001 sticky/of-1000",
     "Operation not permitted"),
    ("1000", "mv sticky/of-1000 sticky/moved; rm sticky/moved", ""),
    ("1000+1001", "touch setgid/f; mkdir setgid/d; "
     "[ $(stat -c %g setgid/f) = 1001 ]",
     ""),
    ("1000+1001", "[ $(stat -c %g:%a setgid/d) = 1001:2755 ]", ""),
    ("1000", "touch setgid/f2; chmod 2755 setgid/f2; "
     "[ $(stat -c %a setgid/f2) = 755 ]",
     ""),
    ("1000+1001", "chgrp 1001 open/mine; "
     "[ $(stat -c %g open/mine) = 1001 ]",
     ""),
    ("1001", "echo x >>suid; [ $(stat -c %a suid) = 777 ]", ""),
    ("1001", "echo x >>sgid; [ $(stat -c %a sgid) = 777 ]", ""),
    ("1001", "truncate -s 1 suid2; [ $(stat -c %a suid2) = 777 ]", ""),
    ("0", "chown 1001 suid3; [ $(stat -c %a suid3) = 755 ]", ""),
    ("1000", "./runs-only WHO", "hello from 1000"),
    ("1000", "cat runs-only", "Permission denied"),
    ("1000", "./script", "hello from 1000"),
    ("1000", "./no-exec", "Permission denied"),
    ("1000", "rmdir readonly", "Permission denied"),
    ("1000", "rmdir sticky", "Permission denied"),
]

MAKE = """set -e; umask 022; mkdir -m 755 $D; cd $D
echo secret >private; chmod 600 private
mkdir hidden readonly open searchable sticky setgid
for d in hidden readonly searchable; do echo $d >$d/file; done
chmod 700 hidden; chmod 755 readonly; chmod 777 open; chmod 711 searchable
chmod 1777 sticky; chgrp 1001 setgid; chmod 2777 setgid
touch shared-write; chmod 666 shared-write
touch sticky/of-1000; chown 1000 sticky/of-1000
for f in suid sgid suid2 suid3; do
	cp /usr/bin/true $f; chown 1000:1000 $f; chmod 777 $f; done
chmod u+s suid suid2; chmod g+s sgid; chmod 4755 suid3
cp /usr/bin/printenv runs-only; chmod 111 runs-only
printf '#!/bin/sh\necho hello from $(id -u)\n' >script; chmod 555 script
cp script no-exec; chmod 644 no-exec
"""


@suite.case("permissions, sticky, setgid, suid: as for local files")
def permissions(env):
    wrong = []
    for name, mount in (("u41", env.A), ("u42", env.B)):
        d = f"{mount}/{name}"
        env.run(f"D={d}\n{MAKE}", 120)
        for who, command, expected in PERMISSIONS:
            uid, *groups = map(int, who.split("+"))
            r = env.guest.run(command, cwd=d, user=uid, groups=groups,
                              env={"WHO": "hello from 1000"}, check=False)
            said = (r.stdout + r.stderr).strip()
            if not (expected in said if expected else r.rc == 0):
                wrong.append(f"{name}: {who}: {command}\n  expected "
                             f"{expected or 'success'}, got {r.rc} {said}")
    equal("\n".join(wrong), "")


@suite.case("extended attributes")
def xattrs(env):
    env.run(f"cd {env.B}; mkdir x; cd x; echo 1 >f; "
            "setfattr -n user.colour -v blue f; "
            "setfattr -n user.empty f; setfattr -n user.d -v dir .")
    equal(env.run(f"getfattr --only-values -n user.colour {env.B}/x/f"),
          "blue")
    equal(re.findall(r"user\.\w+", env.run(f"getfattr -d {env.B}/x/f")),
          ["user.colour", "user.empty"])
    equal(env.server.shell("python3 -c \"import os; print(os.getxattr("
                           "'x/f', 'user.colour').decode())\"").strip(),
          "blue")
    env.run(f"setfattr -x user.colour {env.B}/x/f")
    r = env.guest.run(f"getfattr -n user.colour {env.B}/x/f", check=False)
    assert "No such attribute" in r.stderr, r


@suite.case("an open file that was removed or replaced still reads")
def unlinked(env):
    env.guest.python("""
import os, sys
os.chdir(sys.argv[1])
for how in ("unlink", "rename"):
    f = open("victim", "w+")
    f.write("still here"); f.flush(); os.fsync(f.fileno())
    if how == "unlink":
        os.unlink("victim")
    else:
        open("other", "w").write("new")
        os.rename("other", "victim")
    f.seek(0)
    assert f.read() == "still here"
    f.write(", and more"); f.flush(); os.fsync(f.fileno())
    f.seek(0)
    assert f.read() == "still here, and more"
    f.close()
assert open("victim").read() == "new"
""", env.A)
    equal(env.server.shell("ls -A | grep nfs || true"), "")
    # Removed by the other client: open files need not survive that on NFS,
    # but with state held by the server they do until the last close.
    holder = env.guest.start(f"exec 3<{env.A}/victim; read x; cat <&3",
                             stdin=None)
    env.run(f"sleep 1; rm {env.B}/victim")
    holder.send(b"\n")
    holder.close_stdin()
    equal(holder.wait().stdout, "new")


@suite.case("root is nobody, unless the server was told otherwise")
def squashed(env):
    with make_server(root_squash=True) as server:
        server.shell("echo secret >private; chmod 600 private; mkdir own; "
                     "chmod 755 own; echo public >public")
        env.guest.mount("/", "/mnt/squash", port=server.port)
        for command, error in (
                ("cat private", "Permission denied"),
                ("touch own/new", "Permission denied"),
                ("chown 1000 public", "Operation not permitted"),
                ("rm public", "Operation not permitted"),       # sticky
                ("mknod device c 1 3", "Operation not permitted")):
            r = env.guest.run(command, cwd="/mnt/squash", check=False)
            assert error in r.stderr, (command, r)
        env.run("cat public; touch made; mkdir dir; echo x >dir/x",
                cwd="/mnt/squash")
        equal(server.shell("stat -c %u:%g made dir dir/x").split(),
              ["65534:65534"] * 3)
        # Other users are who they are.
        env.run("touch mine; rm mine; touch mine", cwd="/mnt/squash",
                user=1000)
        equal(server.shell("stat -c %u:%g mine").split(), ["1000:1000"])
        env.guest.umount("/mnt/squash")
        equal(server.problems(), [])
        server.stop()


add_last_cases(suite)

if __name__ == "__main__":
    suite.main(lambda: Env("bob"))
