#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs scenarios, each in a virtual machine of its own: there svcmgrd can be process 1, and has all
of cgroup v2. Prints their results as TAP and then "N passed, N failed, N skipped".

A machine is a kernel of Debian's and an initramfs of the built programs, their libraries, busybox
and the scenario, which runs as /init. It has no disk, no network and a deadline; what it says comes
over its serial console. Nothing is left of it but the kernel, which stays in BUILD/vm.

A scenario is a file NAME.sh beside this one (lib.sh is what they share). A line "# needs: PROGRAM" in
it asks for one more program of the build. The lines "# then: TEXT" say what the console must show, in this order, after its last test: how it all ends, which no
test in the machine can tell any more.

Where no kernel or no qemu can be had, all are skipped. Exit status: 1 when one has failed."""

import argparse
import collections
import pathlib
import re
import signal
import sys
import tempfile

import initramfs
import machine

HERE = pathlib.Path(__file__).resolve().parent
SHARED = "lib.sh"

SECONDS_MAX = 400

_RESULT = re.compile(r"^(not )?ok (\d+) - (\S+)$")
_TEST = re.compile(r"(?m)^(test_\w+)\(\) \{")
_THEN = re.compile(r"(?m)^# then: (.+)$")

Result = collections.namedtuple("Result", "name passed note", defaults=("",))


def _result_of(name, line):
    if line is None:
        return Result(name, False, "it has no result, or more than one")
    return Result(name, line.group(1) is None)


def judge(scenario, console):
    """The results of a scenario (its text) whose machine has said so on its console: one for each
    of its tests, and one for each thing that must come then."""
    lines = [line.rstrip("\r") for line in console.split("\n")]
    said, last = {}, -1
    for number, line in enumerate(lines):
        match = _RESULT.match(line)
        if match is not None:
            # Said twice is said by somebody else as well.
            said[match.group(3)] = None if match.group(3) in said else match
            last = number
    results = [_result_of(name, said.get(name)) for name in _TEST.findall(scenario)]
    for text in _THEN.findall(scenario):
        found = next((number for number in range(last + 1, len(lines)) if text in lines[number]),
                     None)
        results.append(Result(f"then: {text}", found is not None,
                              "the console does not show it" if found is None else ""))
        last = len(lines) if found is None else found
    return results


def run_scenario(path, build, kernel, accelerator, seconds):
    """Its results, and what the console showed."""
    with tempfile.TemporaryDirectory(prefix="svcmgr-vm-") as folder:
        image = pathlib.Path(folder) / "initramfs"
        initramfs.make(image, build, [HERE / SHARED], path)
        console = machine.run(kernel, image, accelerator, seconds)
    return judge(path.read_text(), console), console


def show(name, results, console, counts):
    for result in results:
        counts["passed" if result.passed else "failed"] += 1
        print(f"{'' if result.passed else 'not '}ok {counts.total()} - {name} {result.name}")
        if result.note:
            print(f"# {result.note}")
    if not all(result.passed for result in results):
        print(f"# console of {name}:")
        for line in console.split("\n"):
            print(f"#   {line.rstrip()}")
    sys.stdout.flush()


def scenarios(names):
    every = {path.stem: path for path in sorted(HERE.glob("*.sh")) if path.name != SHARED}
    unknown = [name for name in names if name not in every]
    if unknown:
        sys.exit(f"no such scenario: {unknown[0]} (there are: {', '.join(every)})")
    return [every[name] for name in names or every]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build", type=pathlib.Path, help="a build directory of meson")
    parser.add_argument("scenario", nargs="*", help="only these")
    parser.add_argument("--kernel", type=pathlib.Path, help="this one (default: Debian's)")
    parser.add_argument("--seconds", type=int, default=SECONDS_MAX,
                        help=f"a machine that takes longer is ended (default: {SECONDS_MAX})")
    parser.add_argument("--console", action="store_true", help="show what passes, too")
    return parser.parse_args()


def main():
    for signo in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signo, signal.default_int_handler)  # nothing is left then, either
    options = arguments()
    chosen = scenarios(options.scenario)
    try:
        machine.check()
        initramfs.check()
        kernel = options.kernel or machine.kernel(options.build / "vm")
    except machine.Unavailable as reason:
        print(f"1..0 # skip {reason}\n0 passed, 0 failed, {len(chosen)} skipped")
        return 0
    accelerator = machine.accelerator()
    print(f"# {kernel.name}, {accelerator}", flush=True)
    counts = collections.Counter()
    for path in chosen:
        results, console = run_scenario(path, options.build, kernel, accelerator, options.seconds)
        show(path.stem, results, console, counts)
        if options.console:
            sys.stdout.write(console)
    print(f"1..{counts.total()}")
    print(f"{counts['passed']} passed, {counts['failed']} failed, 0 skipped")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
