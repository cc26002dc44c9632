# SPDX-License-Identifier: LGPL-2.1-or-later
"""watch and events: nothing is missed, not even when the daemon or the bus goes and comes."""

import json
import os
import signal
import unittest

from harness import Case, World

SLEEPER = {"exec": ["sleep", "1000"]}


class FollowOnBus(Case):
    @classmethod
    def prepare(cls, world):
        world.define("web", "process", SLEEPER)
        world.define("db", "process", SLEEPER)

    def watch(self, *arguments):
        """A watch that is under way: it has shown a service of its own come and go."""
        follower = self.world.start("--json=lines", "watch", *arguments, address=self.address())
        self.addCleanup(follower.end)
        while not follower.has_line(0.05):
            self.svcmgr("-q", "create", "first", "process")
            self.svcmgr("-q", "delete", "first")
        self.svcmgr("-q", "create", "last", "process")
        self.svcmgr("-q", "delete", "last")
        last = None
        while (last or {}).get("id") != "last" or last["type"] != "Deleted":
            last = json.loads(follower.line())
        return follower, last["serial"]

    def test_watch_misses_nothing(self):
        follower, serial = self.watch("--all")
        for _ in range(20):
            self.svcmgr("-q", "restart", "web")
        self.svcmgr("-q", "create", "end", "process")
        self.svcmgr("-q", "delete", "end")
        events = [json.loads(line) for line in follower.until('"Deleted"')]
        self.assertEqual([event["serial"] for event in events],
                         list(range(serial + 1, serial + 1 + len(events))))
        self.assertGreater(len(events), 60)
        moves = [event for event in events if event["type"] == "Transition"]
        for before, move in zip(moves, moves[1:]):
            self.assertEqual((move["id"], move["from"]), ("web", before["to"]))
        self.assertEqual(moves[0]["method"], "Restart")
        self.assertEqual(moves[0]["comm"], "svcmgr")

    def test_watch_of_some(self):
        follower, _ = self.watch("d*", "first", "last")
        self.svcmgr("-q", "restart", "web", "db")
        self.assertEqual(json.loads(follower.line())["id"], "db")

    def test_watch_in_words(self):
        follower = self.world.start("watch", "web", "first", address=self.address())
        self.addCleanup(follower.end)
        while not follower.has_line(0.05):
            self.svcmgr("-q", "create", "first", "process")
            self.svcmgr("-q", "delete", "first")
        self.svcmgr("-q", "stop", "web")
        self.svcmgr("-q", "start", "web")
        line = follower.until("inactive → starting")[-1]
        self.assertRegex(line, r"^ *\d+ \d\d:\d\d:\d\d\.\d{3} web +inactive → starting +Start by "
                               r"\S+ \(svcmgr, pid \d+\)$")
        self.assertRegex(follower.until("→ active")[-1], r"starting → active +applied$")

    def test_watch_ends_when_nobody_reads(self):
        follower, _ = self.watch()
        follower.process.stdout.close()
        for _ in range(2):
            self.svcmgr("-q", "restart", "web")
        self.assertEqual(follower.process.wait(30), -signal.SIGPIPE)

    def test_events(self):
        self.svcmgr("-q", "stop", "web")
        self.svcmgr("-q", "start", "web")
        lines = self.svcmgr("events", "web", "-n", "2").out.splitlines()
        self.assertEqual(len(lines), 2)
        self.assertRegex(lines[0], r"web +inactive → starting +Start by ")
        self.assertRegex(lines[1], r"web +starting → active +applied$")
        events = self.json("events", "--all")
        serials = [event["serial"] for event in events]
        self.assertEqual(serials, list(range(serials[0], serials[0] + len(serials))))
        since = self.json("events", "--all", "--since", str(serials[-2]))
        self.assertEqual(since, events[-1:])
        self.assertEqual(self.json("events", "--since", str(serials[-1])), [])
        self.assertEqual(len(self.svcmgr("--json=lines", "events", "-n", "3").out.splitlines()), 3)
        self.svcmgr("events", "-n", "-1", status=2)
        self.svcmgr("events", "--since=-1", status=2)


class FollowOnPrivateSocket(FollowOnBus):
    with_bus = False


class FollowThroughLoss(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.end)
        self.world.define("web", "process", SLEEPER)
        self.world.start_bus()
        self.world.start_daemon()

    def watch(self, address):
        follower = self.world.start("watch", address=address)
        self.addCleanup(follower.end)
        while not follower.has_line(0.05):
            self.world.run("restart", "web", address=self.world.private)
        return follower

    def test_daemon_is_killed_and_comes_back(self):
        for address in (self.world.bus, self.world.private):
            with self.subTest(address):
                follower = self.watch(address)
                shown = self.world.run("show", "web", "MainPID", address=address).out
                self.world.stop_daemon(signal.SIGKILL)
                os.kill(int(shown.removeprefix("MainPID=")), signal.SIGKILL)  # an orphan now
                follower.until("svcmgr: svcmgrd has left the bus; waiting for it"
                               if address == self.world.bus else
                               "svcmgr: the connection to svcmgrd was lost; trying again")
                self.world.start_daemon()
                follower.until("started anew")
                lines = follower.until(" web ")
                self.assertRegex(lines[-1], r"^ +\d+ \S+ web +created ")
                self.assertNotIn("no longer kept", "".join(lines))
                self.world.run("start", "web", address=self.world.private)
                follower.until("starting → active")

    def test_bus_goes_and_comes_back(self):
        follower = self.watch(self.world.bus)
        self.world.run("stop", "web", address=self.world.private)
        follower.until("→ inactive")
        self.world.stop_bus()
        follower.until("the connection to svcmgrd was lost; trying again")
        self.world.run("start", "web", address=self.world.private)  # nobody sees that
        self.world.start_bus()
        lines = follower.until("starting → active")
        self.assertIn("svcmgr: svcmgrd is there again", lines)
        self.assertTrue(any("inactive → starting" in line for line in lines))


if __name__ == "__main__":
    unittest.main()
