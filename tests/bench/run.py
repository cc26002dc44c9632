#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the benches of a build, one after the other, and prints one table of their figures against
goals and against the best service manager of today (measured elsewhere, on another machine).

Exit code 0: all ran and printed exactly their figures; with --strict also: every goal was met.
--quick: tiny numbers, which show that the benches work and nothing else."""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys

# Every figure, in the order of the table -> what today's best manager reaches.
FIGURES = {
    "get/broker/sequential": "systemd 0.7",
    "get/broker/deep": "systemd 0.45",
    "get/private/sequential": "systemd 0.7",
    "get/private/deep": "systemd 0.45",
    "changes/1": "",
    "changes/10": "",
    "changes/100": "",
    "listing/managed-objects": "",
    "listing/tree": "",
    "cli/private/start": "dinit 2.4",
    "cli/private/status": "dinit 1.5",
    "cli/private/restart": "dinit 2.4",
    "cli/private/stop": "dinit 2.0",
    "cli/bus/start": "dinit 2.4",
    "cli/bus/status": "dinit 1.5",
    "cli/bus/restart": "dinit 2.4",
    "cli/bus/stop": "dinit 2.0",
    "successor/10": "runit 1.34, dinit 1.6",
    "successor/1000": "runit 1.34, dinit 1.6",
    "successor/10000": "runit 1.34, dinit 1.6",
    "successor/growth": "",
    "boot/alone/100": "dinit 1.04",
    "boot/alone/1000": "dinit 1.36",
    "boot/alone/5000": "",
    "boot/alone/10000": "dinit 2.4",
    "boot/alone/growth": "",
    "boot/bus/100": "",
    "boot/bus/1000": "",
    "boot/bus/5000": "",
    "boot/bus/10000": "",
    "boot/bus/growth": "",
    "crash/alone/rate": "dinit 0.63",
    "crash/alone/cpu": "dinit 3.1",
    "crash/alone/query": "dinit 151",
    "crash/bus/rate": "dinit 0.63",
    "crash/bus/cpu": "dinit 3.1",
    "crash/bus/query": "dinit 151",
    "deps/alone/chain-10/start": "",
    "deps/alone/chain-10/start/less-spawning": "",
    "deps/alone/chain-10/stop": "",
    "deps/alone/chain-100/start": "",
    "deps/alone/chain-100/start/less-spawning": "",
    "deps/alone/chain-100/stop": "",
    "deps/alone/chain-1000/start": "",
    "deps/alone/chain-1000/start/less-spawning": "",
    "deps/alone/chain-1000/stop": "",
    "deps/alone/diamond/start": "",
    "deps/alone/diamond/start/less-spawning": "",
    "deps/alone/diamond/stop": "",
    "deps/alone/required-by-1000/start": "",
    "deps/alone/required-by-1000/start/less-spawning": "",
    "deps/alone/required-by-1000/stop": "",
    "deps/alone/requires-1000/start": "",
    "deps/alone/requires-1000/start/less-spawning": "",
    "deps/alone/requires-1000/stop": "",
    "deps/alone/requires-1000-by-8/start": "",
    "deps/alone/requires-1000-by-8/start/less-spawning": "",
    "deps/alone/requires-1000-by-8/stop": "",
    "deps/alone/layers/start": "",
    "deps/alone/layers/start/less-spawning": "",
    "deps/alone/layers/stop": "",
    "deps/bus/chain-10/start": "",
    "deps/bus/chain-10/start/less-spawning": "",
    "deps/bus/chain-10/stop": "",
    "deps/bus/chain-100/start": "",
    "deps/bus/chain-100/start/less-spawning": "",
    "deps/bus/chain-100/stop": "",
    "deps/bus/chain-1000/start": "",
    "deps/bus/chain-1000/start/less-spawning": "",
    "deps/bus/chain-1000/stop": "",
    "deps/bus/requires-1000/start": "",
    "deps/bus/requires-1000/start/less-spawning": "",
    "deps/bus/requires-1000/stop": "",
    "deps/bus/layers/start": "",
    "deps/bus/layers/start/less-spawning": "",
    "deps/bus/layers/stop": "",
    "deps/bus/messages": "",
    "stopall/alone": "",
    "stopall/bus": "",
    "memory/base": "",
    "memory/running": "dinit 2.0",
    "memory/defined": "",
    "idle/alone/cpu": "",
    "idle/alone/switches": "",
    "idle/bus/cpu": "",
    "idle/bus/switches": "",
    "create/private": "",
    "create/bus": "",
    "create/get": "",
    "store/creates": "",
    "store/commit": "",
    "store/load": "",
    "notify/median": "",
    "notify/p99": "",
    "notify/load": "",
    "output/answers": "",
    "output/bytes": "",
    "output/cpu/svlogd": "",
    "output/cpu/s6-log": "",
    "output/many/cpu": "",
    "output/many/wakeups": "",
    "output/many/memory": "",
}

# Figures that there are only where others have installed their program.
BESIDE = {"output/cpu/svlogd": "svlogd", "output/cpu/s6-log": "s6-log"}

COMPARISONS = {"<=": lambda value, limit: value <= limit, ">=": lambda value, limit: value >= limit}

SECONDS_MAX = 1800


class Broken(Exception):
    """A bench that did not do what benches do."""


class Figure:
    """One line of a bench: NAME, VALUE, UNIT, GOAL between tabs."""

    def __init__(self, line):
        try:
            self.name, value, self.unit, self.goal = line.split("\t")
            self.value = float(value)
            comparison, limit = self.goal.split(" ")
            self.is_met = COMPARISONS[comparison](self.value, float(limit))
        except (ValueError, KeyError) as error:
            raise Broken(f"not the line of a figure: {line!r}") from error

    def row(self):
        verdict = "met" if self.is_met else "MISSED"
        return [self.name, f"{self.value:.3f} {self.unit}", self.goal, verdict, FIGURES[self.name]]


def names():
    return list(dict.fromkeys(figure.split("/")[0] for figure in FIGURES))


def environment(build):
    """Where the benches find the programs that they run. Their folders have short names, which stand
    in the definitions: these are to be as long everywhere."""
    return {**os.environ, "TMPDIR": "/tmp", "SVCMGRD": str(build / "daemon/svcmgrd"),
            "SVCMGR": str(build / "client/svcmgr"),
            "BENCH_BUS_CALL": str(build / "tests/bench/bench-bus-call"),
            "BENCH_BUS_FLOOR": str(build / "tests/bench/bench-bus-floor"),
            "BENCH_FLOODER": str(build / "tests/daemon/flooder"),
            "BENCH_WRITER": str(build / "tests/programs/program-writer")}


def run(build, name, quick):
    """The figures of a bench, as it prints them; its comments go on to standard error."""
    command = [str(build / f"tests/bench/bench-{name}")] + (["--quick"] if quick else [])
    result = subprocess.run(command, env=environment(build), stdout=subprocess.PIPE, text=True,
                            timeout=SECONDS_MAX, check=False)
    lines = result.stdout.splitlines()
    for line in lines:
        if line.startswith("#"):
            print(line, file=sys.stderr)
    if result.returncode != 0:
        raise Broken(f"bench-{name} ended with status {result.returncode}")
    figures = [Figure(line) for line in lines if not line.startswith("#")]
    printed = sorted(figure.name for figure in figures)
    expected = sorted(figure for figure in FIGURES if figure.split("/")[0] == name
                      and (figure not in BESIDE or shutil.which(BESIDE[figure])))
    if not expected or printed != expected:
        raise Broken(f"bench-{name} printed {printed} instead of {expected}")
    return figures


def print_table(figures):
    rows = [["FIGURE", "VALUE", "GOAL", "", "TODAY'S BEST"]]
    rows += [figure.row() for figure in sorted(figures, key=lambda f: list(FIGURES).index(f.name))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny numbers")
    parser.add_argument("--strict", action="store_true", help="fail when a goal is missed")
    parser.add_argument("build", type=pathlib.Path, help="the build folder")
    parser.add_argument("names", nargs="*", metavar="name", help="only these benches")
    options = parser.parse_args()

    figures, broken = [], False
    for name in options.names or names():
        try:
            figures += run(options.build.resolve(), name, options.quick)
        except (Broken, OSError, subprocess.TimeoutExpired) as error:
            print(f"run.py: {error}", file=sys.stderr)
            broken = True
    print_table(figures)
    if broken or (options.strict and not all(figure.is_met for figure in figures)):
        sys.exit(1)


if __name__ == "__main__":
    main()
