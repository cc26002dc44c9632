# SPDX-License-Identifier: LGPL-2.1-or-later
"""nginx, as Debian has it: a master that opens the sockets, with workers who serve and whom it
replaces at a reload. Its log is a pipe, in which the master says what becomes of them."""

import re
import socket
import unittest

from harness import SECONDS_MAX
from servers import LAUNCHED, LAUNCHER, Server

N_WORKERS = 2

CONFIG = """\
daemon {daemon};
worker_processes {n_workers};
error_log {directory}/log notice;
pid {directory}/pid;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {directory}/tmp-body;
    proxy_temp_path {directory}/tmp-proxy;
    fastcgi_temp_path {directory}/tmp-fastcgi;
    uwsgi_temp_path {directory}/tmp-uwsgi;
    scgi_temp_path {directory}/tmp-scgi;
    server {{
        listen unix:{directory}/socket;
        location / {{ return 200 "{answer}"; }}
        location /take {{ proxy_pass http://unix:{directory}/back; }}
    }}
}}
"""

QUICKLY = {"initial_delay": "10ms", "min_delay": "10ms"}


class Nginx(Server):
    program = "nginx"

    def setUp(self):
        super().setUp()
        self.config = self.directory / "nginx.conf"
        self.log = self.pipe("log")

    def write_config(self, answer="first", daemon="off"):
        self.config.write_text(CONFIG.format(directory=self.directory, answer=answer,
                                             daemon=daemon, n_workers=N_WORKERS))

    def command(self, *more):
        return ["nginx", "-p", str(self.directory), "-e", str(self.directory / "log"), "-c",
                str(self.config), *more]

    def start(self, **config):
        """Its record, when it serves."""
        self.write_config()
        self.make("--start", **{"exec": self.command(), **config})
        self.workers = self.await_workers()
        return self.show()

    def await_workers(self, *more):
        """As many as there have to be have started, and more was said: who."""
        lines = self.log.until(*["start worker process "] * N_WORKERS, *more)
        return re.findall(r"start worker process (\d+)", "\n".join(lines))

    def connect(self):
        peer = socket.socket(socket.AF_UNIX)
        self.addCleanup(peer.close)
        peer.settimeout(SECONDS_MAX)
        peer.connect(str(self.directory / "socket"))
        return peer

    @staticmethod
    def answer_of(peer):
        parts = []
        while part := peer.recv(4096):
            parts.append(part)
        return b"".join(parts).decode().rpartition("\r\n\r\n")[2]

    def ask(self, what="/"):
        peer = self.connect()
        peer.sendall(f"GET {what} HTTP/1.0\r\n\r\n".encode())
        return self.answer_of(peer)

    def reload(self, answer, *arguments):
        """A new configuration, taken over by the same master: its former workers are gone."""
        self.write_config(answer)
        self.svcmgr("reload", self.name, *arguments)
        gone = [f"worker process {pid} exited with code 0" for pid in self.workers]
        lines = self.log.until(*["start worker process "] * N_WORKERS, *gone)
        self.workers = re.findall(r"start worker process (\d+)", "\n".join(lines))
        self.assertEqual(len(self.workers), N_WORKERS)

    def take(self):
        """A request that is under way: who asks, and who has to answer."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.settimeout(SECONDS_MAX)
            listener.bind(str(self.directory / "back"))
            (self.directory / "back").chmod(0o777)  # workers are not root
            listener.listen()
            peer = self.connect()
            peer.sendall(b"GET /take HTTP/1.0\r\n\r\n")
            back = listener.accept()[0]
            self.addCleanup(back.close)
            back.settimeout(SECONDS_MAX)
            self.assertIn(b"\r\n\r\n", back.recv(4096))  # unread, it would be lost in the answer
            return peer, back

    def test_reload(self):
        """By signal. The master stays; a broken configuration changes nothing."""
        before = self.start(reload_signal="SIGHUP")
        self.assertEqual(self.ask(), "first")
        self.assertEqual(len(self.processes()), 1 + N_WORKERS)
        self.check_cgroup()
        self.reload("second")
        self.assertEqual(self.ask(), "second")

        self.config.write_text("no_such_directive;")
        self.svcmgr("reload", self.name)
        self.log.until("[emerg]")
        self.assertEqual(self.ask(), "second")
        self.reload("third")
        self.assertEqual(self.ask(), "third")
        after = self.show()
        self.assertEqual((after["State"], after["Error"]), ("active", ""))
        self.assertEqual((after["MainPID"], after["InvocationId"]),
                         (before["MainPID"], before["InvocationId"]))

    def test_reload_by_program(self):
        """nginx's own way is told at once when the configuration is broken."""
        before = self.start(reload_exec=self.command("-s", "reload"))
        self.reload("second")
        self.assertEqual(self.ask(), "second")

        self.config.write_text("no_such_directive;")
        told = self.svcmgr("reload", self.name, status=1).err
        self.assertRegex(told, r"^svcmgr: .*exited with status 1")
        self.assertEqual(self.ask(), "second")
        broken = self.show()
        self.assertEqual((broken["State"], broken["MainPID"]), ("active", before["MainPID"]))
        self.assertIn("exited with status 1", broken["Error"])
        self.reload("third")
        self.assertEqual((self.ask(), self.show()["Error"]), ("third", ""))

    def test_reload_by_kill(self):
        self.start(reload_exec=["/bin/kill", "-HUP", "$MAINPID"])
        self.reload("second")
        self.assertEqual(self.ask(), "second")

    def test_stop_waits(self):
        """SIGQUIT: what is under way is answered before it goes."""
        self.start(stop_signal="SIGQUIT", stop_timeout="1min")
        self.check_stop_waits()

    def test_stop_by_program(self):
        """As Debian's own unit does: a program that asks, and stays until it is gone."""
        self.start(stop_exec=["/sbin/start-stop-daemon", "--quiet", "--stop", "--retry", "QUIT/60",
                              "--pidfile", str(self.directory / "pid")], stop_timeout="1min")
        self.check_stop_waits()

    def check_stop_waits(self):
        peer, back = self.take()
        self.svcmgr("--no-wait", "stop", self.name)
        self.log.until("gracefully shutting down")
        self.assertEqual(self.state(self.name), "stopping")
        back.sendall(b"HTTP/1.0 200 OK\r\n\r\nlate")
        back.close()
        self.assertEqual(self.answer_of(peer), "late")
        self.svcmgr("wait", self.name, "--until=inactive")
        record = self.show()
        self.assertEqual((record["Error"], record["ExitCode"]), ("", 0))
        self.assertEqual(self.processes(), set())

    def test_stop_does_not_wait(self):
        """SIGTERM: what is under way is cut off, and it goes."""
        self.start()
        peer, _ = self.take()
        record = self.stop()
        self.assertEqual((record["State"], record["Error"], record["ExitCode"]),
                         ("inactive", "", 0))
        self.assertEqual(self.answer_of(peer), "")

    def test_killed(self):
        """The master alone; its workers do not outlive it, and it serves again."""
        self.write_config()
        before = self.start(exec=["/bin/sh", "-c", 'rm -f socket; exec "$@"', "sh",
                                  *self.command()], restart=QUICKLY)
        after = self.kill(before)
        self.await_workers()
        self.assertEqual(self.ask(), "first")
        self.check_began_alone(after)
        self.stop()

    def test_daemon(self):
        """With "daemon on" there is nobody to follow: it has ended, and so must the rest of it."""
        self.write_config(daemon="on")
        self.make(exec=self.command())
        before = self.show()
        self.svcmgr("--no-wait", "start", self.name)
        record = self.await_state("inactive", before)
        self.assertEqual((record["Error"], record["ExitCode"], record["NRestarts"]), ("", 0, 0))
        self.assertEqual(self.processes(), set())

    def test_daemon_of_a_script(self):
        """Sessions and titles of their own do not help."""
        self.write_config(daemon="on")
        self.make("--start", exec=["/bin/sh", "-c", LAUNCHER, "sh", *self.command()])
        self.await_workers(LAUNCHED)
        self.assertEqual(self.ask(), "first")
        self.assertEqual(len(self.processes()), 1 + 1 + N_WORKERS)
        self.check_cgroup()
        self.stop()


class NginxInCgroup(Nginx):
    has_cgroups = True


if __name__ == "__main__":
    unittest.main()
