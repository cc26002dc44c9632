# SPDX-License-Identifier: LGPL-2.1-or-later
"""A virtual machine: the kernel that it runs, and the run itself."""

import ctypes
import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile
import time

QEMU = "qemu-system-x86_64"
MEGABYTES = 768

# Small, with the drivers of virtual machines and all of cgroup v2. It depends on the package of the
# newest kernel, which has the file.
KERNEL_PACKAGE = "linux-image-cloud-amd64"

# Nothing but what is fatal comes from the kernel between the lines of the tests; whatever ends
# process 1 ends the machine.
COMMAND_LINE = "console=ttyS0 loglevel=1 panic=-1 edd=off rdinit=/init"

# How the sanitizers are to be, for programs that have them. What the kernel does not know goes into
# the environment of process 1.
HANDED_DOWN = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1  # prctl(2)


class Unavailable(Exception):
    """What a virtual machine needs is not to be had here."""


def check():
    if shutil.which(QEMU) is None:
        raise Unavailable(f"{QEMU} is not installed")


def accelerator():
    """A machine that is itself virtual may have /dev/kvm and a processor that knows nothing of it;
    then qemu waits forever."""
    flags = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    usable = ("vmx" in flags or "svm" in flags) and os.access("/dev/kvm", os.R_OK | os.W_OK)
    return "kvm" if usable else "tcg"


def _output(command, folder):
    """None: it failed."""
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def _download(folder):
    """Debian's newest kernel package as a file in folder, or None."""
    depends = _output(["apt-cache", "depends", KERNEL_PACKAGE], folder) or ""
    names = [line.split()[-1] for line in depends.split("\n") if "Depends: linux-image-" in line]
    if not names or _output(["apt-get", "download", "-qq", names[0]], folder) is None:
        return None
    return next(folder.glob("*.deb"), None)


def kernel(cache):
    """The kernel in the folder cache; it is fetched, and not installed, when there is none."""
    found = sorted(cache.glob("vmlinuz-*"))
    if found:
        return found[-1]
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise Unavailable("no apt-get to fetch a kernel with")
    cache.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kernel-", dir=cache) as name:
        folder = pathlib.Path(name)
        package = _download(folder)
        if package is None and os.geteuid() == 0:
            _output(["apt-get", "update", "-qq"], folder)
            package = _download(folder)
        if package is None:
            raise Unavailable(f"cannot fetch {KERNEL_PACKAGE}")
        subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
        image = next((folder / "boot").glob("vmlinuz-*"))
        return image.rename(cache / image.name)


def _spawn(command):
    """A program that is killed when this one dies."""
    parent = os.getpid()

    def on_forked():
        if LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0 or os.getppid() != parent:
            os._exit(127)

    return subprocess.Popen(command, preexec_fn=on_forked, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def _read(pipe, deadline):
    """All that comes until it is closed, and whether that was before the deadline."""
    parts = []
    while select.select([pipe], [], [], max(deadline - time.monotonic(), 0))[0]:
        part = os.read(pipe.fileno(), 65536)
        if not part:
            return b"".join(parts), True
        parts.append(part)
    return b"".join(parts), False


def run(kernel_image, initramfs, accelerator_name, seconds):
    """Boots, and returns what the console showed until the machine went down by itself or the time
    was over."""
    words = [COMMAND_LINE, *(f"{name}={os.environ[name]}" for name in HANDED_DOWN
                             if name in os.environ)]
    command = [QEMU, "-no-user-config", "-nodefaults", "-no-reboot", "-accel", accelerator_name,
               "-cpu", "max", "-m", str(MEGABYTES), "-display", "none", "-nic", "none",
               "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
               "-kernel", kernel_image, "-initrd", initramfs, "-append", " ".join(words)]
    process = _spawn(command)
    try:
        console, in_time = _read(process.stdout, time.monotonic() + seconds)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    text = console.decode(errors="replace")
    return text if in_time else f"{text}\nthe machine did not end within {seconds} s\n"
