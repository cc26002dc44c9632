# SPDX-License-Identifier: LGPL-2.1-or-later
"""redis-server, as Debian has it. With "supervised systemd" it says READY=1 when it has loaded its
data, and STATUS= as it goes; with "daemonize yes" it goes its own way."""

import os
import pathlib
import signal
import socket
import unittest

from harness import SECONDS_MAX
from servers import LAUNCHED, LAUNCHER, Server

CONFIG = {"supervised": "systemd", "daemonize": "no", "port": 0, "pidfile": '""', "save": '""',
          "appendonly": "no"}

# A database with nothing in it: magic and version, end, no checksum.
EMPTY_DATABASE = b"REDIS0010\xff" + bytes(8)

READY = "ready to accept connections at"  # in redis's own log

QUICKLY = {"initial_delay": "10ms", "min_delay": "10ms"}

# What starts it, and tells of it when it is told to, as an old start script might.
ANNOUNCER = '"$@" && read -r pid <go && systemd-notify "MAINPID=$pid" READY=1; exit'
# As root, systemd-notify says that its parent has sent the message, unless that is svcmgrd.
ANNOUNCER_EXEC = ANNOUNCER.replace("systemd-notify", "exec systemd-notify")


class Redis(Server):
    program = "redis-server"

    def write_config(self, **more):
        settings = {**CONFIG, "unixsocket": self.directory / "socket", "dir": self.directory,
                    "logfile": self.directory / "log", **more}
        text = "".join(f"{name} {value}\n" for name, value in settings.items())
        (self.directory / "redis.conf").write_text(text)

    def command(self):
        return ["redis-server", str(self.directory / "redis.conf")]

    def create_server(self, *options, **more):
        self.make(*options, **{"exec": self.command(), "readiness": "notify", **more})

    def ask(self, command):
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(SECONDS_MAX)
            peer.connect(str(self.directory / "socket"))
            peer.sendall(command + b"\r\n")
            return peer.recv(4096)

    def log(self):
        return (self.directory / "log").read_text()

    def on_late(self, signo, frame):
        self.fail(f"redis does not read its database:\n{self.world.said(self.name)}")

    def test_ready(self):
        """Its database is a pipe that nobody has written to: it runs, but is not ready."""
        database = self.directory / "dump.rdb"
        os.mkfifo(database)
        self.write_config()
        self.create_server("--start", "--no-wait", start_timeout="30s")
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
        self.write_config()
        self.create_server("--start")
        self.check_cgroup()
        self.assertEqual(self.ask(b"PING"), b"+PONG\r\n")
        record = self.show()
        self.assertEqual(record["StatusText"], "Ready to accept connections")
        self.assertIn("Ready to accept connections", self.svcmgr("status", self.name).out)
        self.assertIn(f"process_id:{record['MainPID']}\r", self.ask(b"INFO server").decode())

        after = self.stop()
        self.assertFalse(pathlib.Path(f"/proc/{record['MainPID']}").exists())
        self.assertRaises((FileNotFoundError, ConnectionRefusedError), self.ask, b"PING")
        self.assertEqual((after["State"], after["Error"]), ("inactive", ""))
        self.assertEqual((after["ExitCode"], after["ExitSignal"], after["MainPID"]), (0, "", 0))
        self.assertIn("Redis is now ready to exit", self.log())

    def test_killed(self):
        """It is started again, is not active before it is ready again, and has its data."""
        self.write_config(appendonly="yes", appendfsync="always")
        self.create_server("--start", restart=QUICKLY)
        self.assertEqual(self.ask(b"SET name value"), b"+OK\r\n")
        after = self.kill(self.show())
        self.check_began_alone(after)
        self.assertEqual(self.ask(b"GET name"), b"$5\r\nvalue\r\n")
        self.assertEqual(self.states(),
                         ["starting", "active", "backoff", "starting", "active"])

    def test_shutdown(self):
        """SHUTDOWN from a client of its own is a clean end: nothing to be restarted."""
        self.write_config()
        self.create_server("--start")
        self.assertEqual(self.ask(b"SHUTDOWN NOSAVE"), b"")
        self.svcmgr("wait", self.name, "--until=inactive")
        record = self.show()
        self.assertEqual((record["State"], record["Error"], record["ExitCode"]),
                         ("inactive", "", 0))

    def test_misconfigured(self):
        """It gives up, with a reason; what redis says about it is in its log."""
        (self.directory / "redis.conf").write_text("no-such-directive yes\n")
        self.create_server(restart={"max_attempts": 1})
        reason = r"main process \d+ exited with status 1 before it was ready"
        self.assertRegex(self.svcmgr("start", self.name, status=1).err, reason)
        record = self.show()
        self.assertEqual((record["State"], record["FailureClass"]), ("failed", "exit-code"))
        self.assertRegex(record["Error"], f"^{reason}$")
        self.assertEqual(self.states(), ["inactive", "starting", "failed"])
        self.assertIn("no-such-directive", self.world.said(self.name))

    def test_daemon(self):
        """What it has left in the background is no service: it goes with its main process."""
        self.write_config(supervised="no", daemonize="yes")
        self.create_server("--start", readiness="spawned")
        self.svcmgr("wait", self.name, "--until=inactive")
        record = self.show()
        self.assertEqual((record["State"], record["Error"], record["ExitCode"]),
                         ("inactive", "", 0))
        self.assertEqual(self.processes(), set())

    def launch(self, announcer=ANNOUNCER, **more):
        """In the background, and named as the main process; returns its record."""
        log = self.pipe("log")
        go = self.pipe("go")
        self.write_config(supervised="no", daemonize="yes", pidfile=self.directory / "pid")
        self.create_server("--start", "--no-wait", exec=["/bin/sh", "-c", announcer, "sh",
                                                         *self.command()], **more)
        log.until(READY)
        self.assertEqual(self.state(self.name), "starting")
        pid = int((self.directory / "pid").read_text())
        os.write(go.file, f"{pid}\n".encode())
        self.svcmgr("wait", self.name, "--until=active")
        record = self.show()
        self.assertEqual(record["MainPID"], pid)
        return record

    def test_daemon_is_named(self):
        """With MAINPID= it is the service from then on, without who has started it."""
        self.launch()
        self.assertEqual(self.ask(b"PING"), b"+PONG\r\n")
        self.check_cgroup()
        record = self.stop()
        self.assertEqual((record["State"], record["Error"], record["ExitCode"]),
                         ("inactive", "", 0))

    def test_daemon_is_killed(self):
        """The end of what it has become is seen as that of any other."""
        before = self.launch(ANNOUNCER_EXEC, restart={"policy": "no"})
        os.kill(before["MainPID"], signal.SIGKILL)
        self.svcmgr("wait", self.name, "--until=inactive")  # or failed
        record = self.show()
        self.assertEqual((record["State"], record["FailureClass"], record["ExitSignal"]),
                         ("failed", "signal", "SIGKILL"))
        self.assertEqual(self.processes(), set())

    def test_daemon_of_a_script(self):
        """Nobody has named it, its title is its own, so is its session: it goes all the same."""
        log = self.pipe("log")
        self.write_config(supervised="no", daemonize="yes")
        self.create_server("--start", readiness="spawned", exec=[
            "/bin/sh", "-c", LAUNCHER, "sh", *self.command()])
        log.until(READY, LAUNCHED)
        self.assertEqual(self.ask(b"PING"), b"+PONG\r\n")
        self.assertEqual(len(self.processes()), 2)
        self.check_cgroup()
        self.stop()
        self.assertRaises((FileNotFoundError, ConnectionRefusedError), self.ask, b"PING")


class RedisInCgroup(Redis):
    has_cgroups = True


if __name__ == "__main__":
    unittest.main()
