# SPDX-License-Identifier: LGPL-2.1-or-later
"""start and stop of several services as one, all or none, in order; and what they would do (--dry-run)."""

import unittest

from harness import Case

SLEEPER = {"exec": ["sleep", "1000"]}
UNREADY = {**SLEEPER, "readiness": "notify"}
FAILS = {"exec": ["sh", "-c", "exit 3"], "restart": {"policy": "no"}}

NOTHING = "Nothing was changed (--dry-run).\n"


class Plan(Case):
    with_bus = False

    @classmethod
    def prepare(cls, world):
        world.define("disk", "process", SLEEPER)
        world.define("db", "process", {**SLEEPER, "requires": ["disk"]})
        world.define("web", "process", {**SLEEPER, "requires": ["db"], "wants": ["cache"], "part_of": ["db"]})
        world.define("cache", "process", SLEEPER)
        world.define("old", "process", {**SLEEPER, "conflicts": ["cache"]})
        world.define("orphan", "process", {**SLEEPER, "requires": ["nosuch"]})
        world.define("bad-1", "oneshot", {**FAILS, "after": ["disk"]})
        world.define("wrong-1", "process", {"exec": "sleep"})
        world.define("wrong-2", "process", {"exec": "sleep"})
        world.define("unready", "process", UNREADY)
        world.define("late", "process", {**SLEEPER, "requires": ["unready"]})
        world.define("site", "group", {"members": ["db", "cache"]})
        world.define("stuck", "group", {"members": ["disk", "orphan", "late"], "ordered": False})
        world.define("hollow", "group", {"members": ["disk", "nosuch"]})
        world.define("sick", "group", {"members": ["disk", "bad-1"]})

    def setUp(self):
        self.svcmgr("-q", "stop", "*")
        self.svcmgr("-q", "reset-failed")

    def states(self, *names):
        return [self.state(name) for name in names]

    def order(self, state, *names):
        """The names in the order in which they came into this state last."""
        events = [event for event in self.json("events") if event.get("to") == state and event["id"] in names]
        last = {event["id"]: event["serial"] for event in events}
        return sorted(last, key=last.get)

    def test_plan_of_a_start(self):
        self.assertEqual(self.svcmgr("start", "--dry-run", "web").out,
                         "ID     DO     STATE     BECAUSE          AFTER\n"
                         "disk   start  inactive  required by db\n"
                         "db     start  inactive  required by web  disk\n"
                         "web    start  inactive  asked for        db\n"
                         "cache  start  inactive  wanted by web\n" + NOTHING)
        self.assertEqual(self.states("disk", "db", "cache", "web"), ["inactive"] * 4)
        self.svcmgr("-q", "start", "cache")
        self.assertEqual(self.svcmgr("start", "-n", "old", "disk").out,
                         "ID     DO     STATE     BECAUSE             AFTER\n"
                         "cache  stop   active    conflicts with old\n"
                         "old    start  inactive  asked for           cache\n"
                         "disk   start  inactive  asked for\n" + NOTHING)
        self.assertRegex(self.svcmgr("start", "-n", "cache").out, r"\ncache  nothing  active  asked for\n")

    def test_plan_of_a_start_that_fails(self):
        result = self.svcmgr("start", "-n", "orphan", status=1)
        self.assertIn("\nnosuch  missing  -         required by orphan\n", result.out)
        self.assertEqual(result.err, "svcmgr: cannot start 'orphan': requires 'nosuch', which is not there\n")
        self.assertEqual(self.svcmgr("start", "-n", "wrong-1", status=1).err,
                         "svcmgr: cannot start 'wrong-1' (see: svcmgr status wrong-1)\n")
        self.assertEqual(self.svcmgr("start", "-n", "hollow", status=1).err,
                         "svcmgr: cannot start 'hollow': its member 'nosuch' is not there\n")
        self.assertRegex(self.svcmgr("start", "-n", "old", "cache", status=1).err,
                         r"^svcmgr: cannot start: .*'old'.*'cache'.*conflict")

    def test_plan_of_a_stop(self):
        self.svcmgr("-q", "start", "web")
        self.assertEqual(self.svcmgr("stop", "-n", "db").out,
                         "ID   DO    STATE   BECAUSE     AFTER\n"
                         "web  stop  active  part of db\n"
                         "db   stop  active  asked for   web\n" + NOTHING)
        self.assertEqual(self.states("web", "db"), ["active", "active"])

    def test_plan_as_json(self):
        disk, db = self.json("start", "-n", "db")
        self.assertEqual(disk, {"id": "disk", "action": "start", "because": "db", "relation": "requires",
                                "after": [], "state": "inactive"})
        self.assertEqual((db["because"], db["after"]), ("", ["disk"]))

    def test_atomic(self):
        self.assertEqual(self.svcmgr("start", "--atomic", "db", "cache").out, "db: active\ncache: active\n")
        self.svcmgr("-q", "stop", "*")
        self.svcmgr("-q", "start", "cache")
        result = self.svcmgr("start", "--atomic", "cache", "bad-1", "disk", status=1)
        self.assertRegex(result.err, r"^svcmgr: cannot start: service 'bad-1': .*status 3\n$")
        self.assertEqual(self.states("cache", "bad-1", "disk"), ["active", "failed", "inactive"])
        failed, = self.json("start", "--atomic", "orphan", status=1)
        self.assertEqual(failed["ErrorName"], "org.svcmgr1.Error.DependencyFailed")

    def test_every_cause_is_told(self):
        err = self.svcmgr("start", "--atomic", "wrong-1", "disk", "wrong-2", status=1).err
        self.assertRegex(err, r"^svcmgr: cannot start:\n"
                              r"  service 'wrong-1' has a definition that cannot be used.*\n"
                              r"  service 'wrong-2' has a definition that cannot be used.*\n$")
        self.assertEqual(self.state("disk"), "inactive")
        self.assertRegex(self.svcmgr("stop", "--ordered", "nope", "no", status=4).err,
                         r"^svcmgr: cannot stop:\n  .*'nope'\n  .*'no'\n$")

    def test_ordered(self):
        names = ["web", "cache", "disk"]
        self.assertEqual(self.svcmgr("start", "--ordered", "cache", "web", "disk").out,
                         "cache: active\nweb: active\ndisk: active\n")
        self.svcmgr("-q", "stop", "*")
        self.svcmgr("-q", "start", "--ordered", "old", "unready", "--timeout=500ms", status=6)
        self.assertEqual(self.states("old", "unready"), ["active", "starting"])
        self.svcmgr("-q", "stop", "*")
        self.svcmgr("-q", "start", *names)
        self.assertEqual(self.svcmgr("stop", "--ordered", "disk", "web", "cache").out,
                         "disk: inactive\nweb: inactive\ncache: inactive\n")
        self.assertEqual(self.order("inactive", *names), ["cache", "web", "disk"])

    def test_all_or_none_of_those_that_are_there(self):
        self.assertRegex(self.svcmgr("start", "--atomic", "disk", "nope", status=4).err,
                         r"^svcmgr: cannot start: .*'nope' \(see: svcmgr list\)\n$")
        self.assertEqual(self.state("disk"), "inactive")

    def test_what_makes_no_sense(self):
        self.fails(2, "start: --no-wait goes with none of --atomic, --ordered, --dry-run",
                   "--no-wait", "start", "--atomic", "disk")
        self.fails(2, "stop: --strict goes with none of --atomic, --ordered, --dry-run",
                   "--strict", "stop", "--ordered", "disk")

    def test_progress(self):
        status, text = self.world.run_on_terminal("start", "--atomic", "disk", "late", "--timeout=1500ms",
                                                  address=self.address())
        self.assertEqual(status, 6)
        self.assertRegex(text, r"\r\033\[Kwaiting \ds for 1 of 2: late \(waits for unready\)")

    def test_group(self):
        self.assertEqual(self.svcmgr("start", "site").out, "site: active\n")
        self.assertEqual(self.states("disk", "db", "cache"), ["active"] * 3)
        self.assertRegex(self.svcmgr("tree", "site").out,
                         r"^site +active\n├─ db \(member\) +active\n│  └─ disk +active\n└─ cache \(member\) +active\n$")
        self.svcmgr("-q", "stop", "cache")
        self.assertRegex(self.svcmgr("tree", "site").out, r"^site +active \(degraded\)\n")
        self.assertEqual(self.svcmgr("stop", "site").out, "site: inactive\n")
        self.assertEqual(self.states("db", "cache"), ["inactive"] * 2)
        self.assertRegex(self.svcmgr("events", "db").out,  # who is behind what the group does
                         r" inactive → \w+ +dependency by \w+ \(svcmgr, pid \d+\)\n[^$]*"
                         r" active → stopping +dependency by \w+ \(svcmgr, pid \d+\)\n")

    def test_progress_of_a_group(self):
        status, text = self.world.run_on_terminal("start", "stuck", "--timeout=1500ms", address=self.address())
        self.assertEqual(status, 6)
        self.assertRegex(text, r"\r\033\[Kwaiting \ds for stuck \(waits for orphan, late\)")
        self.assertIn("\n   Waits for: orphan, waiting: requires 'nosuch', which is not there; late, waiting for unready\n"
                      "     Members: disk (active), orphan (waiting), late (waiting)\n",
                      self.svcmgr("status", "stuck").out)

    def test_group_that_fails(self):
        err = self.svcmgr("start", "sick", status=1).err
        self.assertRegex(err, r"^svcmgr: cannot start 'sick': .*'bad-1'.*status 3.* \(see: svcmgr status sick\)\n")
        self.assertEqual(self.states("disk", "sick"), ["inactive", "failed"])


if __name__ == "__main__":
    unittest.main()
