# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whole systems: killed in the middle of their start, shut down, and made of real servers."""

import os
import random
import signal
import socket
import unittest

from harness import SECONDS_MAX
from servers import Pipe
from steps import Steps

N_CHAIN = 50
HELD = 24  # where the chain stands still when the daemon is killed
N_SYSTEM = 30

REDIS = """\
port 0
unixsocket {directory}/redis
dir {directory}
supervised systemd
save ""
"""

# A database with nothing in it: magic and version, end, no checksum.
EMPTY_DATABASE = b"REDIS0010\xff" + bytes(8)

NGINX = """\
daemon off;
worker_processes 1;
error_log {directory}/nginx-log notice;
pid {directory}/nginx-pid;
events {{ worker_connections 16; }}
http {{
    access_log off;
    client_body_temp_path {directory}/tmp-body;
    proxy_temp_path {directory}/tmp-proxy;
    fastcgi_temp_path {directory}/tmp-fastcgi;
    uwsgi_temp_path {directory}/tmp-uwsgi;
    scgi_temp_path {directory}/tmp-scgi;
    server {{
        listen unix:{directory}/web;
        location / {{ return 200 "here"; }}
    }}
}}
"""


class Chain(Steps):
    """Fifty, of which each requires the one before; the daemon is killed while one of them starts."""

    with_bus = False
    names = [f"s{i:02}" for i in range(N_CHAIN)]

    def begin(self):
        """Only when all is defined."""
        for i, name in enumerate(self.names):
            self.define(name, *(["held"] if i == HELD else []), requires=self.names[i - 1:i],
                        enabled=self.is_enabled(name))
        self.world.start_daemon(self.with_bus)

    def is_enabled(self, name):
        return name == self.names[-1]

    def check(self):
        held = self.names[HELD]
        self.journal.wait(held, "begin")
        self.assertEqual(self.journal.names("ready"), self.names[:HELD])
        self.world.stop_daemon(signal.SIGKILL)
        self.journal.forget()
        self.world.start_daemon(self.with_bus)
        self.journal.wait(held, "begin")
        self.assertEqual(self.journal.names("begin"), self.names[:HELD + 1])
        self.let_go(held)
        self.journal.wait(self.names[-1], "ready")
        self.wait_for(self.names[-1], "ready")
        said = [line for line in self.journal.said() if line[1] in ("begin", "ready")]
        self.assertEqual(said, [(name, what) for name in self.names for what in ("begin", "ready")])

    def test_killed_while_it_starts(self):
        """What is enabled brings all of it."""
        self.check()


class ChainOfWanted(Chain):
    """None is enabled: what somebody wanted is wanted again."""

    options = ["--restore=wanted"]

    def is_enabled(self, name):
        return False

    def test_killed_while_it_starts(self):
        self.start(self.names[-1], wait=False)
        self.check()


class Shutdown(Steps):
    """Thirty at random, each of which requires up to three others."""

    with_bus = False

    def begin(self):
        self.seed = random.randrange(1 << 32)
        chance = random.Random(self.seed)
        self.required = {}
        for i in range(N_SYSTEM):
            below = list(self.required)
            self.required[f"s{i:02}"] = chance.sample(below, chance.randint(0, min(3, len(below))))
        names = list(self.required)
        chance.shuffle(names)  # names say nothing of the order
        new = dict(zip(self.required, names))
        self.required = {new[one]: [new[other] for other in others]
                         for one, others in self.required.items()}
        for name, others in self.required.items():
            self.define(name, "linger", "20", requires=others)
        self.world.start_daemon(self.with_bus)

    def times(self, what):
        return {name: usec for name, said, usec in self.journal.lines if said == what}

    def test_in_reverse_order(self):
        """Each has ended before what it requires is told to stop; and several stop at once."""
        for name in self.required:
            self.journal.wait(name, "ready")
        began, ready = self.times("begin"), self.times("ready")
        self.assertEqual(self.world.stop_daemon(), 0)
        for name in self.required:
            self.journal.wait(name, "end")
        stopped, ended = self.times("stop"), self.times("end")
        for name, others in self.required.items():
            for other in others:
                told = f"seed {self.seed}: {name} requires {other}"
                self.assertLess(ready[other], began[name], told)
                self.assertLess(ended[name], stopped[other], told)
        self.assertLess(sorted(stopped.values())[1], min(ended.values()), "one after the other")


class Servers(Steps):
    """nginx requires a redis that says when it has its data, and what writes its configuration."""

    def setUp(self):
        for program in ("nginx", "redis-server"):
            self.needs(program)
        super().setUp()
        self.directory = self.world.directory
        self.directory.chmod(0o711)
        os.mkfifo(self.directory / "dump.rdb")
        self.log = Pipe(self.directory / "nginx-log")
        self.addCleanup(self.log.end)
        signal.signal(signal.SIGALRM, self.on_late)
        self.addCleanup(signal.alarm, 0)

    def on_late(self, signo, frame):
        self.fail(f"redis does not read its database:\n{self.world.said('redis')}")

    def create_servers(self):
        where = str(self.directory)
        draft = self.world.file("draft", NGINX.format(directory=where))
        conf = f"{where}/nginx.conf"
        redis = self.world.file("redis.conf", REDIS.format(directory=where))
        self.create("redis", "process", {"exec": ["redis-server", redis], "readiness": "notify",
                                         "start_timeout": "30s"})
        self.create("write-conf", "oneshot", {"exec": ["cp", draft, conf]})
        self.create("web", "process", {
            "exec": ["nginx", "-p", where, "-e", f"{where}/nginx-log", "-c", conf],
            "requires": ["redis", "write-conf"], "part_of": ["redis"]})

    def ask(self, name, question):
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(SECONDS_MAX)
            peer.connect(str(self.directory / name))
            peer.sendall(question)
            return peer.recv(4096)

    def feed_redis(self):
        """It reads its database from a pipe, and is not ready before."""
        signal.alarm(SECONDS_MAX)
        with open(self.directory / "dump.rdb", "wb") as pipe:
            signal.alarm(0)
            self.assertEqual(self.look("redis"), ("starting", "start-notify"))
            self.assertEqual(self.look("web"), ("waiting", "dependencies"))
            pipe.write(EMPTY_DATABASE)

    def check_both(self):
        self.svcmgr("wait", "web", "--until=ready")
        self.log.until("start worker process ")
        self.assertIn(b"here", self.ask("web", b"GET / HTTP/1.0\r\n\r\n"))
        self.assertEqual(self.ask("redis", b"PING\r\n"), b"+PONG\r\n")

    def test_servers(self):
        """Up in order; down and up again with redis; down."""
        self.create_servers()
        self.start("web", wait=False)
        self.svcmgr("wait", "write-conf", "--until=ready")
        self.feed_redis()
        self.check_both()
        before = self.show("web")["MainPID"]
        self.svcmgr("--no-wait", "restart", "redis")
        self.feed_redis()
        self.check_both()
        self.assertNotEqual(self.show("web")["MainPID"], before)
        self.stop("redis")
        self.wait_for("web", "inactive")
        self.assertEqual((self.look("web")[0], self.look("redis")[0]), ("inactive", "inactive"))
        self.log.until("exit")


if __name__ == "__main__":
    unittest.main()
