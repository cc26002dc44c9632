# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who reads what services say: several at once, of whom one never takes anything; who may not; and
that a thousand runs leave nothing behind."""

import json
import os
import re
import subprocess
import time
import unittest

import said
from harness import SECONDS_MAX, SVCMGR, spawn
from said import AGAIN, ENDLESS, WRITER, OutputCase

NOBODY, SOMEBODY = 65534, 1


class Readers(OutputCase):
    def daemon_file(self, name):
        with open(f"/proc/{self.world.daemon_process.pid}/{name}", encoding="ascii") as file:
            return file.read()

    def daemon_memory(self):
        """In KiB; 0 where a sanitizer keeps what was freed: what grows says nothing."""
        anonymous = re.search(r"\nRssAnon:\s+(\d+) kB", self.daemon_file("status"))[1]
        return 0 if "libasan" in self.daemon_file("maps") else int(anonymous)

    def daemon_fds(self):
        return len(os.listdir(f"/proc/{self.world.daemon_process.pid}/fd"))

    def logs_command(self, *arguments):
        return [SVCMGR, f"--address={self.address()}", "logs", *arguments]

    def test_a_thousand_runs(self):
        self.writer("before", "lines", 1)
        fds = self.daemon_fds()
        self.writer("runs", "lines", 3, "both", "status", 1, "starts", 1000, kind="process", **AGAIN)
        self.svcmgr("wait", "runs", "--until", "inactive")
        counts = self.check("runs", 100)
        self.assertEqual(len(counts), 2000)
        self.assertEqual(set(counts.values()), {3})
        self.await_fds(fds)

    def test_read_again(self):
        """As it was written, byte for byte."""
        self.writer("again", "lines", 10000, "length", 300, "binary", "chunk", 4096,
                    log={"max_size": "64KiB", **ENDLESS})
        lines = said.lines_in(self.logs("again"))
        self.assertEqual(said.said(lines, 300), {(1, b"stdout"): 10000})
        self.assertEqual(self.read("again", "bare"), b"".join(line.text + b"\n" for line in lines))
        self.assertEqual(self.read("again", "text"), said.content(self.logs("again")))

    def read(self, name, style):
        command = self.logs_command(name, "-n", "all", f"--output={style}")
        return subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=SECONDS_MAX,
                              env=self.world.environment()).stdout

    def follower(self, name, output):
        """It follows from the first line on."""
        process = spawn(self.logs_command("-f", "-n", "all", "--output=text", name), stdout=output,
                        stderr=subprocess.DEVNULL, env=self.world.environment())
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def await_fds(self, fds):
        """So many, but for a client that the daemon has not seen go yet."""
        end = time.monotonic() + SECONDS_MAX
        while self.daemon_fds() > fds:
            self.assertLess(time.monotonic(), end, self.daemon_fds())
            self.svcmgr("list")  # it sees what has happened before it answers

    def test_followers(self):
        """One of them takes a line and nothing else."""
        command = [WRITER, "lines", "100000", "chunk", "4096"]
        self.svcmgr("create", "followed", "oneshot", "-",
                    stdin=json.dumps({"exec": command, "log": ENDLESS}))
        fds, memory = self.daemon_fds(), self.daemon_memory()
        paths = [self.world.directory / f"follower-{i}" for i in range(3)]
        followers = []
        for path in paths:
            with open(path, "wb") as file:
                followers.append(self.follower("followed", file))
        idle = self.follower("followed", subprocess.PIPE)
        self.addCleanup(idle.stdout.close)
        self.svcmgr("start", "followed")
        self.assertNotEqual(idle.stdout.read(1), b"")
        self.svcmgr("delete", "followed")
        for follower in followers:
            self.assertIsNotNone(follower.wait(SECONDS_MAX))
        content = said.content(self.logs("followed"))
        self.assertEqual(said.said(said.lines_of(content), 100), {(1, b"stdout"): 100000})
        for path in paths:
            self.assertEqual(path.read_bytes(), content)
        self.assertIsNone(idle.poll())
        self.assertLess(self.daemon_memory(), memory + 4096)
        self.assertGreater(self.daemon_fds(), fds)
        idle.kill()
        self.await_fds(fds)


@unittest.skipIf(os.geteuid() != 0, "only root can be somebody else")
class WhoMayRead(OutputCase):
    @classmethod
    def prepare(cls, world):
        world.directory.chmod(0o711)

    def test_open_log(self):
        config = {"exec": ["/bin/echo", "secret"], "user": NOBODY, "group": NOBODY}
        self.create("private", "oneshot", config)
        self.svcmgr("start", "private")
        self.assertIn("secret", self.svcmgr("logs", "private").out)
        for uid in (NOBODY, SOMEBODY):
            for command in ("logs", "failure-report"):
                result = self.svcmgr(command, "private", uid=uid, status=5)
                self.assertEqual(result.out, "")
                self.assertNotIn("secret", result.err)
            self.assertNotIn("secret", self.svcmgr("status", "private", uid=uid).out)


class WhoMayReadOnBus(WhoMayRead):
    with_bus = True


if __name__ == "__main__":
    unittest.main()
