# SPDX-License-Identifier: LGPL-2.1-or-later
"""A server that was not written for us: redis-server, as Debian has it, with "supervised systemd".
It says READY=1 when it has loaded its data, and STATUS= as it goes."""

import os
import pathlib
import shutil
import signal
import socket
import unittest

from harness import SECONDS_MAX, Case

CONFIG = """\
supervised systemd
daemonize no
port 0
unixsocket {directory}/socket
dir {directory}
logfile {directory}/log
pidfile ""
save ""
appendonly no
"""

# A database with nothing in it: magic and version, end, no checksum.
EMPTY_DATABASE = b"REDIS0010\xff" + bytes(8)

READY = "ready to accept connections at"  # in redis's own log


class Redis(Case):
    @classmethod
    def setUpClass(cls):
        if shutil.which("redis-server") is None:
            raise unittest.SkipTest("redis-server is not installed")
        super().setUpClass()

    def setUp(self):
        self.name = self.id().rsplit("_", 1)[1]
        self.directory = self.world.directory / self.name
        self.directory.mkdir()

    def definition(self, **more):
        path = self.directory / "redis.conf"
        path.write_text(CONFIG.format(directory=self.directory))
        return {"exec": ["redis-server", str(path)], "readiness": "notify", **more}

    def make(self, *options, **more):
        self.create(self.name, "process", self.definition(**more), *options)

    def ask(self, command):
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(SECONDS_MAX)
            peer.connect(str(self.directory / "socket"))
            peer.sendall(command + b"\r\n")
            return peer.recv(4096)

    def log(self):
        return (self.directory / "log").read_text()

    def show(self):
        return self.json("show", self.name)

    def states(self):
        """All that it has been in so far."""
        seen = []
        for event in self.json("events", self.name):
            if seen[-1:] != [event["to"]]:  # else it is the sub-state alone
                seen.append(event["to"])
        return seen

    def on_late(self, signo, frame):
        self.fail(f"redis does not read its database:\n{self.world.log.read_text()}")

    def test_ready(self):
        """Its database is a pipe that nobody has written to: it runs, but is not ready."""
        database = self.directory / "dump.rdb"
        os.mkfifo(database)
        self.make("--start", "--no-wait", start_timeout="30s")
        signal.signal(signal.SIGALRM, self.on_late)
        signal.alarm(SECONDS_MAX)
        with open(database, "wb") as pipe:  # as soon as redis reads
            signal.alarm(0)
            self.show()  # this answer may overtake what redis said before, the next one may not
            record = self.show()
            self.assertEqual((record["State"], record["SubState"]), ("starting", "start-notify"))
            self.assertEqual(record["StatusText"], "Redis is loading...")
            self.assertNotIn(READY, self.log())
            pipe.write(EMPTY_DATABASE)
        self.svcmgr("wait", self.name, "--until=active")
        self.assertIn(READY, self.log())
        self.assertEqual(self.states(), ["starting", "active"])
        self.assertEqual(self.ask(b"PING"), b"+PONG\r\n")

    def test_life(self):
        """It answers, tells how it is, and is gone without a trace after a stop."""
        self.make("--start")
        self.assertEqual(self.ask(b"PING"), b"+PONG\r\n")
        record = self.show()
        self.assertEqual(record["StatusText"], "Ready to accept connections")
        self.assertIn("Ready to accept connections", self.svcmgr("status", self.name).out)
        self.assertIn(f"process_id:{record['MainPID']}\r", self.ask(b"INFO server").decode())

        self.svcmgr("stop", self.name)
        self.assertFalse(pathlib.Path(f"/proc/{record['MainPID']}").exists())
        self.assertRaises((FileNotFoundError, ConnectionRefusedError), self.ask, b"PING")
        after = self.show()
        self.assertEqual((after["State"], after["Error"]), ("inactive", ""))
        self.assertEqual((after["ExitCode"], after["ExitSignal"], after["MainPID"]), (0, "", 0))
        self.assertIn("Redis is now ready to exit", self.log())

    def test_killed(self):
        """It is started again, and is not active before it is ready again."""
        self.make("--start", restart={"initial_delay": "100ms", "min_delay": "100ms"})
        before = self.show()
        self.svcmgr("signal", self.name, "SIGKILL")
        self.svcmgr("wait", self.name, "--until=active", f"--after-serial={before['StateSerial']}")
        after = self.show()
        self.assertEqual((after["State"], after["NRestarts"]), ("active", 1))
        self.assertNotEqual(after["MainPID"], before["MainPID"])
        self.assertEqual(self.ask(b"PING"), b"+PONG\r\n")
        self.assertEqual(self.states(),
                         ["starting", "active", "backoff", "starting", "active"])

    def test_shutdown(self):
        """SHUTDOWN from a client of its own is a clean end: nothing to be restarted."""
        self.make("--start")
        self.assertEqual(self.ask(b"SHUTDOWN NOSAVE"), b"")
        self.svcmgr("wait", self.name, "--until=inactive")
        record = self.show()
        self.assertEqual((record["State"], record["Error"], record["ExitCode"]),
                         ("inactive", "", 0))

    def test_misconfigured(self):
        """It gives up, with a reason; what redis says about it is in the log."""
        definition = self.definition(restart={"max_attempts": 1})
        (self.directory / "redis.conf").write_text("no-such-directive yes\n")
        self.create(self.name, "process", definition)
        reason = r"main process \d+ exited with status 1 before it was ready"
        self.assertRegex(self.svcmgr("start", self.name, status=1).err, reason)
        record = self.show()
        self.assertEqual((record["State"], record["FailureClass"]), ("failed", "exit-code"))
        self.assertRegex(record["Error"], f"^{reason}$")
        self.assertEqual(self.states(), ["inactive", "starting", "failed"])
        self.assertIn("no-such-directive", self.world.log.read_text())


if __name__ == "__main__":
    unittest.main()
