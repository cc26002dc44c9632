# SPDX-License-Identifier: LGPL-2.1-or-later
"""What there is again after the daemon ended, by itself or by force; and the daemon's own events."""

import json
import os
import signal
import unittest

from harness import World

SLEEPER = {"exec": ["sleep", "1000"]}


class Durable(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.end)
        self.world.define("defined", "process", SLEEPER)
        self.world.start_daemon(with_bus=False)

    def svcmgr(self, *arguments, status=0, **more):
        result = self.world.run(*arguments, address=self.world.private, **more)
        self.assertEqual(result.status, status, f"svcmgr {' '.join(arguments)}: {result}")
        return result

    def json(self, *arguments, **more):
        return json.loads(self.svcmgr("--json=short", *arguments, **more).out)

    def restart(self, signo=signal.SIGTERM):
        self.world.stop_daemon(signo)
        self.world.start_daemon(with_bus=False)

    def test_created_services_are_there_again(self):
        config = '{ "exec": ["sleep",  "1000"] }'
        self.svcmgr("create", "a", "process", "-", "--enable", "-l", "x=1", "-d", "It", stdin=config)
        self.svcmgr("create", "brief", "process", "--no-persist")
        self.svcmgr("create", "bare", "oneshot")
        before = self.svcmgr("export", "a").out
        for signo in (signal.SIGTERM, signal.SIGKILL):
            self.restart(signo)
            self.assertEqual(self.svcmgr("wait", "a", "--until", "ready").out, "a: active\n")
            self.assertEqual(self.svcmgr("config", "a").out, config)
            self.assertEqual(self.svcmgr("export", "a").out, before)
            self.assertEqual(self.json("show", "bare")["State"], "inactive")
            self.svcmgr("show", "brief", status=4)
        self.svcmgr("delete", "a")
        self.restart(signal.SIGKILL)
        self.svcmgr("show", "a", status=4)

    def test_enabled_stands_above_the_definition(self):
        self.svcmgr("enable", "defined")
        self.restart(signal.SIGKILL)
        self.svcmgr("wait", "defined", "--until", "ready")
        self.svcmgr("disable", "defined")
        self.world.define("defined", "process", SLEEPER, enabled=True)
        self.restart()
        self.assertFalse(self.json("show", "defined")["Enabled"])

    def test_revisions(self):
        self.svcmgr("create", "a", "process")
        texts = [json.dumps({"exec": ["sleep", str(1000 + n)]}) for n in range(25)]
        for text in texts:
            self.svcmgr("configure", "a", "-", stdin=text)
        self.restart(signal.SIGKILL)
        listed = self.json("config", "a", "--list")
        self.assertEqual(listed[-1]["digest"], self.json("show", "a")["ConfigDigest"])
        self.assertEqual(len({each["digest"] for each in listed}), 20)
        self.assertEqual([each["revision"] for each in listed], list(range(6, 26)))
        self.assertEqual([each["current"] for each in listed], [False] * 19 + [True])
        for revision in (6, 24, 25):
            self.assertEqual(self.svcmgr("config", "a", "-r", str(revision)).out,
                             texts[revision - 1])
        self.svcmgr("config", "a", "-r", "5", status=1)
        self.assertEqual(self.json("config", "a")["ConfigRevision"], 25)
        self.svcmgr("configure", "a", "-", stdin=texts[0])
        self.assertEqual(self.json("config", "a")["ConfigRevision"], 26)

    def test_an_import_is_kept(self):
        path = self.world.file("x.json", {"kind": "process", "enabled": True, "config": SLEEPER})
        self.svcmgr("import", path)
        os.unlink(path)
        self.restart(signal.SIGKILL)
        self.assertEqual(self.svcmgr("wait", "x", "--until", "ready").out, "x: active\n")

    def types(self, *arguments):
        return [event["type"] for event in self.json("events", *arguments)]

    def test_own_events(self):
        self.assertEqual([each for each in self.types() if "Hook" not in each],
                         ["AppStartup", "Created", "AppRunning"])
        self.svcmgr("start", "defined")
        self.svcmgr("stop", "defined")
        self.assertNotIn("ProcessStart", self.types())
        every = self.json("events", "--all")
        serials = [event["serial"] for event in every]
        self.assertEqual(serials, list(range(serials[0], serials[0] + len(serials))))
        processes = [(event["type"], event["id"]) for event in every
                     if event["type"].startswith("Process")]
        self.assertEqual(processes, [("ProcessStart", "defined"), ("ProcessEnd", "defined")])
        of_one = self.types("defined")
        self.assertEqual(set(of_one), {"Created", "Transition"})
        self.assertIn("ProcessEnd", self.types("defined", "--all"))
        self.assertNotIn("AppRunning", self.types("d*", "--all"))
        line = self.svcmgr("events").out.splitlines()[0]
        self.assertRegex(line, r"^ *\d+ \d\d:\d\d:\d\d\.\d{3} svcmgrd +AppStartup")

    def test_serials_go_on(self):
        last = self.json("events", "--all")[-1]["serial"]
        for signo in (signal.SIGTERM, signal.SIGKILL):
            self.restart(signo)
            events = self.json("events", "--all")
            self.assertEqual(events[0]["type"], "AppStartup")
            self.assertGreater(events[0]["serial"], last)
            last = events[-1]["serial"]

    def test_watch_sees_the_daemon_end_and_come_back(self):
        # Something that goes on happening is what shows that the watch is under way.
        brief = {"exec": ["true"], "restart": {"policy": "always", "initial_delay": "20ms",
                                               "max_delay": "20ms"}}
        self.svcmgr("create", "busy", "process", "-", "--no-persist", stdin=json.dumps(brief))
        self.svcmgr("-q", "--no-wait", "start", "busy")
        follower = self.world.start("watch", address=self.world.private)
        self.addCleanup(follower.end)
        follower.line()
        self.restart()
        lines = follower.until("AppRunning")
        text = "\n".join(lines)
        self.assertRegex(text, r"svcmgrd +AppTerminating")
        self.assertRegex(text, r"started anew[^\n]*\n[^\n]*svcmgrd +AppStartup")
        self.assertNotIn("no longer kept", text)


if __name__ == "__main__":
    unittest.main()
