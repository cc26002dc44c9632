#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests of the scripts that set up the tests and sum them up, and of what end-to-end tests leave
behind. Nothing is installed."""

import os
import pathlib
import select
import signal
import stat
import subprocess
import sys
import tempfile
import unittest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "vm")]

import run as vm  # noqa: E402 (they are beside the folder of this file)
import summary  # noqa: E402


class FolderCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="svcmgr-scripts-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)


class WithoutStarting(FolderCase):
    def setUp(self):
        super().setUp()
        self.policy = self.folder / "policy-rc.d"
        # As under nohup: a shell cannot catch what is ignored when it begins.
        for signo in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(signo) == signal.SIG_IGN:
                signal.signal(signo, signal.SIG_DFL)

    def run_under(self, command):
        script = TESTS / "without-starting.sh"
        return subprocess.run(["sh", script, self.policy, "sh", "-c", command], check=False,
                              capture_output=True, text=True, timeout=30)

    def put(self):
        self.policy.write_text("#!/bin/sh\nexit 104\n")
        self.policy.chmod(0o751)
        return self.look()

    def look(self):
        """All of what is there, and that nothing is beside it."""
        self.assertEqual([path.name for path in self.folder.iterdir()], ["policy-rc.d"])
        status = self.policy.lstat()
        content = os.readlink(self.policy) if self.policy.is_symlink() else self.policy.read_text()
        return (status.st_ino, status.st_mode, status.st_mtime_ns, content)

    def test_forbids_meanwhile(self):
        for make in (lambda: None, self.put):
            make()
            done = self.run_under(f"{self.policy} redis-server start; echo $?")
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "101\n", ""))

    def test_nothing_was_there(self):
        self.run_under("true")
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_what_was_there_is_there_again(self):
        before = self.put()
        self.assertEqual(self.run_under("exit 3").returncode, 3)
        self.assertEqual(self.look(), before)

    def test_link_that_leads_nowhere(self):
        self.policy.symlink_to("nowhere")
        before = self.look()
        self.run_under(f"test ! -L {self.policy}").check_returncode()
        self.assertEqual(self.look(), before)

    def test_signals(self):
        before = self.put()
        for name, status in (("HUP", 129), ("INT", 130), ("TERM", 143)):
            self.assertEqual(self.run_under(f"kill -{name} $PPID").returncode, status)
            self.assertEqual(self.look(), before)

    def test_killed_run_is_put_right(self):
        for make in (self.put, lambda: self.policy.unlink()):
            make()
            before = self.policy.lstat() if self.policy.exists() else None
            self.assertEqual(self.run_under("kill -KILL $PPID").returncode, -9)
            self.assertIn("exit 101", self.policy.read_text())
            self.run_under("true").check_returncode()
            if before is None:
                self.assertEqual(list(self.folder.iterdir()), [])
            else:
                self.assertEqual(self.look()[:2], (before.st_ino, before.st_mode))

    def test_what_somebody_else_put_there_stays(self):
        self.run_under(f"rm {self.policy}; echo theirs > {self.policy}").check_returncode()
        self.assertEqual(self.look()[3], "theirs\n")

    def test_one_at_a_time(self):
        self.assertEqual(self.run_under(f"flock -n {self.folder} true").returncode, 1)
        self.run_under("test ! -e /proc/$$/fd/9").check_returncode()  # whoever stays behind
        self.assertEqual(subprocess.run(["flock", "-n", self.folder, "true"],
                                        check=False).returncode, 0)


class Setup(FolderCase):
    """By somebody who is not root, on a system where some packages are missing."""

    def run_setup(self, *missing, section="test"):
        programs = {"id": "echo 1000", "apt-get": "echo apt-get was called; exit 1",
                    "dpkg-query": f'case " {" ".join(missing)} " in *" $4 "*) exit 1 ;; esac; '
                                  "echo -n installed"}
        for name, text in programs.items():
            path = self.folder / name
            path.write_text(f"#!/bin/sh\n{text}\n")
            path.chmod(stat.S_IRWXU)
        environment = {"PATH": f"{self.folder}:/usr/bin:/bin"}
        done = subprocess.run(["sh", TESTS / "setup.sh", section], env=environment, check=False,
                              capture_output=True, text=True, timeout=30)
        self.assertEqual(done.stdout, "")
        return done.returncode, done.stderr

    def test_nothing_is_missing(self):
        self.assertEqual(self.run_setup(), (0, ""))

    def test_optional_packages(self):
        self.assertEqual(self.run_setup("redis-server", "clang"), (
            0, "not installed, the tests that need them are skipped: redis-server clang\n"))
        self.assertEqual(self.run_setup("redis-server", section="build"), (0, ""))

    def test_virtual_machines(self):
        self.assertEqual(self.run_setup("qemu-system-x86", "strace", section="vm"), (
            0, "not installed, the tests that need them are skipped: qemu-system-x86\n"))
        self.assertEqual(self.run_setup("qemu-system-x86"), (0, ""))

    def test_required_packages(self):
        status, errors = self.run_setup("meson", "strace")
        self.assertEqual(status, 1)
        self.assertIn("run: apt-get install meson strace\n", errors)
        self.assertEqual(self.run_setup("strace", section="build"), (0, ""))


class Summary(unittest.TestCase):
    def check(self, expected, result="OK", **output):
        counts = summary.counts_of({"result": result, **output})
        self.assertEqual((counts["passed"], counts["failed"], counts["skipped"]), expected)

    def test_whole(self):
        self.check((1, 0, 0))
        self.check((0, 1, 0), "TIMEOUT")
        self.check((0, 0, 1), "SKIP")

    def test_tap(self):
        self.check((1, 0, 1), stdout="TAP version 13\nok 1 /a\nok 2 /b # SKIP why\n1..2\n")
        self.check((1, 1, 0), "FAIL", stdout="ok 1 /a\n1..2\n")

    def test_unittest(self):
        line = "----\nRan {} tests in 0.6s\n\n{}\n"
        self.check((18, 0, 0), stderr=line.format(18, "OK"))
        self.check((15, 0, 3), stderr=line.format(18, "OK (skipped=3)"))
        self.check((14, 3, 1), "FAIL",
                   stderr=line.format(18, "FAILED (failures=2, errors=1, skipped=1)"))
        self.check((18, 1, 0), "FAIL", stderr=line.format(18, "OK"))


class VirtualMachine(unittest.TestCase):
    SCENARIO = "# then: over\n# then: out\ntest_a() {\n}\ntest_b() {\n}\n"

    def check(self, expected, *lines):
        results = vm.judge(self.SCENARIO, "\r\n".join(lines))
        self.assertEqual([result.name for result in results],
                         ["test_a", "test_b", "then: over", "then: out"])
        words = " ".join("ok" if result.passed else "not" for result in results)
        self.assertEqual(words, expected)

    def test_all_is_well(self):
        self.check("ok ok ok ok", "boots", "ok 1 - test_a", "noise", "ok 2 - test_b", "is over",
                   "and out")

    def test_one_has_failed(self):
        self.check("not ok ok ok", "not ok 1 - test_a", "ok 2 - test_b", "over", "out")

    def test_missing_and_doubled(self):
        self.check("not not not not")
        self.check("ok not ok ok", "ok 1 - test_a", "#   ok 2 - test_b", "over", "out")
        self.check("not ok ok ok", "not ok 1 - test_a", "ok 1 - test_a", "ok 2 - test_b", "over",
                   "out")

    def test_end(self):
        self.check("ok ok not not", "over", "out", "ok 1 - test_a", "ok 2 - test_b")
        self.check("ok ok ok not", "ok 1 - test_a", "ok 2 - test_b", "out", "over")


# A test over a world with a bus and a follower; it waits to be ended.
WORLD_TEST = """
import signal
import sys
import harness

class Test(harness.Case):
    def test(self):
        follower = self.world.start("x", address="y")
        processes = self.world.bus_process, self.world.daemon_process, follower.process
        print(self.world.directory, *(each.pid for each in processes), flush=True)
        signal.pause()

harness.unittest.main()
"""

READY = """#!/usr/bin/python3
import os, signal, socket
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
    notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
signal.pause()
"""


class Leftovers(FolderCase):
    """Of an end-to-end test that is ended before its time."""

    def script(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(stat.S_IRWXU)
        return str(path)

    def start(self):
        """The tests, the folder of their world, and a pidfd of each thing that they started."""
        environment = {"PATH": os.environ["PATH"], "TMPDIR": str(self.folder),
                       "PYTHONPATH": str(TESTS / "e2e"), "PYTHONDONTWRITEBYTECODE": "1",
                       "SVCMGRD": self.script("svcmgrd", READY),
                       "SVCMGR": self.script("svcmgr", "#!/bin/sh\nexec sleep 60\n")}
        tests = subprocess.Popen([sys.executable, "-c", WORLD_TEST], env=environment, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(tests.wait, 30)
        self.addCleanup(tests.kill)
        self.addCleanup(tests.stdout.close)
        world, *pids = tests.stdout.readline().split()
        fds = [os.pidfd_open(int(pid)) for pid in pids]
        for fd in fds:
            self.addCleanup(self.end, fd)
        self.assertEqual(len(fds), 3)
        return tests, pathlib.Path(world), fds

    @staticmethod
    def end(fd):
        try:
            signal.pidfd_send_signal(fd, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.close(fd)

    def check_ended(self, fds):
        for number, fd in enumerate(fds):
            self.assertTrue(select.select([fd], [], [], 30)[0], f"{number} lives on")

    def test_interrupted(self):
        for signo in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            tests, world, fds = self.start()
            tests.send_signal(signo)
            self.assertNotEqual(tests.wait(30), 0)
            self.check_ended(fds)
            self.assertFalse(world.exists())

    def test_killed(self):
        tests, _, fds = self.start()
        tests.kill()
        self.check_ended(fds)


if __name__ == "__main__":
    unittest.main()
