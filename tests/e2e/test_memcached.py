# SPDX-License-Identifier: LGPL-2.1-or-later
"""memcached, as Debian has it: one process with threads, which says nothing to a manager. What it
remembers is gone with it."""

import pathlib
import re
import socket
import unittest

from harness import SECONDS_MAX
from servers import IS_ROOT, Server

USER = {"user": "nobody"} if IS_ROOT else {}
N_THREADS = 2
ITEM_BYTES = 512 * 1024
N_ITEMS = 16


class MemcachedServer(Server):
    program = "memcached"

    def setUp(self):
        super().setUp()
        self.give_to("nobody", self.directory)
        self.log = self.pipe("log")

    def command(self, *more):
        return ["/bin/sh", "-c", 'exec "$@" 2>log', "sh", "memcached", "-vv", "-t", str(N_THREADS),
                "-m", "64", "-s", str(self.directory / "socket"), *more]

    def begin(self, *more, **config):
        self.make("--start", **{"exec": self.command(*more), **USER, **config})
        self.log.until("server listening")

    def start(self, *more, **config):
        self.begin(*more, **config)
        return self.show()

    def ask(self, text, end):
        """One request, and the answer up to and with that line."""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(SECONDS_MAX)
            peer.connect(str(self.directory / "socket"))
            peer.sendall(f"{text}\r\n".encode())
            with peer.makefile(newline="\r\n") as answer:
                lines = [answer.readline().rstrip("\r\n")]
                while lines[-1] not in (end, ""):
                    lines.append(answer.readline().rstrip("\r\n"))
        return lines

    def stats(self, *what):
        lines = self.ask(" ".join(("stats", *what)), "END")
        return dict(re.findall(r"STAT (\S+) (\S+)", "\n".join(lines)))

    def keep(self, name, value):
        self.assertEqual(self.ask(f"set {name} 0 0 {len(value)}\r\n{value}", "STORED"), ["STORED"])

    def proc(self, name):
        return pathlib.Path(f"/proc/{self.show()['MainPID']}/{name}").read_text()


class Memcached(MemcachedServer):
    def test_life(self):
        """It answers, as nobody; and is gone without a trace after a stop."""
        record = self.start()
        stats = self.stats()
        self.assertEqual((stats["pid"], stats["threads"]), (str(record["MainPID"]), str(N_THREADS)))
        if IS_ROOT:
            self.assertEqual(pathlib.Path(f"/proc/{record['MainPID']}").owner(), "nobody")
        self.check_cgroup()
        self.keep("name", "value")
        self.assertEqual(self.ask("get name", "END"), ["VALUE name 0 5", "value", "END"])

        after = self.stop()
        self.assertEqual((after["State"], after["Error"], after["MainPID"]), ("inactive", "", 0))
        self.assertRaises((FileNotFoundError, ConnectionRefusedError), self.stats)

    def test_killed(self):
        before = self.start(restart={"initial_delay": "10ms", "min_delay": "10ms"})
        self.keep("name", "value")
        after = self.kill(before)
        self.log.until("server listening")
        self.check_began_alone(after)
        self.assertEqual(self.stats()["pid"], str(after["MainPID"]))
        self.assertEqual(self.ask("get name", "END"), ["END"])

    def test_limits(self):
        """It takes as many descriptors as it needs, which is more than the soft limit."""
        self.start("-c", "150", limits={"nofile": {"soft": 100, "hard": 200},
                                        "memlock": {"soft": "64KiB", "hard": "128KiB"}})
        self.assertEqual(self.stats("settings")["maxconns"], "150")
        self.assertRegex(self.proc("limits"), r"\nMax open files +150 +150 ")
        self.assertRegex(self.proc("limits"), r"\nMax locked memory +65536 +131072 ")

    @unittest.skipUnless(IS_ROOT, "root may raise every limit: this is what others are refused")
    def test_limits_are_too_small(self):
        """It gives up with what memcached says to it."""
        self.make(exec=self.command("-c", "150"), limits={"nofile": 100}, **USER,
                  restart={"policy": "no"})
        self.svcmgr("--no-wait", "start", self.name)
        self.svcmgr("wait", self.name, "--until=inactive")  # or failed
        record = self.show()
        self.assertEqual(record["State"], "failed")
        self.assertRegex(record["Error"], r"^main process \d+ exited with status \d+$")
        self.assertEqual(record["FailureClass"], "exit-code")
        self.log.until("failed to set rlimit for open files")

    @unittest.skipUnless(IS_ROOT, "only root has something to give up")
    def test_gives_up_root(self):
        """It becomes nobody by itself, with the capabilities that this takes, and keeps none."""
        self.directory.chmod(0o777)  # root without capabilities is only somebody else
        record = self.start("-u", "nobody", user="root", no_new_privileges=True,
                            capabilities=["CAP_SETUID", "CAP_SETGID"])
        self.assertEqual(pathlib.Path(f"/proc/{record['MainPID']}").owner(), "nobody")
        status = self.proc("status")
        self.assertRegex(status, r"\nCapEff:\t0+\nCapBnd:\t0+c0\n")
        self.assertIn("\nNoNewPrivs:\t1\n", status)
        self.assertEqual(self.stats()["pid"], str(record["MainPID"]))
        self.stop()


class MemcachedInCgroup(Memcached):
    has_cgroups = True


class MemcachedUsage(MemcachedServer):
    def test_usage(self):
        """Its threads, and what it remembers."""
        self.begin()
        for i in range(N_ITEMS):
            self.keep(f"item{i}", "x" * ITEM_BYTES)
        usage = self.usage()
        self.assertEqual(usage["processes"], 1)
        self.assertGreater(usage["tasks"], N_THREADS)
        self.assertGreater(usage["memory_bytes"], N_ITEMS * ITEM_BYTES)
        self.assertEqual(usage["source"], "cgroup" if self.has_cgroups else "proc")
        out = self.svcmgr("status", self.name).out
        self.assertIn(f"Tasks: {usage['tasks']} (1 process)\n", out)
        self.assertRegex(out, r"Memory: \d+(\.\d)? MiB")
        self.assertEqual("Cgroup: " in out, self.has_cgroups)


class MemcachedUsageInCgroup(MemcachedUsage):
    has_cgroups = True


if __name__ == "__main__":
    unittest.main()
