# SPDX-License-Identifier: LGPL-2.1-or-later
"""logs, failure-report, and where else svcmgr shows what services have said."""

import json
import os
import re
import signal
import subprocess
import unittest

from harness import SECONDS_MAX, SVCMGR, Case, World, spawn

SAYS = "echo one; echo two >&2; printf 'tab\\there \\007bell\\n'; exec sleep 1000"
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
CLOCK = r"\d\d:\d\d:\d\d\.\d{3}"


def says(script, **more):
    return {"exec": ["sh", "-c", script], **more}


class LogsOnBus(Case):
    @classmethod
    def prepare(cls, world):
        world.define("web", "process", says(SAYS), enabled=True)
        world.define("db", "process", says("echo ready; exec sleep 1000"), enabled=True)
        world.define("mute", "process", says("echo unheard; exec sleep 1000", log={"target": "null"}))
        for name in ("silent", "idle"):
            world.define(name, "process", says("exec sleep 1000"))
        world.define("burst", "oneshot", says("seq -f 'line %.0f' 20000"))
        world.define("much", "oneshot", says("seq 20000"))
        world.define("bytes", "oneshot", says(
            "head -c 300000 /dev/zero | tr '\\0' x; printf '\\nnul\\000\\377\\nno newline'"))
        world.define("prompt", "process", says("printf 'name? '; exec sleep 1000"), enabled=True)

    def logs(self, *arguments):
        """A follower of logs, in the style of the file where no other is asked for."""
        follower = self.world.start("logs", "-f", *arguments, address=self.address())
        self.addCleanup(follower.end)
        return follower

    def await_said(self, name):
        """Until all that a run says is in the log: its two pipes are not read together."""
        n_lines = {"web": 3, "db": 1}[name]
        follower = self.logs("-n", "all", "--invocation", self.invocation(name), name)
        for _ in range(n_lines):
            follower.line()
        follower.end()

    def file(self, name):
        return (self.world.directory / "logs" / name / "current").read_text()

    def invocation(self, name):
        return self.json("show", name, "InvocationId")["InvocationId"]

    def test_text_is_what_the_file_has(self):
        self.await_said("web")
        shown = self.svcmgr("logs", "web").out
        self.assertEqual(shown, self.file("web"))
        self.assertEqual(self.svcmgr("logs", "--output=text", "we*").out, shown)
        self.assertRegex(shown.splitlines()[0], rf"^{STAMP} stdout F:[0-9a-f]{{32}} one$")

    def test_styles(self):
        self.await_said("web")  # by another run
        self.svcmgr("-q", "restart", "web")
        run = self.invocation("web")
        self.await_said("web")
        of_run = ["logs", "--invocation", run, "web"]
        # Two pipes: only of one the order is known.
        self.assertEqual(sorted(self.svcmgr(*of_run, "-o", "bare").out.splitlines()),
                         ["one", "tab\there \abell", "two"])
        for asked in (["-o", "json"], ["--json=lines"], ["--json=short"]):
            lines = [json.loads(line) for line in self.svcmgr(*of_run, *asked).out.splitlines()]
            self.assertEqual({(line["service"], line["invocation"]) for line in lines}, {("web", run)})
            self.assertEqual({line["text"]: line["stream"] for line in lines},
                             {"one": "stdout", "two": "stderr", "tab\there \abell": "stdout"})
        short = self.svcmgr(*of_run, "-o", "short").out
        self.assertRegex(short, rf"(?m)^{CLOCK}   one$")
        self.assertRegex(short, rf"(?m)^{CLOCK} ! two$")
        self.assertRegex(short, rf"(?m)^{CLOCK}   tab\there \\x07bell$")

    def test_bytes_are_as_they_were_written(self):
        self.svcmgr("-q", "start", "bytes")
        self.svcmgr("-q", "stop", "bytes")
        command = [SVCMGR, f"--address={self.address()}", "logs", "bytes", "--output"]
        bare, text, short = (
            subprocess.run([*command, style], env=self.world.environment(), check=True,
                           stdout=subprocess.PIPE, timeout=SECONDS_MAX).stdout
            for style in ("bare", "text", "short"))
        self.assertEqual(bare, b"x" * 300000 + b"\nnul\0\xff\nno newline")
        self.assertEqual(text, (self.world.directory / "logs" / "bytes" / "current").read_bytes())
        lines = [line.split(b"   ", 1)[1] for line in short.splitlines()]
        self.assertEqual(lines, [b"x" * 300000, rb"nul\x00\xff", b"no newline"])

    def test_on_a_terminal(self):
        self.await_said("web")
        self.await_said("db")
        status, text = self.world.run_on_terminal("logs", "web", "db", address=self.address())
        self.assertEqual(status, 0)
        self.assertRegex(text, rf"(?m)^\033\[36mweb \|\033\[0m \033\[2m{CLOCK}\033\[0m one$")
        self.assertRegex(text, rf"(?m)^\033\[36mweb \|\033\[0m \033\[2m{CLOCK}\033\[0m \033\[33mtwo\033\[0m$")
        self.assertRegex(text, rf"(?m)^\033\[35mdb  \|\033\[0m \033\[2m{CLOCK}\033\[0m ready$")
        self.assertNotIn("\a", text)
        plain = self.world.run_on_terminal("--no-color", "logs", "web", address=self.address())[1]
        self.assertRegex(plain, rf"(?m)^{CLOCK} ! two$")

    def test_piece_without_a_newline_is_shown(self):
        self.svcmgr("-q", "restart", "prompt")
        process = spawn([SVCMGR, f"--address={self.address()}", "logs", "-f", "-o", "bare", "prompt"],
                        env=self.world.environment(), stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait, SECONDS_MAX)
        self.addCleanup(process.kill)
        self.assertEqual(os.read(process.stdout.fileno(), 6), b"name? ")

    def test_several_are_one_in_the_order_of_times(self):
        for name in ("web", "db", "web", "db"):
            self.svcmgr("-q", "restart", name)
            self.await_said(name)
        lines = [json.loads(line) for line in
                 self.svcmgr("logs", "-o", "json", "web", "db").out.splitlines()]
        times = [line["time_usec"] for line in lines]
        self.assertEqual(times, sorted(times))
        services = [line["service"] for line in lines]
        self.assertIn("db", services[services.index("web"):])
        self.assertIn("web", services[services.index("db"):])
        for name in ("web", "db"):
            self.assertEqual(services.count(name), len(self.file(name).splitlines()))
        names = {line.split(" | ")[0] for line in self.svcmgr("logs", "web", "db").out.splitlines()}
        self.assertEqual(names, {"web", "db "})

    def test_how_much(self):
        self.await_said("web")
        everything = self.svcmgr("logs", "web").out.splitlines()
        self.assertEqual(self.svcmgr("logs", "-n", "2", "web").out.splitlines(), everything[-2:])
        self.assertEqual(self.svcmgr("logs", "-n", "all", "web").out.splitlines(), everything)
        self.assertEqual(self.svcmgr("logs", "-n", "0", "web").out, "")
        self.assertEqual(self.svcmgr("logs", "--since", "1h ago", "web").out.splitlines(), everything)
        self.assertEqual(self.svcmgr("logs", "--since", "now", "web").out, "")
        last = everything[-1].split()[0]
        self.assertEqual(self.svcmgr("logs", "--since", last, "web").out.splitlines()[-1],
                         everything[-1])
        self.assertEqual(self.svcmgr("logs", "--invocation", "f" * 32, "web").out, "")

    def test_silence_is_told(self):
        self.await_said("web")
        for arguments, told in ((["--invocation", "ffff", "web"], "the log of 'web' has no lines of run ffff"),
                                (["--since", "2099-01-01", "web"], "the log of 'web' has no lines since then"),
                                (["silent"], "the log of 'silent' has no lines"),
                                (["--json=lines", "silent"], "the log of 'silent' has no lines"),
                                (["--since", "now", "silent", "idle"], "these 2 logs have no lines since then"),
                                (["-n", "0", "web"], ""), (["-q", "silent"], ""), (["web", "silent"], "")):
            result = self.svcmgr("logs", *arguments)
            self.assertEqual(result.err, told and f"svcmgr: {told}\n", arguments)

    def test_a_full_disk_is_no_success(self):
        self.svcmgr("-q", "start", "much")
        self.svcmgr("-q", "stop", "much")
        with open("/dev/full", "w", encoding="utf-8") as full:
            result = subprocess.run([SVCMGR, f"--address={self.address()}", "logs", "much"],
                                    stdout=full, stderr=subprocess.PIPE, text=True, check=False,
                                    env=self.world.environment(), timeout=SECONDS_MAX)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr, "svcmgr: cannot write: No space left on device\n")

    def test_follow(self):
        self.await_said("db")
        follower = self.logs("-n", "0", "-o", "short", "web", "db")
        while not follower.has_line(0.05):  # until it follows
            self.svcmgr("-q", "restart", "db")
        self.assertRegex(follower.line(), rf"^db  \| {CLOCK}   ready$")
        self.svcmgr("-q", "restart", "web")
        follower.until("web | ")
        self.svcmgr("-q", "restart", "web")
        follower.until("bell")

    def test_follow_until_deleted(self):
        self.create("passing", "process", says("echo here; exec sleep 1000"), "--start")
        follower = self.logs("passing", "db")
        follower.until("here")
        self.svcmgr("-q", "delete", "passing")
        follower.until("svcmgr: 'passing' was deleted")
        self.svcmgr("-q", "restart", "db")
        follower.until("ready")
        self.assertIsNone(follower.process.poll())

    def test_follow_only_what_is_deleted(self):
        self.create("passing", "process", says("echo here; exec sleep 1000"), "--start")
        follower = self.logs("passing")
        follower.until("here")
        self.svcmgr("-q", "delete", "passing")
        follower.until("svcmgr: 'passing' was deleted")
        self.assertEqual(follower.process.wait(SECONDS_MAX), 0)

    def test_slow_reader_loses_nothing(self):
        follower = self.logs("-o", "bare", "-n", "all", "burst")
        self.svcmgr("-q", "start", "burst")
        self.svcmgr("wait", "burst")  # nothing was read yet
        lines = [follower.line() for _ in range(20000)]
        self.assertEqual(lines, [f"line {n}" for n in range(1, 20001)])

    def test_nobody_reads(self):
        """It ends without waiting for another line."""
        follower = self.logs("db")
        follower.until("ready")
        follower.process.stdout.close()
        self.assertEqual(follower.process.wait(SECONDS_MAX), 0)

    def test_errors(self):
        self.fails(4, "cannot read the log of 'nope': no such service (see: svcmgr list)", "logs", "nope")
        self.fails(4, "no service matches 'no*' (see: svcmgr list)", "logs", "no*")
        result = self.svcmgr("logs", "mute", status=1)
        self.assertRegex(result.err, r"^svcmgr: cannot read the log of 'mute': .*log\.target.*\n$")
        self.await_said("db")
        mixed = self.svcmgr("logs", "-o", "bare", "nope", "db", status=4)
        self.assertIn("ready\n", mixed.out)
        for wrong in (["-n", "-1"], ["-n", "few"], ["--since", "tomorrow"], ["--output=cat"],
                      ["--invocation="], ["--json=lines", "--output=text"]):
            result = self.svcmgr("logs", *wrong, "db", status=2)
            self.assertRegex(result.err, r"^svcmgr: logs: .*\n$")
        self.svcmgr("logs", status=2)

    def test_status_ends_with_the_last_lines(self):
        for _ in range(4):
            self.svcmgr("-q", "restart", "web")
            self.await_said("web")
        lines = self.svcmgr("status", "web").out.split("\n\n")[1].splitlines()
        self.assertEqual(len(lines), 10)
        self.assertRegex(lines[-1], rf"^    {CLOCK} (  tab\there \\x07bell|! two)$")
        of_two = self.svcmgr("status", "web", "db").out.split("\n\n")
        self.assertEqual(len(of_two[1].splitlines()), 3)
        self.assertIn("ready", of_two[3])
        self.assertNotIn("ready", self.svcmgr("status", "d*").out)
        self.assertNotIn("\n\n", self.svcmgr("status", "mute").out)


class LogsOnPrivateSocket(LogsOnBus):
    with_bus = False


class Failures(Case):
    @classmethod
    def prepare(cls, world):
        script = "for n in $(seq 12); do echo line $n; done; echo cannot bind >&2; exit 3"
        world.define("bad", "oneshot", says(script, restart={"policy": "no"}))
        world.define("long", "oneshot", says("head -c 60000 /dev/zero | tr '\\0' x; echo; echo why; exit 3",
                                             restart={"policy": "no"}))
        world.define("good", "process", says("exec sleep 1000"))

    def assert_tells(self, err):
        lines = err.splitlines()
        self.assertRegex(lines[0], r"^svcmgr: cannot (re)?start 'bad': .*\b3\b.*\(see: svcmgr status bad\)$")
        self.assertEqual(lines[1], "  last output:")
        self.assertEqual(len(lines), 12)
        self.assertTrue(any(re.fullmatch(rf"    {CLOCK} ! cannot bind", line) for line in lines[2:]))
        self.assertTrue(any(re.fullmatch(rf"    {CLOCK}   line 12", line) for line in lines[2:]))

    def test_failed_start_shows_the_last_lines(self):
        for verb in ("start", "restart"):
            self.assert_tells(self.svcmgr(verb, "bad", status=1).err)
        self.assertEqual(len(self.svcmgr("-q", "start", "bad", status=1).err.splitlines()), 1)
        self.assertEqual(len(self.svcmgr("--json=short", "start", "bad", status=1).err.splitlines()), 1)

    def test_failed_start_shows_no_endless_line(self):
        err = self.svcmgr("start", "long", status=1).err.splitlines()
        self.assertEqual(err[1], "  last output:")
        self.assertRegex(err[2], rf"^    {CLOCK}   x{{300,400}}(…|\.\.\.)$")
        self.assertRegex(err[3], rf"^    {CLOCK}   why$")

    def test_failure_report(self):
        self.svcmgr("-q", "start", "bad", status=1)
        report = self.svcmgr("failure-report", "bad").out
        document = json.loads(report)
        self.assertEqual(document["service"], "bad")
        self.assertEqual(document["failure"]["exit"], {"code": 3})
        self.assertIn("cannot bind", [line["text"] for line in document["last_lines"]])
        self.assertEqual(report.splitlines()[:2], ["{", '  "service": "bad",'])
        self.assertEqual(len(self.svcmgr("--json=lines", "failure-report", "bad").out.splitlines()), 1)
        self.assertEqual(self.json("failure-report", "bad")["failure"], document["failure"])
        self.fails(1, "cannot report on 'good': it has not failed", "failure-report", "good")
        self.fails(4, "cannot report on 'nope': no such service (see: svcmgr list)", "failure-report",
                   "nope")

    @unittest.skipIf(os.geteuid() != 0, "only root can be somebody else")
    def test_not_authorised(self):
        self.svcmgr("-q", "start", "bad", status=1)
        os.chmod(self.world.directory, 0o755)
        for command in (["status", "bad"], ["--json=short", "show", "bad"], ["--json=short", "list"],
                        ["--json=short", "events", "--all"], ["--json=short", "status", "bad"]):
            result = self.svcmgr(*command, uid=65534)
            self.assertIn("status 3", result.out.replace("\\", ""), command)
            self.assertNotIn("cannot bind", result.out, command)
            self.assertEqual(result.err, "")
        self.assertNotIn("denied", self.world.log.read_text())  # who looks at a status asks for no more
        for command in ("logs", "failure-report"):
            result = self.svcmgr(command, "bad", status=5, uid=65534)
            self.assertEqual(result.out, "")
        said = self.world.log.read_text()
        self.assertIn("denied OpenLog", said)
        self.assertNotIn("cannot bind", said)


class LogsThroughLoss(unittest.TestCase):
    def test_daemon_goes(self):
        for signo in (signal.SIGKILL, signal.SIGTERM):
            for is_private in (False, True):
                with self.subTest(signo=signo, is_private=is_private):
                    self.lose(signo, is_private)

    def lose(self, signo, is_private):
        world = World()
        self.addCleanup(world.end)
        world.define("web", "process", says("echo here; exec sleep 1000"), enabled=True)
        world.start_bus()
        world.start_daemon()
        address = world.private if is_private else world.bus
        main = world.run("show", "web", "MainPID", address=address).out.removeprefix("MainPID=")
        follower = world.start("logs", "-f", "web", address=address)
        self.addCleanup(follower.end)
        follower.until("here")
        world.stop_daemon(signo)
        if signo == signal.SIGKILL:
            os.kill(int(main), signal.SIGKILL)  # an orphan now
        follower.until("svcmgr: cannot follow 'web': ")
        self.assertEqual(follower.process.wait(SECONDS_MAX), 7)


if __name__ == "__main__":
    unittest.main()
