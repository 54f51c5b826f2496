# SPDX-License-Identifier: GPL-3.0-or-later
"""A small Linux guest with soft-RoCE (rdma_rxe), for tests of verbs on a real kernel. No disk, no network of the host: a
kernel of Debian's, an initramfs with the tools and modules named here, and one directory shared with the host, in which
programs, scripts and logs lie. Without hardware virtualisation it is emulated, so nothing may be timed in it."""

import glob
import lzma
import os
import pathlib
import shutil
import subprocess

TOOLS = {"qemu-system-x86_64": "qemu-system-x86", "busybox": "busybox-static", "cpio": "cpio", "depmod": "kmod",
         "ibv_devinfo": "ibverbs-utils", "ibv_rc_pingpong": "ibverbs-utils", "rdma": "iproute2", "bash": "bash",
         "strace": "strace"}
# crc32_generic is wanted by rdma_rxe at run time, which modprobe does not know.
MODULES = ["virtio_pci", "9pnet_virtio", "9p", "crc32_generic", "rdma_rxe", "ib_uverbs", "veth", "bridge", "dummy",
           "sch_netem"]
PROGRAMS = ["bash", "ip", "rdma", "tc", "nsenter", "ibv_devinfo", "ibv_rc_pingpong", "strace"]
# Only ends what hangs.
FETCH_S = 300
HERE = pathlib.Path(__file__).parent
PROVIDERS = "/usr/lib/x86_64-linux-gnu/libibverbs"

INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /host /root
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t tmpfs tmp /tmp
mount -t tmpfs tmp /run
mount -t tmpfs shm /dev/shm
while read module; do insmod "$module" || echo "guest: no $module"; done </modules.list
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 host /host || echo "guest: no share"
ip link set lo up
ulimit -l unlimited
ulimit -n 65536
# For the case that nobody is left outside to end it.
(sleep 1180; poweroff -f) &
cd /host
/bin/bash /host/run.sh >/host/output 2>&1
echo $? >/host/status
sync
poweroff -f
"""


class GuestError(Exception):
    pass


def missing_tools():
    """The packages that are not there, in words; empty when all is."""
    path = os.environ["PATH"] + ":/sbin:/usr/sbin"
    gone = sorted({package for tool, package in TOOLS.items() if shutil.which(tool, path=path) is None})
    if not glob.glob(PROVIDERS + "/librxe-*"):
        gone.append("ibverbs-providers")
    return gone


def run(*command, **options):
    return subprocess.run(command, check=True, **options)


def fetch(*command, **options):
    """Something that the network may keep waiting; GuestError with what it said."""
    try:
        run(*command, capture_output=True, text=True, timeout=FETCH_S, **options)
    except subprocess.TimeoutExpired as error:
        raise GuestError(f"{' '.join(command)}: not within {FETCH_S} s") from error
    except subprocess.CalledProcessError as error:
        raise GuestError(f"{' '.join(command)}: {error.stderr}") from error


def kernels_known():
    depends = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], capture_output=True, text=True).stdout
    return [line.split()[-1] for line in depends.splitlines() if "Depends: linux-image-" in line]


def kernel_package():
    names = kernels_known()
    if not names:
        fetch("apt-get", "-q", "update")
        names = kernels_known()
    if not names:
        raise GuestError("apt knows no package linux-image-amd64, also after apt-get update")
    policy = run("apt-cache", "show", "--no-all-versions", names[0], capture_output=True, text=True).stdout
    version = next(line.split()[1] for line in policy.splitlines() if line.startswith("Version:"))
    return names[0], version


def fetch_kernel(cache):
    """A directory with the unpacked kernel package; fetched once per version."""
    name, version = kernel_package()
    home = cache / f"{name}_{version.replace(':', '_')}"
    if (home / "vmlinux").exists():
        return home
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    fetch("apt-get", "-q", "download", name, cwd=home)
    run("dpkg-deb", "-x", str(next(home.glob("*.deb"))), str(home))
    release = next((home / "lib/modules").iterdir()).name
    run("depmod", "-b", str(home), release, env={**os.environ, "PATH": os.environ["PATH"] + ":/sbin:/usr/sbin"})
    image = next((home / "boot").glob("vmlinuz-*")).read_bytes()
    # The ELF inside boots faster than the image that unpacks itself.
    decompressor = lzma.LZMADecompressor()
    elf = decompressor.decompress(image[image.index(b"\xfd7zXZ\x00"):])
    if not elf.startswith(b"\x7fELF"):
        raise GuestError(f"{name} {version} has no xz kernel inside")
    (home / "vmlinux.new").write_bytes(elf)
    next(home.glob("*.deb")).unlink()
    (home / "vmlinux.new").rename(home / "vmlinux")
    return home


def modules_of(kernel, wanted):
    """Paths of all modules wanted, each after those it needs."""
    release = next((kernel / "lib/modules").iterdir()).name
    out = []
    for module in wanted:
        shown = run("modprobe", "-d", str(kernel), "-S", release, "--show-depends", module, capture_output=True,
                    text=True, env={**os.environ, "PATH": os.environ["PATH"] + ":/sbin:/usr/sbin"}).stdout
        for line in shown.splitlines():
            kind, _, path = line.partition(" ")
            if kind == "insmod" and path.split()[0] not in out:
                out.append(path.split()[0])
    return [pathlib.Path(path) for path in out]


def libraries_of(program):
    """What ldd names, with the loader."""
    shown = subprocess.run(["ldd", program], capture_output=True, text=True)
    out = set()
    for word in shown.stdout.split():
        if word.startswith("/"):
            out.add(word)
    return out


def copy_into(root, path):
    """A file and what it is a link to, at the path where it is here."""
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        shutil.copy2(os.path.realpath(path), target)


def lay_out_tools(root, programs):
    """What the RDMA guest runs, beside busybox."""
    for folder in ("etc", "usr"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for link in ("sbin", "lib64", "usr/bin", "usr/sbin", "usr/lib"):
        real = {"sbin": "bin", "lib64": "lib", "usr/bin": "../bin", "usr/sbin": "../bin", "usr/lib": "../lib"}[link]
        (root / link).symlink_to(real)
    wanted = [shutil.which(name, path=os.environ["PATH"] + ":/sbin:/usr/sbin") for name in PROGRAMS]
    wanted = [path for path in wanted if path] + glob.glob(PROVIDERS + "/librxe-*") + [str(p) for p in programs]
    for path in wanted:
        if not path.startswith(str(root)) and path not in map(str, programs):
            copy_into(root, path)
        for library in libraries_of(path):
            copy_into(root, library)
    copy_into(root, "/etc/libibverbs.d/rxe.driver")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")


def lay_out_start(root, kernel, modules, init):
    """Busybox, modules in the order they need, and what is run first."""
    for folder in ("bin", "lib/modules"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    shutil.copy2(shutil.which("busybox"), root / "bin/busybox")
    names = []
    for module in modules_of(kernel, modules):
        shutil.copy2(module, root / "lib/modules" / module.name)
        names.append("/lib/modules/" + module.name)
    (root / "modules.list").write_text("".join(name + "\n" for name in names))
    (root / "init").write_text(init)
    (root / "init").chmod(0o755)


def make_initramfs(work, kernel, programs):
    """Of the guest with RDMA devices."""
    root = work / "root"
    lay_out_start(root, kernel, MODULES, INIT)
    lay_out_tools(root, programs)
    return pack(work, root)


def pack(work, root):
    names = run("find", ".", "-print0", cwd=root, capture_output=True).stdout
    archive = work / "initramfs.cpio"
    with open(archive, "wb") as out:
        run("cpio", "--null", "-o", "-H", "newc", "--quiet", cwd=root, input=names, stdout=out)
    return archive


def qemu(kernel, initramfs, console, more=(), append=""):
    """The command of a guest without disk and network. `more` is for qemu, `append` for the kernel's command line."""
    return ["qemu-system-x86_64", "-M", "pc", "-accel", "tcg,thread=multi",
            "-cpu", "max", "-smp", "2", "-m", "1024", "-display", "none", "-nodefaults", "-no-user-config",
            "-nic", "none", "-serial", f"file:{console}", "-no-reboot", "-kernel", str(kernel / "vmlinux"),
            "-initrd", str(initramfs), "-append", f"console=ttyS0 panic=-1 quiet {append}", *more]


def boot(work, kernel, initramfs, share, timeout_s):
    """Runs share/run.sh with bash in the guest. Returns its exit status; GuestError when the guest died or hung."""
    status = share / "status"
    status.unlink(missing_ok=True)
    console = work / "console.log"
    command = qemu(kernel, initramfs, console,
                   ["-virtfs", f"local,path={share},mount_tag=host,security_model=none,multidevs=remap"])
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
        ended = f"ended without a status (qemu: {done.returncode}) {done.stderr}"
    except subprocess.TimeoutExpired:
        ended = f"did not end within {timeout_s} s"
    if not status.exists():
        tail = console.read_text(errors="replace")[-3000:] if console.exists() else ""
        raise GuestError(f"the guest {ended}\n{tail}")
    return int(status.read_text())
