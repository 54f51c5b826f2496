# SPDX-License-Identifier: GPL-3.0-or-later
"""A root file system for systemd-nspawn: files of this machine's own Debian packages and what `cmake --install` installs.
Nothing is downloaded. The packages' part is kept in BUILD/systemd-root and made anew when a version changes."""
import fcntl
import hashlib
import os
import re
import shutil
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("CTDB_BUILD", os.path.join(ROOT, "build", "dev"))
# What a machine that runs our units needs, and what the tests run there.
WANTED = ["systemd", "bash", "dash", "coreutils", "util-linux", "procps", "iproute2", "nftables", "python3", "grep", "sed"]
MERGED = ("bin", "sbin", "lib", "lib64")


def runtime_packages():
    """Those that `install-deps --runtime` names."""
    with open(os.path.join(ROOT, "install-deps")) as script:
        return re.search(r"^runtime=\(([^)]*)\)", script.read(), re.M).group(1).split()


def installed_packages():
    """{name: (version, [alternatives of a dependency, …])}, and who provides what."""
    packages, provided = {}, {}
    with open("/var/lib/dpkg/status") as status:
        for paragraph in status.read().split("\n\n"):
            fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", paragraph, re.M))
            if not fields.get("Status", "").endswith(" installed"):
                continue
            needs = ", ".join(fields[key] for key in ("Pre-Depends", "Depends") if key in fields)
            groups = [[bare(one) for one in group.split("|")] for group in needs.split(",") if group.strip()]
            packages[fields["Package"]] = (fields["Version"], groups)
            for name in fields.get("Provides", "").split(","):
                provided.setdefault(bare(name), fields["Package"])
    return packages, provided


def bare(dependency):
    return re.sub(r"\(.*?\)|:\w+", "", dependency).strip()


def closure(wanted):
    packages, provided = installed_packages()
    found, waiting = {}, list(wanted)
    while waiting:
        name = waiting.pop()
        name = name if name in packages else provided.get(name)
        if name is None or name in found:
            continue
        found[name], groups = packages[name]
        for group in groups:
            waiting += [one for one in group if one in packages or one in provided][:1]
    missing = [name for name in wanted if name not in found]
    if missing:
        raise RuntimeError(f"not installed: {' '.join(missing)} (run ./install-deps)")
    return found


def copy_packages(names, target):
    for name in MERGED:
        os.makedirs(os.path.join(target, "usr", name), exist_ok=True)
        os.symlink(f"usr/{name}", os.path.join(target, name))
    listed = subprocess.run(["dpkg-query", "-L", *names], capture_output=True, text=True, check=True).stdout
    skipped = re.compile(r"/usr/share/(doc|man|locale|info|lintian|perl)/|/boot/")
    paths = [path[1:] for path in listed.split("\n") if path.startswith("/") and not skipped.match(path)]
    paths = [path for path in paths if path and path not in MERGED and not os.path.isdir("/" + path)]
    archive = subprocess.run(["tar", "--create", "--no-recursion", "--files-from=-"], input="\n".join(paths).encode(),
                             stdout=subprocess.PIPE, check=True, cwd="/").stdout
    subprocess.run(["tar", "--extract", "--keep-directory-symlink"], input=archive, check=True, cwd=target)


def write(target, name, text):
    path = os.path.join(target, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as out:
        out.write(text)


def make_bootable(target):
    for name in ("proc", "sys", "dev", "run", "tmp", "root", "var/lib", "var/log/journal", "etc/systemd/system"):
        os.makedirs(os.path.join(target, name), exist_ok=True)
    os.chmod(os.path.join(target, "tmp"), 0o1777)
    write(target, "etc/passwd", "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/usr/sbin/nologin\n")
    write(target, "etc/group", "root:x:0:\nnogroup:x:65534:\n")
    write(target, "etc/nsswitch.conf", "passwd: files systemd\ngroup: files systemd\nhosts: files\n")
    write(target, "etc/machine-id", "")
    write(target, "etc/os-release", "ID=debian\n")
    for unit in ("console-getty.service", "getty.target", "systemd-logind.service", "systemd-networkd.service",
                 "systemd-update-utmp.service", "systemd-firstboot.service", "systemd-timesyncd.service",
                 "systemd-udevd.service", "dev-hugepages.mount", "dev-mqueue.mount", "remote-fs.target"):
        os.symlink("/dev/null", os.path.join(target, "etc/systemd/system", unit))


def base_root():
    packages = closure(WANTED + runtime_packages())
    with open(__file__, "rb") as recipe:
        key = recipe.read() + "".join(sorted(f"{n}={v}\n" for n, v in packages.items())).encode()
    kept = os.path.join(BUILD, "systemd-root")
    stamp = os.path.join(kept, "stamp")
    digest = hashlib.sha256(key).hexdigest()
    if os.path.exists(stamp):
        with open(stamp) as old:
            if old.read() == digest:
                return os.path.join(kept, "root")
    shutil.rmtree(kept, ignore_errors=True)
    target = os.path.join(kept, "root")
    os.makedirs(target)
    copy_packages(sorted(packages), target)
    make_bootable(target)
    write(kept, "stamp", digest)
    return target


def installed_root():
    """The root with the suite as `cmake --install BUILD` puts it into /usr."""
    with open(os.path.join(BUILD, "systemd-root.lock"), "w") as lock:  # other test files may be at it
        fcntl.flock(lock, fcntl.LOCK_EX)
        target = base_root()
        done = subprocess.run(["cmake", "--install", BUILD], env={**os.environ, "DESTDIR": target},
                              capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)
    return target
