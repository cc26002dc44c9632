# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon of its own for each class of tests, in a temporary directory, on a bus of its own and on
its private socket; and svcmgr as a person types it. Needs SVCMGRD and SVCMGR in the environment.

Nothing of it outlives the tests: not when they are interrupted or when nobody reads what they write
any more (then worlds end at the exit), and not when they are killed (then the kernel tells what was
started)."""

import atexit
import ctypes
import json
import os
import pathlib
import pty
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

SVCMGRD = os.environ["SVCMGRD"]
SVCMGR = os.environ["SVCMGR"]

SECONDS_MAX = 30

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1  # prctl(2)

# unittest takes any other exception for a failed test and goes on.
for SIGNO in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(SIGNO, signal.default_int_handler)


def spawn(command, signo=signal.SIGKILL, **more):
    """A program that gets signo when the tests die."""
    parent = os.getpid()

    def on_forked():
        if LIBC.prctl(PR_SET_PDEATHSIG, signo) != 0 or os.getppid() != parent:
            os._exit(127)

    return subprocess.Popen(command, preexec_fn=on_forked, **more)


BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={directory}/bus</listen>
  <policy context="default">
    <allow user="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


class Result:
    """What a program left: exit status, standard output, standard error."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __repr__(self):
        return f"exit status {self.status}\n--- out\n{self.out}\n--- err\n{self.err}"


class World:
    """A temporary directory with a bus and a daemon, each of which may come and go."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="svcmgr-e2e-"))
        self.services = self.directory / "services"
        self.services.mkdir()
        self.bus_socket = self.directory / "bus"
        self.private_socket = self.directory / "run" / "private"
        self.log = self.directory / "log"
        self.bus_process = None
        self.daemon_process = None
        self.cgroup = "none"  # or "auto", before the daemon is started
        self.wrapper = []  # a command that runs the command that follows
        self.options = []  # more of the daemon's
        atexit.register(self.end)

    @property
    def bus(self):
        return f"unix:path={self.bus_socket}"

    @property
    def private(self):
        return f"unix:path={self.private_socket}"

    def environment(self):
        """Without anything of whoever runs the tests."""
        kept = {name: os.environ[name] for name in ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS",
                                                    "LSAN_OPTIONS") if name in os.environ}
        return {**kept, "HOME": str(self.directory), "LC_ALL": "C.UTF-8", "TZ": "UTC",
                "XDG_RUNTIME_DIR": str(self.directory), "SVCMGR_CGROUP": self.cgroup}

    def define(self, name, kind, config, **more):
        text = json.dumps({"kind": kind, "config": config, **more})
        (self.services / f"{name}.json").write_text(text)

    def file(self, name, content):
        path = self.directory / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    def said(self, service):
        """What the service has said, as the daemon keeps it."""
        return (self.directory / "logs" / service / "current").read_text()

    def start_bus(self):
        config = self.directory / "bus.conf"
        config.write_text(BUS_CONFIG.format(directory=self.directory))
        self.bus_process = spawn(
            ["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile",
             "--print-address=1"],
            env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.bus_process.stdout.readline()  # it listens

    def start_daemon(self, with_bus=True):
        # Without a bus there is none to be found: neither address leads anywhere.
        environment = self.environment()
        environment["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={self.directory}/nowhere"
        environment["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={self.directory}/nowhere"
        environment["STATE_DIRECTORY"] = str(self.directory / "state")
        environment["LOGS_DIRECTORY"] = str(self.directory / "logs")
        environment["CONFIGURATION_DIRECTORY"] = str(self.directory / "config")
        command = [*self.wrapper, SVCMGRD, f"--runtime-dir={self.private_socket.parent}",
                   f"--services-dir={self.services}", *self.options]
        command += [f"--address={self.bus}"] if with_bus else []
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(self.directory / "notify"))
            notify.settimeout(SECONDS_MAX)
            environment["NOTIFY_SOCKET"] = str(self.directory / "notify")
            with open(self.log, "ab") as log:
                # Not by force: it has programs of its own to end.
                self.daemon_process = spawn(command, signal.SIGTERM, env=environment, stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL)
            self._await_ready(notify)
        (self.directory / "notify").unlink()

    def _await_ready(self, notify):
        """READY=1 of sd_notify(3)."""
        try:
            while "READY=1" not in notify.recv(4096).decode().split("\n"):
                pass
        except TimeoutError as error:
            raise AssertionError(f"svcmgrd is not ready:\n{self.log.read_text()}") from error

    @staticmethod
    def _await_end(process):
        """The exit status; what does not end in time is killed, which is a status too."""
        try:
            return process.wait(SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def stop_daemon(self, signo=signal.SIGTERM):
        self.daemon_process.send_signal(signo)
        status = self._await_end(self.daemon_process)
        self.daemon_process = None
        return status

    def stop_bus(self):
        self.bus_process.terminate()
        self._await_end(self.bus_process)
        self.bus_process.stdout.close()
        self.bus_process = None
        self.bus_socket.unlink(missing_ok=True)

    def end(self):
        """Ends everything; returns the daemon's exit status (None: it did not run)."""
        atexit.unregister(self.end)
        status = self.stop_daemon() if self.daemon_process is not None else None
        if self.bus_process is not None:
            self.stop_bus()
        shutil.rmtree(self.directory)
        return status

    def run(self, *arguments, address=None, stdin="", environment=None, command=None, uid=None):
        """svcmgr, its output in pipes; as another user, if the tests run as root."""
        where = [] if address is None else [f"--address={address}"]
        words = command or [SVCMGR, *where]
        whom = {} if uid is None else {"user": uid, "group": uid, "extra_groups": []}
        done = subprocess.run([*words, *arguments], input=stdin, capture_output=True, text=True,
                              env={**self.environment(), **(environment or {})}, check=False,
                              timeout=SECONDS_MAX, **whom)
        return Result(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments, address):
        """svcmgr in the background; its output is read line by line with Follower."""
        return Follower([SVCMGR, f"--address={address}", *arguments], self.environment())

    def run_on_terminal(self, *arguments, address, columns=80, environment=None):
        """svcmgr on a terminal of its own; returns exit status and what the terminal got."""
        pid, master = pty.fork()
        if pid == 0:
            os.execve(SVCMGR, [SVCMGR, f"--address={address}", *arguments],
                      {**self.environment(), "TERM": "xterm", "COLUMNS": str(columns),
                       **(environment or {})})
        parts = []
        while select.select([master], [], [], SECONDS_MAX)[0]:
            try:
                part = os.read(master, 65536)
            except OSError:  # the other side is closed
                break
            if not part:
                break
            parts.append(part)
        os.close(master)
        _, status = os.waitpid(pid, 0)
        text = b"".join(parts).decode().replace("\r\n", "\n")
        return os.waitstatus_to_exitcode(status), text


class Follower:
    """A program that goes on, and its lines as they come."""

    def __init__(self, command, environment):
        self.process = spawn(command, env=environment, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.buffer = b""

    def has_line(self, seconds):
        """Whether a line has come, or comes within so many seconds."""
        if b"\n" in self.buffer:
            return True
        return bool(select.select([self.process.stdout], [], [], seconds)[0])

    def line(self):
        """The next line, without its end."""
        end = time.monotonic() + SECONDS_MAX
        while b"\n" not in self.buffer:
            left = max(end - time.monotonic(), 0)
            if not select.select([self.process.stdout], [], [], left)[0]:
                raise AssertionError(f"no line came; there is only {self.buffer!r}")
            part = os.read(self.process.stdout.fileno(), 65536)
            if not part:
                raise AssertionError(f"it has ended; there is only {self.buffer!r}")
            self.buffer += part
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode()

    def until(self, text):
        """Lines up to and with the first that holds text."""
        lines = [self.line()]
        while text not in lines[-1]:
            lines.append(self.line())
        return lines

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(SECONDS_MAX)
        self.process.stdout.close()


class Case(unittest.TestCase):
    """Tests over one world per class. Which way svcmgr takes: address()."""

    with_bus = True

    @classmethod
    def prepare(cls, world):
        """Definitions, before the daemon starts."""

    @classmethod
    def setUpClass(cls):
        cls.world = World()
        try:
            cls.prepare(cls.world)
            if cls.with_bus:
                cls.world.start_bus()
            cls.world.start_daemon(cls.with_bus)
        except BaseException:
            cls.world.end()
            raise

    @classmethod
    def tearDownClass(cls):
        log = cls.world.log.read_text()
        status = cls.world.end()
        if status not in (None, 0):
            raise AssertionError(f"svcmgrd ended with {status}:\n{log}")

    def address(self):
        return self.world.bus if self.with_bus else self.world.private

    def svcmgr(self, *arguments, status=0, **more):
        """Runs it and checks the exit status; that of a failure has a line on standard error."""
        result = self.world.run(*arguments, address=self.address(), **more)
        self.assertEqual(result.status, status, f"svcmgr {' '.join(arguments)}: {result}")
        self.assertNotIn("\033", result.out + result.err, "colour in a pipe")
        return result

    def fails(self, status, message, *arguments, **more):
        """It fails with this status and this one line on standard error; nothing on the other."""
        result = self.svcmgr(*arguments, status=status, **more)
        self.assertEqual(result.err, f"svcmgr: {message}\n")
        return result

    def json(self, *arguments, status=0, mode="short", **more):
        result = self.svcmgr(f"--json={mode}", *arguments, status=status, **more)
        return json.loads(result.out)

    def state(self, name):
        return self.json("show", name, "State")["State"]

    def tool(self, *command, status=0):
        """A program that is none of ours; where it is not installed, the test is skipped."""
        self.needs(command[0])
        result = self.world.run(command=command)
        self.assertEqual(result.status, status, f"{' '.join(command)}: {result}")
        return result

    def follow(self, *command):
        """The same in the background, until the test ends."""
        self.needs(command[0])
        follower = Follower(command, self.world.environment())
        self.addCleanup(follower.end)
        return follower

    def needs(self, program):
        if shutil.which(program) is None:
            self.skipTest(f"{program} is not installed")

    def create(self, name, kind, config, *more):
        """A service that this test deletes at its end."""
        self.svcmgr("create", name, kind, "-", *more, stdin=json.dumps(config))
        self.addCleanup(self.svcmgr, "-q", "delete", "--allow-missing", name)
