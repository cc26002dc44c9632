# SPDX-License-Identifier: LGPL-2.1-or-later
"""list, status, show, kinds, schema, version, is-active, is-failed; on a bus, and once more on the
bare private socket."""

import json
import time
import unittest

from harness import SECONDS_MAX, Case

HOSTILE = "red \033[31m bell \a csi \u009b31m turned \u202e done"


class LookOnBus(Case):
    @classmethod
    def prepare(cls, world):
        sleeper = {"exec": ["sleep", "1000"]}
        world.define("web", "process", sleeper, enabled=True, description="A server",
                     labels={"tier": "front", "team": "shop"})
        world.define("web-2", "process", sleeper, description="名前が広い")
        world.define("job", "oneshot", {"exec": ["true"]}, enabled=True)
        world.define("broken", "process", {"exec": ["/no/such"], "restart": {"policy": "no"}},
                     enabled=True)
        world.define("hostile", "process", sleeper, description=HOSTILE)

    def setUp(self):
        self.svcmgr("wait", "web", "job", "broken")

    def test_list_has_a_line_for_each(self):
        lines = self.svcmgr("list").out.splitlines()
        self.assertRegex(lines[0], r"^ID +KIND +STATE +SUB +SINCE +DESCRIPTION$")
        self.assertEqual([line.split()[0] for line in lines[1:]],
                         ["broken", "hostile", "job", "web", "web-2"])
        self.assertRegex(lines[1], r"^broken +process +failed +.*/no/such.*No such file")
        self.assertRegex(lines[4], r"^web +process +active +running +.* ago +A server$")

    def test_list_is_aligned(self):
        lines = self.svcmgr("list").out.splitlines()
        column = lines[0].index("KIND")
        for line in lines[1:]:
            self.assertEqual(line[column - 1], " ")
            self.assertIn(line[column:].split()[0], ("process", "oneshot"))

    def test_list_filters(self):
        def ids(*arguments):
            return [service["Id"] for service in self.json("list", *arguments)]

        self.assertEqual(ids("--kind", "oneshot"), ["job"])
        self.assertEqual(ids("--state=failed"), ["broken"])
        self.assertEqual(ids("-s", "failed", "-s", "active"), ["broken", "web"])
        self.assertEqual(ids("web*"), ["web", "web-2"])
        self.assertEqual(ids("web-?", "job", "web*"), ["job", "web", "web-2"])
        self.assertEqual(ids("--pattern", "web", "--kind", "oneshot"), [])

    def test_list_of_nothing(self):
        self.assertEqual(len(self.svcmgr("list", "nothing*").out.splitlines()), 1)
        self.assertEqual(self.svcmgr("-q", "list", "nothing*").out, "")
        self.assertEqual(self.json("list", "nothing*"), [])

    def test_list_with_a_wrong_state(self):
        result = self.svcmgr("list", "--state", "sleepy", status=2)
        self.assertIn("sleepy", result.err)

    def test_list_as_json(self):
        for mode in ("pretty", "short"):
            services = self.json("list", mode=mode)
            self.assertEqual(len(services), 5)
            self.assertGreater(services[3]["LastActiveTime"], 10**15)
            self.assertEqual(services[3]["Labels"], {"tier": "front", "team": "shop"})
        lines = self.svcmgr("--json=lines", "list").out.splitlines()
        self.assertEqual([json.loads(line)["State"] for line in lines][3], "active")

    def test_list_quietly_has_no_heading(self):
        self.assertNotIn("DESCRIPTION", self.svcmgr("--quiet", "list").out)

    def test_status_of_a_service(self):
        out = self.svcmgr("status", "web").out
        self.assertRegex(out, r"^● web - process: A server\n")
        self.assertRegex(out, r" State: active \(running\) since \d{4}-\d\d-\d\d .*; .* ago\n")
        self.assertRegex(out, r" Main PID: \d+ \(sleep\)\n")
        self.assertRegex(out, r" Config: revision 1, [0-9a-f]{12}, .* ago\n")
        self.assertIn(" Enabled: yes", out)
        self.assertRegex(out, r" Labels: (tier=front, team=shop|team=shop, tier=front)\n")
        self.assertRegex(out, r" Last change: starting → active: applied; .* ago\n")

    def test_status_of_what_runs(self):
        """What it uses is asked for apart; of what does not run there is nothing to say."""
        self.create("family", "process", {"exec": ["sh", "-c", "sleep 1000 & sleep 1000"]},
                    "--start")
        end = time.monotonic() + SECONDS_MAX
        # The shell starts them one by one; and what was counted may be told for half a second.
        while self.json("show", "family", "Usage")["Usage"].get("processes") != 3:
            self.assertLess(time.monotonic(), end)
        out = self.svcmgr("status", "family").out
        self.assertRegex(out, r" Tasks: 3\n +Memory: \d+(\.\d)? [KM]iB.*\n +CPU: \d.*\n")
        usage = self.json("status", "family")[0]["Usage"]
        self.assertEqual(usage["tasks"], 3)
        self.assertIn(usage["source"], ("cgroup", "proc"))
        group = self.json("show", "family", "ControlGroup")["ControlGroup"]
        self.assertEqual(f" Cgroup: {group}\n" in out, group != "")
        self.assertNotIn("Tasks", self.svcmgr("status", "broken").out)
        self.assertIn("Usage={", self.svcmgr("show", "family").out)

    def test_status_says_who_and_why(self):
        self.create("scratch", "process", {"exec": ["sleep", "1000"]})
        self.svcmgr("reset-failed", "scratch")
        self.svcmgr("--no-wait", "start", "scratch")
        events = self.svcmgr("events", "scratch").out
        self.assertRegex(events, r"inactive → starting +Start by \S+ \(svcmgr, pid \d+\)")
        out = self.svcmgr("status", "broken").out
        self.assertRegex(out, r" State: failed")
        self.assertRegex(out, r" Error: .*/no/such.*No such file or directory \(exec\)\n")
        self.assertRegex(out, r" Attempts: failed ")

    def test_status_of_several_and_of_none(self):
        out = self.svcmgr("status", "web*").out
        self.assertEqual(out.count("● "), 2)
        self.assertIn("\n\n● web-2", out)
        result = self.svcmgr("status", "web", "nope", status=4)
        self.assertIn("● web", result.out)
        self.assertEqual(result.err,
                         "svcmgr: cannot show 'nope': no such service (see: svcmgr list)\n")
        self.assertEqual([service["Id"] for service in self.json("status", "web", "job")],
                         ["web", "job"])

    def test_status_of_the_daemon(self):
        out = self.svcmgr("status").out
        self.assertRegex(out, r"^● svcmgrd - version \d")
        self.assertRegex(out, r" State: degraded \(serve\) since .* ago\n")
        self.assertRegex(out, r" Services: \d+: \d+ active( \(\d in backoff\))?, 1 failed\n")
        self.assertRegex(out, r"\n\nID .*\nbroken +process +failed ")
        self.assertEqual([service["Id"] for service in self.json("status")["Unwell"]], ["broken"])

    def test_status_says_how_services_are_followed(self):
        has_cgroups = "cgroup" in self.json("status")["Features"]
        self.assertRegex(self.svcmgr("status").out,
                         r"\n *Followed: " + (r"by cgroups( \([a-z, ]+\))?\n" if has_cgroups else
                                              r"by sessions and marks, without cgroups\n"))

    def test_show(self):
        lines = self.svcmgr("show", "web").out.splitlines()
        self.assertIn("State=active", lines)
        self.assertIn("Active=yes", lines)
        self.assertIn("LastErrorTime=never", lines)
        self.assertTrue(any(line.startswith("LastActiveTime=20") for line in lines))
        self.assertEqual(self.svcmgr("show", "web", "Kind", "Id").out, "Kind=process\nId=web\n")
        self.assertEqual(self.json("show", "web", "Kind", mode="lines"), {"Kind": "process"})
        self.assertIn("MainPID", self.json("show", "web"))
        self.fails(4, "cannot show 'nope': no such service (see: svcmgr list)", "show", "nope")
        self.fails(1, "cannot show 'web': no property 'Color' (see: svcmgr show web)",
                   "show", "web", "Color")

    def test_kinds_and_schema(self):
        out = self.svcmgr("kinds").out
        self.assertRegex(out, r"(?m)^oneshot +\S")
        self.assertRegex(out, r"(?m)^process +\S")
        self.assertIn("process", [kind["Name"] for kind in self.json("kinds")])
        schema = json.loads(self.svcmgr("schema", "process").out)
        self.assertIn("exec", schema["properties"])
        self.assertEqual(self.json("schema", "process"), schema)
        result = self.svcmgr("schema", "nope", status=1)
        self.assertRegex(result.err, r"^svcmgr: cannot show the schema: .*nope.*svcmgr kinds\)\n$")

    def test_version(self):
        out = self.svcmgr("version").out
        self.assertRegex(out, r"^svcmgr \d\S*\nsvcmgrd \d\S*, instance [0-9a-f]{32}\n$")
        self.assertRegex(self.svcmgr("--version").out, r"^svcmgr \d\S*\n$")
        self.assertEqual(len(self.json("version")["InstanceId"]), 32)

    def test_is_active(self):
        self.assertEqual(self.svcmgr("is-active", "web").out, "active\n")
        self.assertEqual(self.svcmgr("is-active", "web", "web-2", status=3).out,
                         "active\ninactive\n")
        self.assertEqual(self.svcmgr("-q", "is-active", "broken", status=3).out, "")
        self.fails(4, "no service 'nope' (see: svcmgr list)", "is-active", "nope")
        self.assertEqual(self.json("is-active", "web"), [{"Id": "web", "State": "active"}])

    def test_is_failed(self):
        self.assertEqual(self.svcmgr("is-failed", "broken").out, "failed\n")
        self.svcmgr("is-failed", "web", "broken")
        self.svcmgr("is-failed", "web", status=1)
        self.svcmgr("is-failed", "nope", status=4)

    def test_hostile_text_is_harmless(self):
        for arguments in (("list",), ("status", "hostile"), ("show", "hostile")):
            out = self.svcmgr(*arguments).out
            self.assertIn(r"red \x1b[31m bell \x07 csi \x9b31m turned \u202e done", out)
        status, out = self.world.run_on_terminal("--json=lines", "show", "hostile", "Description",
                                                 address=self.address())
        self.assertEqual(status, 0)
        self.assertEqual(json.loads(out)["Description"], HOSTILE)
        self.assertTrue(out.isascii())

    def test_terminal_has_colour_and_an_edge(self):
        status, out = self.world.run_on_terminal("list", address=self.address(), columns=60)
        self.assertEqual(status, 0)
        self.assertIn("\033[32mactive\033[0m", out)
        self.assertIn("\033[31mfailed\033[0m", out)
        self.assertIn("…", out)
        plain = out.replace("\033[0m", "")
        for sequence in ("\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[33m"):
            plain = plain.replace(sequence, "")
        self.assertNotIn("\033", plain)
        for line in plain.splitlines():
            width = sum(2 if ord(c) > 0x2fff else 1 for c in line)
            self.assertLessEqual(width, 60, line)
        self.assertTrue(out.endswith("\n5 services.\n"))

    def test_terminal_without_colour(self):
        for arguments, environment in ((("--no-color",), {}), ((), {"NO_COLOR": "1"}),
                                       ((), {"TERM": "dumb"})):
            _, out = self.world.run_on_terminal(*arguments, "status", "web", address=self.address(),
                                                environment=environment)
            self.assertIn("State: active", out)
            self.assertNotIn("\033", out)

    def test_ascii_where_the_locale_is(self):
        out = self.svcmgr("status", "web", environment={"LC_ALL": "C"}).out
        self.assertTrue(out.isascii())
        self.assertIn("starting -> active", out)


class LookOnPrivateSocket(LookOnBus):
    with_bus = False


if __name__ == "__main__":
    unittest.main()
