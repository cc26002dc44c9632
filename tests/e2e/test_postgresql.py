# SPDX-License-Identifier: LGPL-2.1-or-later
"""PostgreSQL, as Debian has it: a database with a process in a session of its own for each client.
It runs as a user of its own and says READY=1. Its cluster is made here; Debian's is not touched."""

import pathlib
import subprocess
import unittest

from harness import SECONDS_MAX, Follower
from servers import IS_ROOT, Server

# Debian keeps the programs out of PATH, by version.
BIN = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name),
          default=pathlib.Path("/usr/lib/postgresql"))

USER = {"user": "postgres"} if IS_ROOT else {}

CONFIG = """\
listen_addresses = ''
unix_socket_directories = '{directory}'
dynamic_shared_memory_type = mmap
shared_buffers = 4MB
fsync = off
work_mem = {work_mem}
"""

# Nothing that waits, so that the end of its parent does not wake it; a signal ends it once it has
# begun.
BUSY = "DO $$ BEGIN RAISE NOTICE 'has begun'; LOOP END LOOP; END $$"
WAITING = "DO $$ BEGIN RAISE NOTICE 'has begun'; PERFORM pg_sleep(1000); END $$"


class Postgresql(Server):
    program = str(BIN / "postgres")

    @classmethod
    def prepare(cls, world):
        super().prepare(world)
        cls.template = world.directory / "template"
        cls.template.mkdir()
        cls.give_to("postgres", cls.template)
        command = [BIN / "initdb", "--pgdata", cls.template, "--username=postgres", "--auth=trust",
                   "--no-locale", "--no-sync", "--wal-segsize=1"]
        done = subprocess.run(command, env=world.environment(), cwd=cls.template, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **USER)
        if done.returncode != 0:
            raise AssertionError(f"initdb: {done.stdout}")

    def setUp(self):
        super().setUp()
        self.give_to("postgres", self.directory)
        self.data = self.directory / "data"
        subprocess.run(["cp", "-a", self.template, self.data], check=True)
        self.log = self.pipe("log")

    def write_config(self, work_mem="1MB"):
        (self.data / "postgresql.conf").write_text(CONFIG.format(directory=self.directory,
                                                                 work_mem=work_mem))

    def start(self, **config):
        self.write_config()
        self.make("--start", **{
            "exec": ["/bin/sh", "-c", 'exec "$@" 2>log', "sh", self.program, "-D", str(self.data)],
            **USER, "readiness": "notify", "start_timeout": "1min", "stop_timeout": "1min",
            "stop_signal": "SIGINT", "stop_mode": "main", **config})
        return self.show()

    def psql(self, *statements):
        commands = [word for statement in statements for word in ("--command", statement)]
        return [str(BIN / "psql"), "--host", str(self.directory), "--username=postgres",
                "--dbname=postgres", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align",
                *commands]

    def ask(self, statement):
        result = self.world.run(command=self.psql(statement))
        self.assertEqual(result.status, 0, result)
        return result.out.rstrip("\n")

    def query(self, statement):
        """One that takes longer than the test: who asks, and the process that works for him."""
        client = Follower(self.psql("SELECT pg_backend_pid()", statement), self.world.environment())
        self.addCleanup(client.end)
        pid = int(client.line())
        client.until("has begun")
        return client, pid

    def check_cut_off(self, client):
        client.process.wait(SECONDS_MAX)
        self.assertGreater(client.process.returncode, 0)  # psql(1): an error, or the connection

    def check_stopped(self, record):
        self.assertEqual((record["State"], record["Error"], record["ExitCode"]),
                         ("inactive", "", 0))
        self.log.until("database system is shut down")

    def test_life(self):
        """It answers once it is active; its data is there after a restart."""
        before = self.start()
        self.ask("CREATE TABLE kept AS SELECT 7 AS number")
        self.check_cgroup()
        self.assertEqual(self.states(), ["starting", "active"])
        self.svcmgr("restart", self.name)
        after = self.show()
        self.assertNotEqual(after["MainPID"], before["MainPID"])
        self.check_began_alone(after)
        self.assertEqual(self.ask("SELECT number FROM kept"), "7")
        self.check_stopped(self.stop())

    def test_members(self):
        """What it was given is in force for each client's process, too."""
        self.start(oom_score_adjust=321, nice=3, limits={"nofile": {"soft": 1500, "hard": 1600},
                                                         "core": 0})
        _, backend = self.query(WAITING)
        here = pathlib.Path(f"/proc/{backend}")
        self.assertEqual((here / "oom_score_adj").read_text(), "321\n")
        self.assertRegex((here / "limits").read_text(), r"\nMax open files +1500 +1600 ")
        self.assertRegex((here / "limits").read_text(), r"\nMax core file size +0 +0 ")
        self.assertEqual((here / "stat").read_text().rpartition(")")[2].split()[16], "3")
        if IS_ROOT:
            self.assertEqual(here.owner(), "postgres")
        self.check_stopped(self.stop())

    def test_reload(self):
        before = self.start(reload_signal="SIGHUP")
        client, _ = self.query(WAITING)
        self.assertEqual(self.ask("SHOW work_mem"), "1MB")
        self.write_config("2MB")
        self.svcmgr("reload", self.name)
        self.log.until('parameter "work_mem" changed to "2MB"')
        self.assertEqual(self.ask("SHOW work_mem"), "2MB")
        self.assertIsNone(client.process.poll())
        after = self.show()
        self.assertEqual((after["State"], after["MainPID"]), ("active", before["MainPID"]))
        self.assertEqual(self.states(), ["starting", "active", "reloading", "active"])

    def test_stop(self):
        """SIGINT to its main process: whoever asks is cut off, and it ends in order."""
        self.start()
        clients = [self.query(statement)[0] for statement in (WAITING, BUSY)]
        self.check_stopped(self.stop())
        for client in clients:
            self.check_cut_off(client)

    def test_stop_too_late(self):
        """SIGTERM to its main process alone, and a client who stays: by force, and it recovers."""
        self.start(stop_signal="SIGTERM", stop_timeout="300ms")
        self.ask("CREATE TABLE kept AS SELECT 7 AS number")
        client, _ = self.query(BUSY)
        record = self.stop(status=1)
        self.check_cut_off(client)
        self.assertEqual((record["State"], record["FailureClass"], record["ExitSignal"]),
                         ("failed", "timeout", "SIGKILL"))
        self.svcmgr("start", self.name)
        self.assertEqual(self.ask("SELECT number FROM kept"), "7")

    def test_killed(self):
        """Its main process alone: all others are gone before the next one, which recovers."""
        before = self.start(restart={"initial_delay": "10ms", "min_delay": "10ms"})
        self.ask("CREATE TABLE kept AS SELECT 7 AS number")
        clients = [self.query(statement)[0] for statement in (WAITING, BUSY)]
        after = self.kill(before)
        self.check_began_alone(after)
        for client in clients:
            self.check_cut_off(client)
        self.log.until("automatic recovery in progress")
        self.assertEqual(self.ask("SELECT number FROM kept"), "7")
        self.check_cgroup()
        self.check_stopped(self.stop())


class PostgresqlInCgroup(Postgresql):
    has_cgroups = True

    def test_stop_all(self):
        """SIGTERM, on which its main process waits until all clients are gone: they are asked too,
        since the cgroup tells who they are. Each is in a session of its own."""
        self.start(stop_signal="SIGTERM", stop_mode="all")
        clients = [self.query(statement)[0] for statement in (WAITING, BUSY)]
        self.check_stopped(self.stop())
        for client in clients:
            self.check_cut_off(client)


if __name__ == "__main__":
    unittest.main()
