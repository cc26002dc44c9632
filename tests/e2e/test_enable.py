# SPDX-License-Identifier: LGPL-2.1-or-later
"""enable and disable; where a service comes from, and whether it is kept."""

import json
import unittest

from harness import Case

SLEEPER = {"exec": ["sleep", "1000"]}


class EnableOnBus(Case):
    def test_enable_and_disable(self):
        self.create("a", "process", SLEEPER)
        self.assertEqual(self.svcmgr("enable", "a").out, "a: enabled\n")
        self.assertTrue(self.json("show", "a")["Enabled"])
        self.assertEqual(self.svcmgr("enable", "a").out, "a is already enabled\n")
        self.assertEqual(self.svcmgr("disable", "a").out, "a: disabled\n")
        self.assertFalse(self.json("show", "a")["Enabled"])
        self.assertEqual(self.svcmgr("disable", "a").out, "a is already disabled\n")
        self.assertEqual(self.state("a"), "inactive")
        self.assertEqual(self.svcmgr("-q", "enable", "a").out, "")

    def test_strict(self):
        self.create("a", "process", SLEEPER)
        self.svcmgr("--strict", "enable", "a")
        self.fails(1, "cannot enable 'a': it is enabled already", "--strict", "enable", "a")
        self.svcmgr("--strict", "disable", "a")
        self.fails(1, "cannot disable 'a': it is disabled already", "--strict", "disable", "a")

    def test_several(self):
        for name in ("x1", "x2", "y"):
            self.create(name, "process", SLEEPER)
        self.svcmgr("enable", "y")
        result = self.svcmgr("enable", "nope", "x*", "y", status=4)
        self.assertEqual(sorted(result.out.splitlines()),
                         ["x1: enabled", "x2: enabled", "y is already enabled"])
        self.assertEqual(result.err, "svcmgr: cannot enable 'nope': no such service (see: svcmgr "
                                     "list)\n")
        results = self.json("disable", "y", "nope", status=4)
        self.assertIn({"Id": "y", "Enabled": False, "Changed": True}, results)
        self.assertIn("org.svcmgr1.Error.NotFound", [each.get("ErrorName") for each in results])
        self.fails(4, "no service matches 'z*' (see: svcmgr list)", "enable", "z*")

    def test_now(self):
        self.create("a", "process", SLEEPER)
        self.assertEqual(self.svcmgr("enable", "--now", "a").out, "a: enabled\na: active\n")
        self.assertEqual(self.svcmgr("enable", "--now", "a").out,
                         "a is already enabled\na is already active\n")
        self.assertEqual(self.svcmgr("disable", "a").out, "a: disabled\n")
        self.assertEqual(self.state("a"), "active")
        results = self.json("disable", "--now", "a")
        self.assertGreater(results[1].pop("StateSerial"), 0)
        self.assertEqual(results, [{"Id": "a", "Enabled": False, "Changed": False},
                                   {"Id": "a", "State": "inactive", "Changed": True}])

    def test_now_only_of_those_that_are_there(self):
        self.create("a", "process", SLEEPER)
        result = self.svcmgr("enable", "--now", "nope", "a", status=4)
        self.assertEqual(result.out, "a: enabled\na: active\n")
        self.assertEqual(result.err.count("\n"), 1)
        self.assertEqual(self.json("enable", "--now", "nope", status=4)[0]["Id"], "nope")

    def test_now_that_fails(self):
        self.create("a", "process", {"exec": ["/no/such"]})
        result = self.svcmgr("enable", "--now", "a", status=1)
        self.assertEqual(result.out, "a: enabled\n")
        self.assertRegex(result.err, r"^svcmgr: cannot start 'a': .*/no/such")

    def test_create_enabled(self):
        self.create("a", "process", SLEEPER, "--enable")
        shown = self.json("show", "a")
        self.assertEqual((shown["Enabled"], shown["Persistent"], shown["State"]),
                         (True, True, "inactive"))
        path = self.world.file("b.json", {"kind": "process", "enabled": True})
        self.svcmgr("import", path)
        self.addCleanup(self.svcmgr, "-q", "delete", "b")
        self.assertTrue(self.json("show", "b")["Enabled"])

    def origin(self, name):
        lines = self.svcmgr("status", name).out.splitlines()
        return [line.split(": ", 1)[1] for line in lines if line.startswith("      Origin: ")]

    def test_origin(self):
        self.create("kept", "process", SLEEPER)
        self.create("brief", "process", SLEEPER, "--no-persist")
        self.assertEqual(self.origin("kept"), ["created over the bus"])
        self.assertEqual(self.origin("brief"),
                         ["created over the bus, not kept: ends with the daemon"])
        self.assertFalse(self.json("show", "brief")["Persistent"])

    def test_revisions(self):
        self.svcmgr("create", "a", "process")
        self.addCleanup(self.svcmgr, "-q", "delete", "a")
        self.assertEqual(self.json("config", "a", "--list"), [])
        self.svcmgr("configure", "a", "-", stdin=json.dumps(SLEEPER))
        lines = self.svcmgr("config", "a", "--list").out.splitlines()
        self.assertEqual(lines[0].split(), ["REVISION", "SINCE", "SOURCE", "DIGEST"])
        self.assertRegex(lines[-1], r"^1 +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d; \S+ ago +bus +"
                                    r"[0-9a-f]{12} +current$")
        shown = self.json("config", "a", "--list")[-1]
        self.assertEqual((shown["revision"], shown["source"], shown["current"]), (1, "bus", True))
        self.assertEqual(shown["digest"], self.json("show", "a")["ConfigDigest"])
        self.assertEqual(self.svcmgr("config", "a", "--revision", "1").out, json.dumps(SLEEPER))
        self.assertEqual(self.json("config", "a", "-r", "1"),
                         {"Id": "a", "Config": json.dumps(SLEEPER), "ConfigRevision": 1,
                          "Time": shown["time"]})
        self.fails(1, "cannot show revision 7 of 'a': it is not kept (see: svcmgr config a --list)",
                   "config", "a", "-r", "7")
        self.fails(4, "cannot show revision 1 of 'nope': no such service (see: svcmgr list)",
                   "config", "nope", "-r", "1")
        self.fails(4, "cannot list the configurations of 'nope': no such service (see: svcmgr "
                      "list)", "config", "nope", "--list")


class EnableOnPrivateSocket(EnableOnBus):
    with_bus = False


if __name__ == "__main__":
    unittest.main()
