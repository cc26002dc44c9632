# SPDX-License-Identifier: LGPL-2.1-or-later
"""Groups of real programs: all up or none, in order and back, and what becomes of a group when
something becomes of a member."""

import os
import signal
import unittest

from harness import Case

NEVER = {"policy": "no"}
FAILS = {"exec": ["sh", "-c", "exit 3"], "restart": NEVER, "readiness": "notify"}


# Up when it has written that it has started; what it gets meanwhile waits.
WRITER = """
import os, signal, sys
name, story, pid = sys.argv[1:]
def tell(sign):
    with open(story, "a", encoding="utf-8") as file:
        file.write(sign + name + "\\n")
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
with open(pid, "w", encoding="utf-8") as file:
    file.write(str(os.getpid()))
tell("+")
os.write(3, b"\\n")
signal.sigwait({signal.SIGTERM})
tell("-")
"""


def writes(world, name, **more):
    """A program that writes into one file when it starts and when it is stopped."""
    files = [str(world.directory / "story"), str(world.directory / f"{name}.pid")]
    world.define(name, "process", {"exec": ["/usr/bin/python3", "-ISc", WRITER, name, *files],
                                   "readiness": "fd", **more})


class Groups(Case):
    @classmethod
    def prepare(cls, world):
        for name in ("a", "b", "c"):
            writes(world, name)
        writes(world, "d", restart=NEVER)
        writes(world, "e", restart={"initial_delay": "10ms"})
        world.define("bad", "process", FAILS)
        world.define("three", "group", {"members": ["a", "b", "c"]})
        world.define("torn", "group", {"members": ["a", "b", "bad", "c"]})
        world.define("mortal", "group", {"members": ["a", "d"]})
        world.define("tough", "group", {"members": ["a", "e"], "ordered": False})
        world.define("inner", "group", {"members": ["b", "c"]})
        world.define("outer", "group", {"members": ["a", "inner"]})
        world.define("other", "group", {"members": ["c", "d"]})
        world.define("ghosts", "group", {"members": ["a", "nobody"]})

    def setUp(self):
        self.svcmgr("-q", "stop", "*")
        self.svcmgr("-q", "reset-failed")
        (self.world.directory / "story").unlink(missing_ok=True)

    def story(self):
        """What the programs have written since the test began."""
        return (self.world.directory / "story").read_text().split()

    def pid(self, name):
        return int((self.world.directory / f"{name}.pid").read_text())

    def states(self, *names):
        return [self.state(name) for name in names]

    def sub_state(self, name):
        return self.json("show", name, "SubState")["SubState"]

    def watch(self, name):
        """From now on, whatever becomes of it, line by line."""
        follower = self.world.start("--json=lines", "watch", "--all", name, "first",
                                    address=self.address())
        self.addCleanup(follower.end)
        while not follower.has_line(0.05):
            self.svcmgr("-q", "create", "first", "process")
            self.svcmgr("-q", "delete", "first")
        return follower

    def wait(self, name, state, status=0):
        self.svcmgr("wait", f"--until={state}", name, status=status)

    def test_all_up_and_down(self):
        self.assertEqual(self.svcmgr("start", "three").out, "three: active\n")
        self.assertEqual(self.states("a", "b", "c"), ["active"] * 3)
        self.assertEqual(self.sub_state("three"), "running")
        self.assertEqual(self.svcmgr("stop", "three").out, "three: inactive\n")
        self.assertEqual(self.states("a", "b", "c"), ["inactive"] * 3)
        self.assertEqual(self.story(), ["+a", "+b", "+c", "-c", "-b", "-a"])

    def test_restart(self):
        self.svcmgr("start", "three")
        before = self.pid("a")
        self.svcmgr("restart", "three")
        self.assertNotEqual(self.pid("a"), before)
        self.assertEqual(self.story(), ["+a", "+b", "+c", "-c", "-b", "-a", "+a", "+b", "+c"])

    def test_one_does_not_start(self):
        self.svcmgr("start", "a")
        result = self.svcmgr("start", "torn", status=1)
        self.assertIn("cannot start 'torn': member 'bad': main process ", result.err)
        self.assertIn("exited with status 3 before it was ready", result.err)
        self.assertEqual(self.states("torn", "a", "b", "bad", "c"),
                         ["failed", "active", "inactive", "failed", "inactive"])
        self.assertEqual(self.story(), ["+a", "+b", "-b"])

    def test_one_is_not_there(self):
        result = self.svcmgr("start", "ghosts", status=1)
        self.assertIn("there is no service 'nobody'", result.err)
        self.assertEqual(self.states("ghosts", "a"), ["failed", "inactive"])

    def test_one_crashes_and_comes_back(self):
        self.svcmgr("start", "tough")
        before = self.pid("e")
        watched = self.watch("tough")
        os.kill(before, signal.SIGKILL)
        watched.until('"kind"')  # degraded
        watched.until('"kind"')  # and running again
        self.assertEqual(self.sub_state("tough"), "running")
        self.assertNotEqual(self.pid("e"), before)
        self.assertEqual(self.states("tough", "a", "e"), ["active"] * 3)

    def test_one_fails_for_good(self):
        self.svcmgr("start", "mortal")
        os.kill(self.pid("d"), signal.SIGKILL)
        self.wait("mortal", "inactive")
        self.assertEqual(self.states("mortal", "a", "d"), ["failed", "inactive", "failed"])
        about = self.json("show", "mortal", "Error", "FailureClass")
        self.assertEqual(about["FailureClass"], "dependency")
        self.assertIn("member 'd' has failed: ", about["Error"])
        self.assertEqual(self.story(), ["+a", "+d", "-a"])

    def test_one_is_stopped(self):
        self.svcmgr("start", "three")
        self.svcmgr("stop", "b")
        self.assertEqual(self.state("three"), "active")
        self.assertEqual(self.sub_state("three"), "degraded")
        self.svcmgr("start", "b")
        self.assertEqual(self.sub_state("three"), "running")

    def test_within_each_other(self):
        self.svcmgr("start", "outer")
        self.assertEqual(self.states("outer", "inner", "a", "b", "c"), ["active"] * 5)
        self.svcmgr("stop", "outer")
        self.assertEqual(self.states("outer", "inner", "a", "b", "c"), ["inactive"] * 5)
        self.assertEqual(self.story(), ["+a", "+b", "+c", "-c", "-b", "-a"])

    def test_a_member_of_two(self):
        self.svcmgr("start", "three", "other")
        self.svcmgr("stop", "three")
        self.assertEqual(self.states("other", "a", "b", "c", "d"),
                         ["active", "inactive", "inactive", "active", "active"])
        self.svcmgr("stop", "other")
        self.assertEqual(self.states("c", "d"), ["inactive"] * 2)

    def test_two_people_at_once(self):
        clients = []
        for _ in range(4):
            for verb in ("start", "stop"):
                client = self.world.start(verb, "three", address=self.address())
                self.addCleanup(client.end)
                clients.append(client)
        for client in clients:
            client.process.wait(30)
        self.svcmgr("wait", "three")
        states = self.states("three", "a", "b", "c")
        self.assertIn(states[0], ("active", "inactive"))
        self.assertEqual(states, [states[0]] * 4)
        self.svcmgr("-q", "stop", "three") if states[0] == "active" else None
        self.svcmgr("start", "three")
        self.assertEqual(self.states("three", "a", "b", "c"), ["active"] * 4)

    def test_described(self):
        self.assertIn("group", self.svcmgr("kinds").out)
        self.svcmgr("validate", "group", self.world.file("good.json", {"members": ["a"]}))
        result = self.svcmgr("validate", "group", self.world.file("none.json", {"members": []}),
                             status=1)
        self.assertIn("expected the id of at least one service", result.out + result.err)


class WithTheDaemon(Case):
    @classmethod
    def prepare(cls, world):
        for name in ("a", "b", "c"):
            writes(world, name)
        world.define("three", "group", {"members": ["b", "c", "a"]}, enabled=True)

    def test_started_and_stopped_with_it(self):
        self.svcmgr("wait", "--until=active", "three")
        self.assertEqual(self.world.stop_daemon(), 0)
        story = (self.world.directory / "story").read_text().split()
        self.assertEqual(story, ["+b", "+c", "+a", "-a", "-c", "-b"])


if __name__ == "__main__":
    unittest.main()
