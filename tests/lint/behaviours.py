#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every test that tests/README.md names exists: "`program` `/path`, `/path`" against what the programs
list with -l, and "`test_FILE.py` `test_name`" and "`SCENARIO.sh` `test_name`" against
the files beside README.

Usage: behaviours.py README FOLDER (where the programs test-* were built, one folder deep)
"""

import os
import pathlib
import re
import subprocess
import sys


def listed_tests(folder):
    tests = {}
    for program in pathlib.Path(folder).glob("*/test-*"):
        if program.is_file() and os.access(program, os.X_OK):
            output = subprocess.run([program, "-l"], capture_output=True, text=True, check=True).stdout
            tests[program.name] = [line for line in output.splitlines() if line.startswith("/")]
    return tests


def written_tests(folder):
    """Of the files of Python tests and of the scenarios of virtual machines, one folder deep."""
    kinds = {"*/test_*.py": r"(?m)^ +def (test_\w+)", "vm/*.sh": r"(?m)^(test_\w+)\(\) \{"}
    return {path.name: re.findall(pattern, path.read_text())
            for glob, pattern in kinds.items() for path in pathlib.Path(folder).glob(glob)}


def named_tests(text):
    """(line number, program, path) of each test in the table."""
    for number, line in enumerate(text.splitlines(), 1):
        cells = line.split("|")
        program = None
        for name in re.findall(r"`([^`]+)`", cells[2]) if len(cells) == 4 else []:
            if name.startswith("test-") or name.endswith((".py", ".sh")):
                program = name
            elif name.startswith(("/", "test_")) and program is not None:
                yield number, program, name


def problems(text, tests):
    found = 0
    for number, program, path in named_tests(text):
        found += 1
        if program not in tests:
            yield f"line {number}: there is no program {program}"
        elif not any(test == path or test.startswith(path + "/") for test in tests[program]):
            yield f"line {number}: {program} has no test {path}"
    if found == 0:
        yield "no test is named at all"


def main(readme, folder):
    with open(readme, encoding="utf-8") as file:
        text = file.read()
    tests = {**listed_tests(folder), **written_tests(pathlib.Path(readme).parent)}
    wrong = list(problems(text, tests))
    for problem in wrong:
        print(f"{readme}: {problem}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
