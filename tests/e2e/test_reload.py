# SPDX-License-Identifier: LGPL-2.1-or-later
"""daemon-reload: definitions that are new, changed, gone, as they were, or broken."""

import os
import unittest

from harness import Case

SLEEPER = {"exec": ["sleep", "1000"]}
OTHER = {"exec": ["sleep", "1001"]}


class ReloadOnBus(Case):
    @classmethod
    def prepare(cls, world):
        for name in ("alters", "goes", "stays"):
            world.define(name, "process", SLEEPER, enabled=True)

    def setUp(self):
        """The daemon may be ready before its services are."""
        self.svcmgr("-q", "start", "*")

    def tearDown(self):
        """As it was before."""
        for path in self.world.services.glob("*.json"):
            path.unlink()
        self.prepare(self.world)
        self.svcmgr("daemon-reload")

    def change_everything(self):
        self.world.define("appears", "process", SLEEPER, enabled=True)
        self.world.define("alters", "process", OTHER, enabled=True)
        (self.world.services / "goes.json").unlink()

    def pid(self, name):
        return self.json("show", name, "MainPID")["MainPID"]

    def test_everything(self):
        before = {name: self.pid(name) for name in ("alters", "stays")}
        self.change_everything()
        self.assertEqual(self.svcmgr("daemon-reload").out,
                         "  created: 1  appears\n"
                         "  changed: 1  alters\n"
                         "  removed: 1  goes\n"
                         "unchanged: 1  stays\n")
        self.svcmgr("wait", "alters", "--until", "ready")
        self.assertEqual(self.svcmgr("config", "alters").out, '{"exec": ["sleep", "1001"]}')
        self.assertNotEqual(self.pid("alters"), before["alters"])
        self.assertEqual(self.pid("stays"), before["stays"])
        self.assertEqual(self.state("appears"), "inactive")
        # It is stopped first: from there it gets ready no more, only away.
        self.svcmgr("wait", "goes", "--until", "ready", status=4)
        self.svcmgr("show", "goes", status=4)

    def test_nothing(self):
        self.assertEqual(self.svcmgr("daemon-reload").out,
                         "  created: 0\n  changed: 0\n  removed: 0\n"
                         "unchanged: 3  alters, goes, stays\n")
        self.assertEqual(self.svcmgr("-q", "daemon-reload").out, "")

    def test_dry_run(self):
        self.change_everything()
        told = self.svcmgr("daemon-reload", "--dry-run").out
        self.assertEqual(told, "  created: 1  appears\n"
                               "  changed: 1  alters\n"
                               "  removed: 1  goes\n"
                               "unchanged: 1  stays\n"
                               "Nothing was changed (--dry-run).\n")
        self.svcmgr("show", "appears", status=4)
        self.assertEqual(self.svcmgr("config", "alters").out, '{"exec": ["sleep", "1000"]}')
        self.assertEqual(self.state("goes"), "active")
        self.assertEqual(self.svcmgr("daemon-reload", "-n").out, told)

    def test_json(self):
        self.change_everything()
        self.assertEqual(self.json("daemon-reload", "-n"), {
            "created": ["appears"], "changed": ["alters"], "removed": ["goes"],
            "unchanged": ["stays"], "failed": {}})

    def test_broken(self):
        before = self.pid("alters")
        self.world.define("alters", "process", {"exec": 1, "restart": {"polcy": 1}})
        result = self.svcmgr("daemon-reload", status=1)
        lines = result.err.replace(f"{self.world.services}/", "").splitlines()
        self.assertEqual(lines[0], "svcmgr: cannot load the definition of 'alters': 2 mistakes:")
        self.assertRegex(lines[1], r"^  alters.json: config.exec: ")
        self.assertRegex(lines[2], r"^  alters.json: config.restart.polcy: ")
        self.assertEqual((len(lines), self.pid("alters")), (3, before))
        failed = self.json("daemon-reload", status=1)["failed"]
        self.assertEqual(list(failed), ["alters"])

    def test_on_a_terminal(self):
        self.change_everything()
        status, text = self.world.run_on_terminal("daemon-reload", "-n", address=self.address(),
                                                  columns=20)
        self.assertEqual(status, 0)
        self.assertEqual(text.splitlines()[:2], ["\033[32m  created: 1  appea…\033[0m",
                                                 "\033[33m  changed: 1  alters\033[0m"])

    def test_a_defined_service_is_not_deleted(self):
        result = self.svcmgr("delete", "stays", status=1)
        self.assertEqual(result.err.count("\n"), 1)
        self.assertRegex(result.err, r"^svcmgr: cannot delete 'stays': .*stays\.json.*svcmgr "
                                     r"daemon-reload\)\n$")
        self.assertEqual(self.state("stays"), "active")

    def test_origin(self):
        out = self.svcmgr("status", "stays").out
        self.assertIn(f"\n      Origin: {self.world.services}/stays.json\n", out)
        shown = self.json("show", "stays")
        self.assertEqual((shown["DefinitionPath"], shown["Persistent"]),
                         (f"{self.world.services}/stays.json", True))
        revision = self.json("config", "stays", "--list")[-1]
        self.assertEqual((revision["source"], revision["digest"]),
                         ("definition", shown["ConfigDigest"]))
        self.assertGreater(revision["time"], 0)

    @unittest.skipIf(os.geteuid() != 0, "only root can be somebody else")
    def test_nobody_else_may(self):
        self.world.directory.chmod(0o711)
        result = self.world.run("daemon-reload", address=self.address(), uid=65534)
        self.assertEqual(result.status, 5, result)


class ReloadOnPrivateSocket(ReloadOnBus):
    with_bus = False


if __name__ == "__main__":
    unittest.main()
