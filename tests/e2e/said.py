# SPDX-License-Identifier: LGPL-2.1-or-later
"""What services have said (tests/programs/writer.c), as it stands in the files of their logs. Needs
WRITER in the environment."""

import os
import re
import struct
import zlib

from harness import Case

WRITER = os.environ["WRITER"]

STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (stdout|stderr) ([FP])"
                   rb"(?::([0-9a-f]{32}))?(:cut)? (.*)", re.DOTALL)
TOLD = re.compile(rb"svcmgr: (\d+) lines? \((\d+) bytes\) (?:was|were) lost: (.*)")

ENDLESS = {"keep": 1000}
AGAIN = {"restart": {"policy": "on-failure", "initial_delay": 0}, "start_limit": {"burst": 10000}}

LETTERS = {b"stdout": b"o", b"stderr": b"e"}


class Line:
    """A line as its program wrote it: its parts are put together."""

    def __init__(self, time, stream, invocation, text, is_cut):
        self.time, self.stream, self.invocation = time, stream, invocation
        self.text, self.is_cut = text, is_cut

    def __repr__(self):
        return f"{self.time} {self.stream} {self.invocation} {self.is_cut} {self.text[:200]!r}"


def files(directory):
    """Those of one log, the oldest first."""
    names = sorted(name for name in os.listdir(directory) if re.fullmatch(r"\d{12}\.log", name))
    return [directory / name for name in [*names, "current"] if (directory / name).exists()]


def content(directory):
    return b"".join(path.read_bytes() for path in files(directory))


def lines_of(text):
    """The lines of a log; what is left without an end is a failure."""
    found, begun = [], {}
    pieces = text.split(b"\n")
    if pieces.pop() != b"":
        raise AssertionError("a log ends within a line")
    for piece in pieces:
        match = STAMP.fullmatch(piece)
        if match is None:
            raise AssertionError(f"no line of a log: {piece[:300]!r}")
        time, stream, tag, invocation, cut, rest = match.groups()
        rest = begun.pop((stream, invocation), b"") + rest
        if tag == b"P":
            begun[stream, invocation] = rest
        else:
            found.append(Line(time, stream, invocation, rest, cut is not None))
    if begun:
        raise AssertionError(f"never ended: {begun!r:.300}")
    return found


def lines_in(directory):
    return lines_of(content(directory))


def number_of(line, length=None):
    """Run and number of a line that is as the writer wrote it."""
    letter, run, number = line.text.split(b" ", 3)[:3]
    head, check = line.text[:-8], line.text[-8:]
    if letter != LETTERS[line.stream] or check != b"%08x" % zlib.adler32(head):
        raise AssertionError(f"damaged: {line!r}")
    if length is not None and len(line.text) + 1 != length:
        raise AssertionError(f"of {len(line.text) + 1} bytes: {line!r}")
    return int(run), int(number)


class Record:
    """The file that the writer keeps: what it knows to have written."""

    def __init__(self, path):
        numbers = struct.unpack(f"{os.path.getsize(path) // 8}Q", path.read_bytes())
        self.starts = numbers[0]
        self.runs = {run: {b"stdout": numbers[2 * run - 1], b"stderr": numbers[2 * run]}
                     for run in range(1, self.starts + 1)}


def said(lines, length=None):
    """Checks that each line is whole and in its order, and that nothing but the last of a run and
    stream is cut. Gives how many of each run and stream there are: {(run, stream): count}."""
    counts, ended, invocations, last_time = {}, set(), {}, b""
    for line in lines:
        if line.is_cut and not is_whole(line):
            ended.add((line.invocation, line.stream))
            continue
        run, number = number_of(line, length)
        key = run, line.stream
        counts[key] = counts.get(key, 0) + 1
        if number != counts[key] or (line.invocation, line.stream) in ended:
            raise AssertionError(f"instead of number {counts[key]}: {line!r}")
        if line.time < last_time or invocations.setdefault(run, line.invocation) != line.invocation:
            raise AssertionError(f"of another time or run than those before: {line!r}")
        last_time = line.time
    if len(set(invocations.values())) != len(invocations):
        raise AssertionError(f"runs have the same number: {invocations}")
    return counts


def is_whole(line):
    return zlib.adler32(line.text[:-8]) == int(line.text[-8:] or b"x", 16) if re.search(
        rb" [0-9a-f]{8}$", line.text) else False


def check_all(lines, record, length=None):
    """Nothing that was written is missing, nothing was said that was not."""
    counts = said(lines, length)
    for run, written in record.runs.items():
        for stream, least in written.items():
            if counts.get((run, stream), 0) < least:
                raise AssertionError(f"run {run} has written {least} lines to {stream.decode()}, of "
                                     f"which {counts.get((run, stream), 0)} are there")
    if any(run > record.starts for run, _ in counts):
        raise AssertionError(f"{record.starts} runs, and lines of {sorted(counts)[-1]}")
    return counts


class OutputCase(Case):
    """Services that are made by a test, and their logs."""

    with_bus = False

    def logs(self, name):
        return self.world.directory / "logs" / name

    def record(self, name):
        return self.world.directory / f"{name}.record"

    def writer(self, name, *words, kind="oneshot", status=0, log=None, **config):
        """A service that runs the writer with a record, and is started."""
        command = [WRITER, *map(str, words), "record", str(self.record(name))]
        self.create(name, kind, {"exec": command, "log": log or ENDLESS, **config})
        self.svcmgr("start", name, status=status)

    def main_pid(self, name):
        return self.json("show", name, "MainPID")["MainPID"]

    def check(self, name, length=None):
        """All that was written is there; gives how much that is, by run and stream."""
        lines = lines_in(self.logs(name))
        return check_all(lines, Record(self.record(name)), length)

    def await_text(self, path, text):
        """tail waits until the file says that it has changed, or is there."""
        self.follow("tail", "-n", "+1", "-F", "-s", "0.05", str(path)).until(text)

    def await_line(self, name, text):
        self.await_text(self.logs(name) / "current", text)
