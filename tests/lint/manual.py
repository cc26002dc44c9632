#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manual names what there is and nothing else: each option of svcmgrd, each member of its config
file, each command and common option of svcmgr; README names each option of svcmgrd.

Usage: manual.py ROOT SVCMGRD SVCMGR
"""

import json
import pathlib
import re
import subprocess
import sys


def printed(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def options_of(text):
    """Of a help text: those that begin a line."""
    return set(re.findall(r"(?m)^ +(?:-\w, )?--([\w-]+)", text))


def commands_of(text):
    """The lines of two blanks and a small word, as svcmgr help has them."""
    return set(re.findall(r"(?m)^  ([a-z][\w-]+) .*[A-Z]", text))


def items_of(page, macro):
    """The words that the items (.It) of a page call so: Fl Fl, Cm or Va."""
    lines = re.findall(r"(?m)^\.It (.*)$", page)
    return {word for line in lines for word in re.findall(rf"(?:^|[ ,]){macro} ([a-z][\w-]+)", line)}


def members_of(page):
    """Va takes all words up to the next macro."""
    lists = re.findall(r"(?:^\.It |, )Va ([^(]*?) No", page, re.MULTILINE)
    return {word for words in lists for word in re.findall(r"[a-z_]+", words)}


def compare(page, what, written, there):
    for name in sorted(there - written):
        yield f"{page}: {what} {name} is missing"
    for name in sorted(written - there):
        yield f"{page}: there is no {what} {name}"


def main(root, svcmgrd, svcmgr):
    data = pathlib.Path(root) / "data"
    daemon_page, file_page, client_page = (
        (data / "man" / name).read_text() for name in ("svcmgrd.8", "svcmgrd.json.5", "svcmgr.1"))
    readme = (pathlib.Path(root) / "README.md").read_text()
    schema = json.loads((data / "schemas" / "svcmgrd.json").read_text())
    daemon_help, client_help = printed(svcmgrd, "--help"), printed(svcmgr, "help")
    daemon_options = options_of(daemon_help)
    commands = commands_of(client_help)

    wrong = [
        *compare("svcmgrd.8", "option", items_of(daemon_page, "Fl Fl"), daemon_options),
        *compare("svcmgrd.json.5", "member", members_of(file_page), set(schema["properties"]) - {"$comment"}),
        *compare("svcmgr.1", "command", items_of(client_page, "Cm") - {"pretty"}, commands),
        *compare("svcmgr.1", "option", items_of(client_page.split(".Sh OPTIONS")[1], "Fl Fl"),
                 options_of(client_help.split("Options:")[1])),
        *compare("README.md", "option",
                 {name for name in daemon_options if re.search(rf"--{name}\b", readme)} | {"help", "version"}, daemon_options),
    ]
    if not daemon_options or not commands:
        wrong.append("no option or no command is known at all")
    for problem in wrong:
        print(problem, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
