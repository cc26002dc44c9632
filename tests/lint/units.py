#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""systemd understands each of our unit files whole, and each manual page that they name is there.

Usage: units.py ROOT SVCMGRD SVCMGR
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import tree

# A unit file's source, and the manager that it is for. Each is called svcmgrd.service there.
UNITS = {"svcmgrd.service.in": "--system", "svcmgrd-user.service.in": "--user"}


def complaints(manager, text):
    """What systemd-analyze says of a unit file, a line each; of a key that it does not know it says
    so and succeeds."""
    with tempfile.TemporaryDirectory(prefix="svcmgr-lint-") as folder:
        unit = pathlib.Path(folder) / "svcmgrd.service"
        unit.write_text(text)
        done = subprocess.run(["systemd-analyze", manager, "--man=no", "verify", unit],
                              env={**os.environ, "XDG_RUNTIME_DIR": folder, "HOME": folder},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=60, check=False)
    if done.returncode != 0 and not done.stdout:
        return [f"systemd-analyze: exit status {done.returncode}"]
    return done.stdout.splitlines()


def missing_pages(root, text):
    for name, section in re.findall(r"man:([\w.-]+)\((\d)\)", text):
        if not (root / "data" / "man" / f"{name}.{section}").exists():
            yield f"there is no manual page {name}({section})"


def violations(root, svcmgrd, svcmgr):
    for name, manager in UNITS.items():
        text = (root / "data" / name).read_text()
        # The programs are where they were built.
        text = text.replace("@sbindir@/svcmgrd", svcmgrd).replace("@bindir@/svcmgr", svcmgr)
        for complaint in [*complaints(manager, text), *missing_pages(root, text)]:
            yield f"data/{name}: {complaint}"


if __name__ == "__main__":
    if shutil.which("systemd-analyze") is None:
        tree.skip("systemd-analyze is not installed")
    root, *programs = (pathlib.Path(path).resolve() for path in sys.argv[1:])
    tree.finish(list(violations(root, *map(str, programs))))
