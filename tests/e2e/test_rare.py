# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the daemon and the sockets do too seldom to wait for: answers that end early, forgotten
events, hostile text, peers that say nothing or hang up."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
import unittest

from harness import Case, World

COUNTERFEIT = os.environ["COUNTERFEIT"]


class Counterfeit(unittest.TestCase):
    """Against counterfeit.c: set() says how many events an answer holds, and which are kept."""

    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.end)
        self.world.start_bus()
        self.process = subprocess.Popen([COUNTERFEIT, self.world.bus], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, env=self.world.environment())
        self.addCleanup(self.end)
        self.assertEqual(self.process.stdout.readline(), b"ready\n")

    def end(self):
        self.process.stdin.close()
        status = self.process.wait(30)
        self.process.stdout.close()
        self.assertEqual(status, 0)

    def set(self, page, oldest, newest, kind="Created"):
        os.write(self.process.stdin.fileno(), f"{page} {oldest} {newest} {kind}\n".encode())

    def set_and_await(self, page, oldest, newest, kind="Created"):
        """What was set is in force."""
        self.set(page, oldest, newest, kind)
        end = time.monotonic() + 30
        while self.events("-n", "1", "--all")[0][-1:] != [newest]:
            self.assertLess(time.monotonic(), end)

    def events(self, *arguments):
        """Serials, and standard error."""
        result = self.world.run("--json=short", "events", *arguments, address=self.world.bus)
        self.assertEqual(result.status, 0, result)
        return [event["serial"] for event in json.loads(result.out)], result.err

    def watch(self):
        """A watch that is under way; the serial that it has shown last."""
        follower = self.world.start("--json=lines", "watch", address=self.world.bus)
        self.addCleanup(follower.end)
        newest = 1
        while not follower.has_line(0.05):
            newest += 1
            self.set(1000, 1, newest)
        while (shown := json.loads(follower.line())["serial"]) != newest:
            pass
        return follower, shown

    def test_events_reach_the_newest(self):
        self.set_and_await(7, 1, 50)
        self.assertEqual(self.events(), (list(range(1, 51)), ""))
        self.assertEqual(self.events("-n", "2"), ([49, 50], ""))
        self.assertEqual(self.events("--since", "20"), (list(range(21, 51)), ""))

    def test_events_tell_of_a_gap(self):
        self.set_and_await(7, 40, 50)
        self.assertEqual(self.events("--since", "20"),
                         (list(range(40, 51)), "svcmgr: events 21 to 39 are no longer kept\n"))
        self.assertEqual(self.events(), (list(range(40, 51)), ""))

    def test_events_since_what_has_not_been(self):
        self.set_and_await(7, 1, 5)
        self.assertEqual(self.events("--since", "9"),
                         ([], "svcmgr: there is no event 9: the newest is 5 (was svcmgrd started "
                              "anew since?)\n"))
        self.assertEqual(self.events("--since", "5"), ([], ""))

    def test_watch_reaches_the_newest(self):
        follower, last = self.watch()
        self.set(7, 1, last + 50)
        self.assertEqual([json.loads(follower.line())["serial"] for _ in range(50)],
                         list(range(last + 1, last + 51)))
        self.set(7, 1, last + 51)
        self.assertEqual(json.loads(follower.line())["serial"], last + 51)

    def test_watch_tells_of_a_gap(self):
        follower, last = self.watch()
        self.set(7, last + 30, last + 50)
        self.assertEqual(json.loads(follower.line()), {
            "type": "Note", "message": f"events {last + 1} to {last + 29} are no longer kept; the "
                                       "states that came of them:"})
        state = json.loads(follower.line())
        self.assertEqual((state["serial"], state["id"], state["to"]), (last + 29, "web", "active"))
        self.assertEqual([json.loads(follower.line())["serial"] for _ in range(21)],
                         list(range(last + 30, last + 51)))

    def test_a_daemon_begins_with_no_gap(self):
        follower, last = self.watch()
        self.set(1000, last + 30, last + 32, "AppStartup")
        self.assertEqual([json.loads(follower.line())["serial"] for _ in range(3)],
                         list(range(last + 30, last + 33)))

    def test_events_of_the_daemon_itself(self):
        last = 1
        # Shown without options, with --all, and of a service with --all.
        for kind, plain, everything, of_service in (
                ("Created", True, True, True), ("Odd", True, True, True),
                ("ProcessStart", False, True, True), ("ProcessEnd", False, True, True),
                ("AppRunning", True, True, False), ("PreHookStart", True, True, False),
                ("PostHookStop", True, True, False)):
            last += 1
            self.set_and_await(1000, last, last, kind)
            for arguments, expected in (((), plain), (("--all",), everything),
                                        (("w*", "--all"), of_service),
                                        (("w*",), of_service and plain)):
                self.assertEqual(self.events(*arguments)[0], [last] if expected else [])
        line = self.world.run("events", address=self.world.bus).out
        self.assertRegex(line, r"^ *\d+ \S+ web +PostHookStop\n$")

    def test_reload(self):
        told = "  created: 1  \\x1b[31mid\n  changed: 0\n  removed: 0\nunchanged: 1  "
        for options, end in (((), "none\n"),
                             (("--dry-run",), "dry_run\nNothing was changed (--dry-run).\n")):
            result = self.world.run("daemon-reload", *options, address=self.world.bus)
            self.assertEqual((result.status, result.out), (1, told + end))
        status, text = self.world.run_on_terminal("daemon-reload", address=self.world.bus,
                                                  columns=20)
        self.assertEqual(status, 1)
        self.assertEqual(text.splitlines()[0], "\033[32m  created: 1  \\x1b[…\033[0m")
        result = self.world.run("-q", "daemon-reload", address=self.world.bus)
        self.assertEqual((result.out, result.err.count("\n")), ("", 1))

    def test_hostile_text_is_escaped(self):
        for command in ("status", "show"):
            result = self.world.run(command, "evil", address=self.world.bus)
            self.assertEqual(result.status, 0, result)
            self.assertNotIn("\033", result.out)
            self.assertIn(r"\x1b[31mclass", result.out)
        self.assertIn("\\x1b[31mname=value\n", result.out)
        for command, word in (("status", "disk"), ("status evil", "path"),
                              ("status", "feature"), ("status evil", "signal"),
                              ("status evil", "group"), ("config evil --list", "source"), ("config evil --list", "digest"),
                              ("daemon-reload", "id")):
            result = self.world.run(*command.split(), address=self.world.bus)
            self.assertNotIn("\033", result.out + result.err)
            self.assertIn(rf"\x1b[31m{word}", result.out)
        self.assertEqual((result.status, result.err), (1, "svcmgr: cannot load the definition of "
                                                          "'\\x1b[31mid': \\x1b[31mreason\n"))

    def test_what_is_seldom_used(self):
        """Threads, a core dump, memory that is added up; the name of a process that is no service's
        is not told."""
        out = self.world.run("status", "evil", address=self.world.bus).out
        self.assertIn("    Main PID: 1\n       Tasks: 3 (1 process)\n"
                      "      Memory: 5.1 MiB resident (peak 6 MiB)\n         CPU: 1.2s\n", out)
        self.assertRegex(out, r"   Last exit: killed by .*, core dumped\n")
        self.assertIn('Usage={"processes":1,"tasks":3,',
                      self.world.run("show", "evil", address=self.world.bus).out)
        self.assertNotIn("Usage", self.world.run("show", "evil", "Kind",
                                                 address=self.world.bus).out)

    def test_revision_of_an_unknown_time(self):
        lines = self.world.run("config", "evil", "--list", address=self.world.bus).out.splitlines()
        self.assertRegex(lines[1], r"^0 +unknown +\\x1b")

    def test_an_id_names_no_file_elsewhere(self):
        (self.world.directory / "out").mkdir()
        result = self.world.run("export", "../evil", "--output", str(self.world.directory / "out"),
                                address=self.world.bus)
        self.assertEqual((result.status, result.out), (1, ""))
        self.assertRegex(result.err, r"^svcmgr: cannot export '../evil': ")
        self.assertFalse((self.world.directory / "evil.json").exists())

    def test_lost_disk_is_told_loudly(self):
        result = self.world.run("status", address=self.world.bus)
        self.assertIn(r"     Storage: NOTHING IS KEPT: \x1b[31mdisk; what needs the disk is "
                      "refused\n", result.out)


class Silence(unittest.TestCase):
    """A socket that does not behave like a svcmgrd."""

    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.end)
        self.path = self.world.directory / "socket"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(self.path))
        self.listener.listen(16)
        self.addCleanup(self.listener.close)

    def test_silent_socket(self):
        for arguments in (("list",), ("start", "web"), ("watch",), ("create", "a", "process"),
                          ("events",), ("show", "web"), ("is-active", "w*")):
            result = self.world.run("--timeout=100ms", *arguments, address=self.path)
            self.assertEqual((result.status, result.out), (6, ""), f"{arguments}: {result}")
            self.assertEqual(result.err, f"svcmgr: cannot reach svcmgrd: {self.path}: no answer "
                                         "within 100ms (is it stopped?)\n")

    def test_socket_that_hangs_up(self):
        def hang_up():
            self.listener.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        result = self.world.run("list", address=self.path)
        thread.join()
        self.assertEqual((result.status, result.out), (7, ""))
        self.assertEqual(result.err, f"svcmgr: cannot reach svcmgrd: {self.path}: it hung up before "
                                     "it answered; it may have too many connections (is it "
                                     "running?)\n")


class Stopped(Case):
    """A daemon that does not run, but is there."""

    with_bus = False

    def test_stopped_daemon(self):
        self.world.daemon_process.send_signal(signal.SIGSTOP)
        try:
            result = self.svcmgr("--timeout=100ms", "list", status=6)
        finally:
            self.world.daemon_process.send_signal(signal.SIGCONT)
        self.assertRegex(result.err, r"^svcmgr: cannot reach svcmgrd: .*: no answer within 100ms "
                                     r"\(is it stopped\?\)\n$")


if __name__ == "__main__":
    unittest.main()
