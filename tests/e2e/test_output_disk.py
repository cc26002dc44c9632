# SPDX-License-Identifier: LGPL-2.1-or-later
"""Logs on a disk that is full or read-only, or that somebody removes files from: the daemon says so
once, the service goes on, its log too as soon as it can be, and it says how much is missing."""

import os
import re
import shutil
import subprocess
import time
import unittest

import said
from harness import SECONDS_MAX, spawn
from said import OutputCase


class TroubleCase(OutputCase):
    def speaker(self, name):
        """It says 1,000 lines a second until it is stopped; gives its process id."""
        self.writer(name, "rate", 1000, kind="process")
        return self.main_pid(name)

    def stop_speaker(self, name, pid):
        """It has not noticed anything; gives how many lines it knows to have said."""
        self.assertEqual(self.main_pid(name), pid)
        self.svcmgr("stop", name)
        return said.Record(self.record(name)).runs[1][b"stdout"]

    def await_log(self, text):
        self.await_text(self.world.log, text)

    def await_number(self, name, number):
        self.await_line(name, f"o 1 {number} ")

    def await_more(self, name):
        content = said.content(self.logs(name))
        last = said.lines_of(content[:content.rindex(b"\n") + 1])[-1]
        self.await_number(name, said.number_of(last)[1] + 100)

    def assert_told(self, name, text, times=1):
        found = re.findall(f"service '{name}': .*{text}.*\n", self.world.log.read_text())
        self.assertEqual(len(found), times, found)


@unittest.skipIf(os.geteuid() != 0, "only root can mount")
class Disk(TroubleCase):
    """The directory of all logs is a disk of 2 MiB that nobody else sees."""

    @classmethod
    def prepare(cls, world):
        directory = world.directory / "logs"
        script = f"mkdir {directory} && mount -t tmpfs -o size=2m,mode=0700 none {directory} && " \
                 "echo ready && exec sleep infinity"
        cls.holder = spawn(["unshare", "-m", "/bin/sh", "-c", script], stdout=subprocess.PIPE)
        cls.addClassCleanup(cls.release)
        if cls.holder.stdout.readline() != b"ready\n":
            raise unittest.SkipTest("no disk can be mounted here")
        cls.enter = ["nsenter", f"--mount=/proc/{cls.holder.pid}/ns/mnt"]
        world.wrapper = cls.enter

    @classmethod
    def release(cls):
        cls.holder.kill()
        cls.holder.wait(SECONDS_MAX)
        cls.holder.stdout.close()

    def logs(self, name):
        outside = self.world.directory / "logs" / name
        return type(outside)(f"/proc/{self.holder.pid}/root{outside}")

    def check_missing(self, name, reason):
        """What is missing is told where it is missing; gives the numbers of what is there."""
        text = said.content(self.logs(name))
        lines = said.lines_of(text)
        size = 1 + len(text.split(b"\n")[-2])  # as it is kept
        numbers, missing = [0], 0
        for line in lines:
            match = said.TOLD.fullmatch(line.text)
            if match is not None:
                missing = int(match[1])
                self.assertEqual((line.stream, match[3]), (b"stderr", reason))
                self.assertEqual((int(match[2]), line.invocation),
                                 (missing * size, lines[-1].invocation))
                continue
            number = said.number_of(line, 100)[1]
            self.assertEqual(number, numbers[-1] + missing + 1)
            numbers.append(number)
            missing = 0
        self.assertLess(len(numbers) - 1, numbers[-1])
        return numbers[1:]

    def test_full(self):
        pid = self.speaker("full")
        self.await_number("full", 10)
        filler = self.logs("full").parent / "filler"
        with open(filler, "wb", buffering=0) as file:
            with self.assertRaisesRegex(OSError, "No space left"):
                while True:
                    file.write(bytes(4096))
        self.await_log("No space left on device")
        filler.unlink()
        self.await_log("are written again")
        self.await_more("full")
        written = self.stop_speaker("full", pid)
        self.assertGreaterEqual(self.check_missing("full", b"No space left on device")[-1], written)
        self.assert_told("full", "cannot write to its log .*: No space left on device; what")
        self.assert_told("full", "are written again")

    def remount(self, how):
        done = self.world.run(command=[*self.enter, "mount", "-o", f"remount,{how}",
                                       str(self.world.directory / "logs")])
        self.assertEqual(done.status, 0, done)

    def test_read_only(self):
        """It cannot become that while a file is open for writing."""
        self.remount("ro")
        pid = self.speaker("fixed")
        self.await_log("Read-only file system")
        self.remount("rw")
        self.await_log("service 'fixed': the logs in ")
        self.await_more("fixed")
        written = self.stop_speaker("fixed", pid)
        self.assertGreaterEqual(self.check_missing("fixed", b"Read-only file system")[-1], written)
        self.assert_told("fixed", "cannot write to its log .*: Read-only file system; what")


class Removed(TroubleCase):
    """Who removes a file has what is in it as long as he has it open."""

    def remove_twice(self, name, remove):
        pid, content = self.speaker(name), b""
        self.await_number(name, 10)
        for _ in range(2):
            with open(self.logs(name) / "current", "rb") as gone:
                remove()
                self.await_line(name, "o 1 ")
                content += gone.read()
        written = self.stop_speaker(name, pid)
        lines = said.lines_of(content + said.content(self.logs(name)))
        self.assertGreaterEqual(said.said(lines, 100)[1, b"stdout"], written)
        self.assert_told(name, "was removed or renamed by somebody")

    def remove_directory(self, path):
        """At once: in what is removed bit by bit the daemon makes a file again meanwhile."""
        gone = self.world.directory / "gone"
        path.rename(gone)
        shutil.rmtree(gone)

    def test_file(self):
        self.remove_twice("file", lambda: os.unlink(self.logs("file") / "current"))

    def test_directory(self):
        self.remove_twice("directory", lambda: self.remove_directory(self.logs("directory")))

    def test_all(self):
        self.remove_twice("all", lambda: self.remove_directory(self.world.directory / "logs"))


class Total(OutputCase):
    """All logs together may have 1 MiB."""

    MAX = 1024 * 1024

    @classmethod
    def prepare(cls, world):
        world.options = [f"--log-max-total={cls.MAX}"]

    def size(self):
        return sum(path.stat().st_size for name in os.listdir(self.world.directory / "logs")
                   for path in said.files(self.logs(name)))

    def numbers(self, name):
        return [said.number_of(line, 100)[1] for line in said.lines_in(self.logs(name))]

    def test_total(self):
        names = [f"total-{i}" for i in range(6)]
        for name in names:
            self.writer(name, "lines", 2000, "chunk", 4096, log={"max_size": "64KiB", "keep": 1000})
        end = time.monotonic() + SECONDS_MAX
        while self.size() > self.MAX:  # room is made in the turns that nobody else wants
            self.assertLess(time.monotonic(), end)
            self.svcmgr("list")
        self.assertGreater(self.size(), self.MAX // 2)
        for name in names[:2]:  # what came first went first
            self.assertGreater(self.numbers(name)[0], 1)
        for name in names[4:]:
            self.assertEqual(self.numbers(name), list(range(1, 2001)))


if __name__ == "__main__":
    unittest.main()
