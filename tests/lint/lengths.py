#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A file of more than 600 lines or a function of more than 60 is looking for a noun or a table that
is missing. universal-ctags finds the functions."""

import json
import shutil
import subprocess

import tree

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 60


def ctags_is_there():
    if shutil.which("ctags") is None:
        return False
    version = subprocess.run(["ctags", "--version"], capture_output=True, text=True, check=False)
    return "Universal Ctags" in version.stdout and "+json" in version.stdout


def _functions(paths):
    command = ["ctags", "--output-format=json", "--languages=C", "--langmap=C:.c.h", "--kinds-C=f"]
    command += ["--fields=+ne", "-L", "-", "-f", "-"]
    names = "\n".join(str(path) for path in paths)
    output = subprocess.run(command, input=names, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in output.splitlines()]


def violations(root):
    found = []
    paths = tree.files(root, ("daemon", "client"), (".c", ".h"))
    for path in paths:
        n_lines = path.read_text().count("\n")
        if n_lines > FILE_LINES_MAX:
            found.append(f"{path.relative_to(root)}: {n_lines} lines, more than {FILE_LINES_MAX}")
    for function in _functions(paths) if paths else []:
        n_lines = function["end"] - function["line"] + 1
        if n_lines > FUNCTION_LINES_MAX:
            place = f"{function['path']}:{function['line']}".removeprefix(f"{root}/")
            found.append(
                f"{place}: {function['name']}: {n_lines} lines, more than {FUNCTION_LINES_MAX}"
            )
    return found


if __name__ == "__main__":
    if not ctags_is_there():
        tree.skip("universal-ctags is not installed")
    tree.finish(violations(tree.root_from_argv()))
