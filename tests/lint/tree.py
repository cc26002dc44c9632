# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the lint programs share: which files there are, C without comments and strings, and the end
of a program: violations on standard output and exit code 1, or nothing and 0."""

import pathlib
import re
import sys

SKIPPED_EXIT_CODE = 77  # meson: this test was skipped

# A comment, a string or a character constant: what looks like code in them is none.
_NOT_CODE = re.compile(
    r"""/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'""", re.S | re.X
)


def root_from_argv():
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} SOURCE-ROOT")
    return pathlib.Path(sys.argv[1]).resolve()


def _is_source(path, root):
    parts = path.relative_to(root).parts
    if parts[0] == "build" or parts[0].startswith("build-"):
        return False
    hidden = [part for part in parts[:-1] if part.startswith(".") and part != ".ci"]
    return not hidden and "__pycache__" not in parts


def files(root, folders=(".",), suffixes=None):
    """The files below the folders of root, sorted; suffixes: a tuple such as (".c", ".h")."""
    found = set()
    for folder in folders:
        for path in (root / folder).rglob("*"):
            if suffixes is not None and path.suffix not in suffixes:
                continue
            if path.is_file() and _is_source(path, root):
                found.add(path)
    return sorted(found)


def code_of(text):
    """The text with comments, strings and character constants blanked, line for line."""
    return _NOT_CODE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def finish(violations):
    for violation in violations:
        print(violation)
    sys.exit(1 if violations else 0)


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED_EXIT_CODE)
