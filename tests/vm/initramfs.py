# SPDX-License-Identifier: LGPL-2.1-or-later
"""The file system that a virtual machine begins with: a cpio archive (of the kind "newc" that the
kernel's documentation of initramfs describes) with the built programs, what they need, and a
scenario."""

import pathlib
import re
import shutil
import stat
import subprocess

from machine import Unavailable

# Statically linked: Debian's busybox-static.
BUSYBOX = "busybox"

FOLDERS = ("bin", "dev", "etc", "proc", "run", "sys", "tmp", "usr/bin", "var/lib", "var/log")

FILES = {
    "etc/passwd": "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
}


def check():
    if shutil.which(BUSYBOX) is None:
        raise Unavailable(f"{BUSYBOX} is not installed")


class Archive:
    """Entries, by path, and those of the folders above them."""

    def __init__(self, file):
        self.file = file
        self.names = set()

    def _add(self, name, mode, content=b"", device=(0, 0)):
        self.names.add(name)
        path = name.encode() + b"\0"
        fields = (len(self.names), mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(path), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields) + path
        for part in (header, content):
            self.file.write(part + bytes(-len(part) % 4))

    def folder(self, name):
        if name not in self.names and name != ".":
            self.folder(str(pathlib.PurePath(name).parent))
            self._add(name, stat.S_IFDIR | 0o755)

    def content(self, name, content, mode=0o755):
        if name not in self.names:
            self.folder(str(pathlib.PurePath(name).parent))
            self._add(name, stat.S_IFREG | mode, content)

    def link(self, name, target):
        self._add(name, stat.S_IFLNK | 0o777, target.encode())

    def device(self, name, major, minor):
        self._add(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def end(self):
        self._add("TRAILER!!!", 0)


def _libraries(program):
    """Where the program finds its libraries, and its loader."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    return re.findall(r"(?m)^\s*(?:\S+ => )?(/\S+) \(0x", done.stdout)


def _add_program(archive, path):
    archive.content(f"usr/bin/{path.name}", path.read_bytes())
    for library in _libraries(path):
        archive.content(library.lstrip("/"), pathlib.Path(library).read_bytes())


def make(image, build, shared, scenario):
    """Writes it to the file image; shared: files that stand beside the scenario."""
    needed = re.findall(r"(?m)^# needs: (.+)$", scenario.read_text())
    programs = [build / "daemon/svcmgrd", build / "client/svcmgr",
                *(build / name for name in needed),
                *(path for path in sorted((build / "tests/programs").glob("program-*"))
                  if path.is_file())]
    with open(image, "wb") as file:
        archive = Archive(file)
        for name in FOLDERS:
            archive.folder(name)
        archive.device("dev/console", 5, 1)  # what process 1 reads and writes
        for name, text in FILES.items():
            archive.content(name, text.encode(), 0o644)
        archive.content("bin/busybox", pathlib.Path(shutil.which(BUSYBOX)).read_bytes())
        archive.link("bin/sh", "busybox")
        for path in programs:
            _add_program(archive, path)
        for path in shared:
            archive.content(path.name, path.read_bytes())
        archive.content("init", scenario.read_bytes())
        archive.end()
