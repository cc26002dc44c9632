# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests with stock servers share. Each test has a directory that its server works in. That
is also how the test finds every process of it, whatever becomes of titles, sessions and parents.
Each class of tests comes twice: without cgroups, and with one of its own below which the daemon
keeps its services."""

import atexit
import os
import pathlib
import pwd
import select
import shutil
import signal
import tempfile
import time
import unittest

from harness import SECONDS_MAX, Case

# A start script of the old kind: the server goes into the background by itself. That it has is told
# in the log: until then who was started is still there beside it.
LAUNCHED = "has gone into the background"
LAUNCHER = f'"$@" && echo {LAUNCHED} >log && exec sleep infinity'

# What tests look at. Not Usage, of which the answer is kept for a while: see check_cgroup.
PROPERTIES = ("State", "SubState", "StateSerial", "Error", "FailureClass", "StatusText", "NRestarts",
              "InvocationId", "MainPID", "ExitCode", "ExitSignal", "ControlGroup")

UNIFIED = (pathlib.Path("/sys/fs/cgroup/unified"), pathlib.Path("/sys/fs/cgroup"))

IS_ROOT = os.geteuid() == 0

# Who is in this directory already, before a server begins. No program is run for it.
WITNESS = """\
for process in /proc/[0-9]*; do
    if [ "$process/cwd" -ef . ]; then echo "${process#/proc/}"; fi
done >witness
exec "$@"
"""


class Cgroup:
    """A directory of a cgroup v2 hierarchy, for one world. None of it is left, also when the daemon
    was killed."""

    def __init__(self):
        where = next((path for path in UNIFIED if (path / "cgroup.procs").exists()), None)
        if where is None or not os.access(where, os.W_OK):
            raise unittest.SkipTest("there is no cgroup v2 hierarchy that may be written to")
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="svcmgr-e2e-", dir=where))
        atexit.register(self.end)  # after that of the world, which is made later

    def end(self):
        atexit.unregister(self.end)
        below = sorted(path for path in self.path.rglob("*") if path.is_dir())
        (self.path / "cgroup.kill").write_text("1")
        for path in (*reversed(below), self.path):
            self._await_empty(path)
            path.rmdir()

    @staticmethod
    def _await_empty(path):
        """cgroup.events is readable with POLLPRI when something in it has changed."""
        end = time.monotonic() + SECONDS_MAX
        with open(path / "cgroup.events", encoding="ascii") as events:
            poll = select.poll()
            poll.register(events, select.POLLPRI)
            while "populated 1" in events.read() and time.monotonic() < end:
                poll.poll(1000 * SECONDS_MAX)
                events.seek(0)


class Pipe:
    """A FIFO that a server takes for its log: each line is an event that can be waited for."""

    def __init__(self, path):
        self.path = path
        os.mkfifo(path)
        self.path.chmod(0o666)
        # For both, so that a server may close it and come back.
        self.file = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self.lines, self.rest = [], ""

    def end(self):
        os.close(self.file)

    def _read(self, seconds):
        if not select.select([self.file], [], [], max(seconds, 0))[0]:
            raise AssertionError(f"{self.path.name}: it did not come; so far: {self.lines}")
        *lines, self.rest = (self.rest + os.read(self.file, 65536).decode()).split("\n")
        self.lines += lines

    def until(self, *texts):
        """Waits until each of the texts has been in a line of its own since the last call, in any
        order; returns the lines."""
        end = time.monotonic() + SECONDS_MAX
        while any(sum(text in line for line in self.lines) < texts.count(text) for text in texts):
            self._read(end - time.monotonic())
        lines, self.lines = self.lines, []
        return lines


class Server(Case):
    """Tests of one server; program: it is skipped without that."""

    program = None
    has_cgroups = False

    @classmethod
    def setUpClass(cls):
        if shutil.which(cls.program) is None:
            raise unittest.SkipTest(f"{cls.program} is not installed")
        cls.cgroup = Cgroup() if cls.has_cgroups else None
        if cls.has_cgroups:
            cls.addClassCleanup(cls.cgroup.end)
        super().setUpClass()

    @classmethod
    def prepare(cls, world):
        world.directory.chmod(0o711)  # servers run as others than root
        if cls.has_cgroups:
            world.cgroup = str(cls.cgroup.path)

    def setUp(self):
        self.name = self.id().rsplit(".", 1)[1].removeprefix("test_").replace("_", "-")
        self.directory = self.world.directory / self.name
        self.directory.mkdir()
        self.addCleanup(self.kill_left)

    def run(self, result=None):
        """What the daemon has said stands below a failure."""
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            result.stream.writeln(f"--- log of svcmgrd\n{self.world.log.read_text()}---")

    @staticmethod
    def give_to(user, path):
        if IS_ROOT:
            account = pwd.getpwnam(user)
            os.chown(path, account.pw_uid, account.pw_gid)

    def pipe(self, name):
        pipe = Pipe(self.directory / name)
        self.addCleanup(pipe.end)
        return pipe

    def processes(self):
        """All that work in the test's directory: their ids."""
        found = set()
        for path in pathlib.Path("/proc").glob("[0-9]*/cwd"):
            try:
                where = os.readlink(path).removesuffix(" (deleted)")
            except OSError:  # it has ended, or is somebody else's
                continue
            if pathlib.Path(where).is_relative_to(self.directory):
                found.add(int(path.parent.name))
        return found

    def kill_left(self):
        """The last clean-up, after the service was deleted: nothing may be there."""
        left = self.processes()
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        self.assertEqual(left, set(), "it has left processes")

    def make(self, *options, exec, kind="process", **config):
        config = {"working_directory": str(self.directory), **config,
                  "exec": ["/bin/sh", "-c", WITNESS, "witness", *exec]}
        self.create(self.name, kind, config, *options)

    def show(self):
        return self.json("show", self.name, *PROPERTIES)

    def usage(self):
        """Only the first answer in a run tells how it is now."""
        return self.json("show", self.name, "Usage")["Usage"]

    def states(self):
        """All that it has been in so far."""
        seen = []
        for event in self.json("events", self.name):
            if seen[-1:] != [event["to"]]:  # else it is the sub-state alone
                seen.append(event["to"])
        return seen

    def await_state(self, until, after):
        """See "svcmgr wait"; after: a record."""
        self.svcmgr("wait", self.name, f"--until={until}", f"--after-serial={after['StateSerial']}")
        return self.show()

    def kill(self, record):
        """The main process alone, by force; returns the record when it is active again."""
        self.assertGreaterEqual(self.processes(), {record["MainPID"]})
        os.kill(record["MainPID"], signal.SIGKILL)
        after = self.await_state("active", record)
        self.assertEqual((after["State"], after["NRestarts"]), ("active", 1))
        self.assertNotEqual(after["MainPID"], record["MainPID"])
        return after

    def check_began_alone(self, record):
        """When this one, which now answers, began, nothing of the one before was left."""
        witnesses = [path.read_text() for path in self.directory.rglob("witness")]
        self.assertEqual(witnesses, [f"{record['MainPID']}\n"])

    def stop(self, status=0):
        self.svcmgr("stop", self.name, status=status)
        self.assertEqual(self.processes(), set(), "it has stopped, and left processes")
        return self.show()

    def check_cgroup(self):
        """All of it are in the service's cgroup and are counted there, if it has one. A server may
        have some that come and go. Once in a run, see usage."""
        before = self.processes()
        path = self.show()["ControlGroup"]
        self.assertEqual(path != "", self.has_cgroups)
        if not self.has_cgroups:
            return
        for pid in before:
            try:
                text = pathlib.Path(f"/proc/{pid}/cgroup").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if f"0::{path}\n" not in text:
                self.assertNotIn(pid, self.processes(), text)  # its end puts it elsewhere
        n_counted = self.usage()["processes"]
        stayed = before & self.processes()
        self.assertGreater(len(stayed), 0)
        self.assertGreaterEqual(n_counted, len(stayed))
