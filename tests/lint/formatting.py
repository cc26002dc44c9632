#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""clang-format decides how C looks. Its releases disagree in small things, so only the one that the
tree is formatted with is asked."""

import re
import shutil
import subprocess

import tree

VERSION = "14"


def clang_format():
    """The program, or None."""
    for name in (f"clang-format-{VERSION}", "clang-format"):
        path = shutil.which(name)
        if path is None:
            continue
        version = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
        if re.search(rf"version {VERSION}\.", version.stdout):
            return path
    return None


def violations(root, program):
    paths = tree.files(root, ("daemon", "client", "tests"), (".c", ".h"))
    if not paths:
        return []
    command = [program, "--dry-run", "-Werror", "--style=file", *map(str, paths)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    if result.returncode == 0:
        return []
    return result.stderr.splitlines() or [f"{program} ended with {result.returncode}"]


if __name__ == "__main__":
    PROGRAM = clang_format()
    if PROGRAM is None:
        tree.skip(f"clang-format {VERSION} is not installed")
    tree.finish(violations(tree.root_from_argv(), PROGRAM))
