# SPDX-License-Identifier: LGPL-2.1-or-later
"""create, configure, config, delete, validate."""

import json
import unittest

from harness import Case

SLEEPER = {"exec": ["sleep", "1000"]}


class DefineOnBus(Case):
    def setUp(self):
        self.addCleanup(self.svcmgr, "-q", "delete", "--allow-missing", "a", "b")

    def test_create(self):
        path = self.world.file("a.json", SLEEPER)
        self.assertEqual(self.svcmgr("create", "a", "process", path).out, "a: created\n")
        self.assertEqual(self.state("a"), "inactive")
        self.assertEqual(self.svcmgr("create", "b", "process").out, "b: created\n")
        self.fails(1, "cannot create 'a': there is a service 'a' already (see: svcmgr status a)",
                   "create", "a", "process")

    def test_create_with_everything(self):
        out = self.svcmgr("create", "a", "process", "-", "--start", "--label", "x=1", "-l", "y=2=3",
                          "--description", "The first", stdin=json.dumps(SLEEPER)).out
        self.assertEqual(out, "a: created, active\n")
        shown = self.json("show", "a")
        self.assertEqual(shown["Labels"], {"x": "1", "y": "2=3"})
        self.assertEqual(shown["Description"], "The first")
        self.svcmgr("create", "b", "process", "--label", "x", status=2)

    def test_create_that_cannot_start(self):
        result = self.svcmgr("create", "a", "process", "-", "--start", status=1,
                             stdin='{"exec": ["/no/such"]}')
        self.assertEqual(result.out, "a: created\n")
        self.assertRegex(result.err, r"^svcmgr: cannot start 'a': .*/no/such.*see: svcmgr status a")

    def test_create_mints_an_id(self):
        name = self.svcmgr("create", "", "process").out.removesuffix(": created\n")
        self.assertEqual(self.state(name), "inactive")
        self.svcmgr("delete", name)
        self.assertRegex(self.json("create", "", "process")[0]["Id"], "^[0-9a-f-]+$")
        self.svcmgr("delete", "*")

    def test_create_refused(self):
        self.assertIn("svcmgr kinds", self.svcmgr("create", "a", "nope", status=1).err)
        self.svcmgr("create", "a b", "process", status=1)
        self.svcmgr("create", "a", "process", "/no/such/file", status=1)
        self.svcmgr("create", "a", "process", str(self.world.directory), status=1)
        self.svcmgr("create", "a", "process", "-", status=1, stdin=" " * (1024 * 1024 + 1))
        self.svcmgr("show", "a", status=4)

    def test_all_mistakes_are_told(self):
        result = self.svcmgr("create", "a", "process", "-", status=1,
                             stdin='{"exec": "x", "restart": {"polcy": 1, "max_delay": -1}}')
        lines = result.err.splitlines()
        self.assertEqual(lines[0], "svcmgr: cannot create 'a': 3 mistakes:")
        self.assertEqual([line.split(":")[0] for line in lines[1:]],
                         ["  exec", "  restart.polcy", "  restart.max_delay"])
        result = self.svcmgr("create", "a", "process", "-", status=1, stdin='{"exec": "x"}')
        self.assertRegex(result.err, r"^svcmgr: cannot create 'a': exec: expected .*\n$")

    def test_configure_and_config(self):
        self.svcmgr("create", "a", "process")
        result = self.svcmgr("config", "a")
        self.assertEqual((result.out, result.err), ("", "svcmgr: 'a' has no configuration yet\n"))
        text = json.dumps(SLEEPER, indent=3) + "\n\n"
        path = self.world.file("a.json", text)
        self.assertEqual(self.svcmgr("configure", "a", path).out,
                         "a: configured (revision 1), stored, inactive\n")
        self.assertEqual(self.svcmgr("config", "a").out, text)
        self.assertEqual(self.json("config", "a"),
                         {"Id": "a", "Config": text, "ConfigRevision": 1})
        self.svcmgr("start", "a")
        out = self.svcmgr("configure", "a", stdin='{"exec": ["sleep", "1001"]}').out
        self.assertRegex(out, r"^a: configured \(revision 2\), restarted, active\n$")
        pid = self.json("show", "a", "MainPID")
        out = self.svcmgr("configure", "a",
                          stdin='{"exec": ["sleep", "1001"], "stop_timeout": "3s"}').out
        self.assertEqual(out, "a: configured (revision 3), taken over without a restart, active\n")
        self.assertEqual(self.json("show", "a", "MainPID"), pid)
        result = self.svcmgr("configure", "a", "-", status=1, stdin='{"exec": ["/no/such"]}')
        self.assertRegex(result.out, r"^a: configured \(revision 4\), ")
        self.assertIn("/no/such", result.err)

    def test_configure_refused(self):
        self.svcmgr("create", "a", "process")
        self.svcmgr("configure", "a", "-", status=1, stdin="{")
        self.svcmgr("configure", "nope", "-", status=4, stdin="{}")
        self.svcmgr("config", "nope", status=4)
        result = self.world.run_on_terminal("configure", "a", address=self.address())
        self.assertEqual(result[0], 2)

    def test_delete(self):
        self.create("a", "process", SLEEPER, "--start")
        self.create("b", "process", SLEEPER)
        self.assertEqual(sorted(self.svcmgr("delete", "a", "b").out.splitlines()),
                         ["a: deleted", "b: deleted"])
        self.fails(4, "cannot delete 'a': no such service (see: svcmgr list)", "delete", "a")
        self.svcmgr("delete", "--allow-missing", "a", "b")

    def test_validate(self):
        good = self.world.file("good.json", SLEEPER)
        self.assertEqual(self.svcmgr("validate", "process", good).out, f"{good}: valid\n")
        self.assertEqual(self.json("validate", "process", good), [])
        bad = self.world.file("bad.json", '{"exec": "x",\n "nope": 1}')
        out = self.svcmgr("validate", "process", bad, status=1).out.splitlines()
        self.assertEqual(len(out), 2)
        self.assertRegex(out[0], r"bad.json: error: /exec: expected ")
        broken = self.world.file("broken.json", '{"exec":\n  ["x"')
        self.assertRegex(self.svcmgr("validate", "process", broken, status=1).out,
                         r"^.*broken.json:2:\d+: error: ")
        self.assertEqual(self.json("validate", "process", broken, status=1)[0]["line"], 2)
        result = self.svcmgr("validate", "process", "-", stdin='{"exec": ["/no/such"]}')
        self.assertRegex(result.out, r"^standard input: warning: .*\nstandard input: valid\n$")
        self.svcmgr("validate", "nope", good, status=1)


class DefineOnPrivateSocket(DefineOnBus):
    with_bus = False


if __name__ == "__main__":
    unittest.main()
