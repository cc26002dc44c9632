#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every source file says its licence near its top."""

import tree

SUFFIXES = (".c", ".h", ".sh", ".py", ".build", ".xml")
TOP_LINES = 5
LINE = "SPDX-License-Identifier: LGPL-2.1-or-later"


def _needs_line(path, head):
    return path.suffix in SUFFIXES or (path.suffix == "" and head.startswith(b"#!"))


def violations(root):
    found = []
    for path in tree.files(root):
        with path.open("rb") as file:
            head = b"".join(file.readline(1000) for _ in range(TOP_LINES))
        if _needs_line(path, head) and LINE.encode() not in head:
            found.append(f"{path.relative_to(root)}: no line '{LINE}' near the top")
    return found


if __name__ == "__main__":
    tree.finish(violations(tree.root_from_argv()))
