# SPDX-License-Identifier: LGPL-2.1-or-later
"""Services that have to do with each other, as busctl and gdbus see and move them: properties and
their changes, StartServices, StopServices and GetDependencyGraph. On a bus and on the private
socket."""

import json
import os
import re
import unittest

from harness import Case

NAME = "org.svcmgr1"
MANAGER = "/org/svcmgr1"
SERVICES = "/org/svcmgr1/service"
INTERFACE = "org.svcmgr1.Service"
PROPERTIES = "org.freedesktop.DBus.Properties"
OUR_ERROR = "org.svcmgr1.Error"

SLEEPER = {"exec": ["sleep", "1000"]}
LINKS = {"Requires": ["db"], "Wants": ["log"], "After": ["log"], "Before": ["proxy"],
         "Conflicts": ["old"], "PartOf": ["proxy"], "RequiredBy": ["front"], "WaitingFor": []}


def plain(value):
    """What busctl --json shows, without the types."""
    if isinstance(value, dict) and set(value) == {"type", "data"}:
        return plain(value["data"])
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list) else value


class TogetherOnPrivateSocket(Case):
    """front requires web, web requires db; db is ready when the test says so."""

    with_bus = False

    @classmethod
    def prepare(cls, world):
        path = world.directory / "gate"
        os.mkfifo(path)
        cls.gate = os.open(path, os.O_RDWR)  # so that neither end ever waits for the other
        ready = f"read line < {path}; echo >&3; exec sleep 1000"
        world.define("db", "process", {"exec": ["sh", "-c", ready], "readiness": "fd"})
        world.define("web", "process", {
            **SLEEPER, "requires": ["db"], "wants": ["log"], "after": ["log"],
            "before": ["proxy"], "conflicts": ["old"], "part_of": ["proxy"]})
        world.define("front", "process", {**SLEEPER, "requires": ["web"]})
        for name in ("log", "old", "proxy", "alone"):
            world.define(name, "process", SLEEPER)
        world.define("broken", "oneshot", {"exec": ["sh", "-c", "exit 3"],
                                           "restart": {"policy": "no"}})

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        os.close(cls.gate)

    def setUp(self):
        self.addCleanup(self.busctl, "call", NAME, MANAGER, NAME + ".Manager", "StopServices",
                        "asa{sv}", "7", "front", "web", "db", "log", "old", "proxy", "alone", "0")

    def open_gate(self):
        """For one start of db, whether it has begun or not."""
        os.write(self.gate, b"\n")

    def busctl(self, *arguments, status=0):
        return self.tool("busctl", f"--address={self.address()}", *arguments, status=status)

    def call(self, method, signature, *arguments):
        """A method of the Manager, by busctl; the answer without types."""
        out = self.busctl("--json=short", "call", NAME, MANAGER, NAME + ".Manager", method,
                          signature, *map(str, arguments)).out
        return plain(json.loads(out))[0]

    def gdbus(self, path, method, *arguments, status=0):
        return self.tool("gdbus", "call", "--address", self.address(), "--dest", NAME,
                         "--object-path", path, "--method", method, *arguments, status=status)

    # Properties

    def test_busctl_properties(self):
        for name, ids in LINKS.items():
            out = self.busctl("--json=short", "get-property", NAME, SERVICES + "/web", INTERFACE,
                              name).out
            self.assertEqual(json.loads(out), {"type": "as", "data": ids})
            out = self.busctl("get-property", NAME, SERVICES + "/alone", INTERFACE, name).out
            self.assertEqual(out, "as 0\n")
        out = self.busctl("--json=short", "call", NAME, SERVICES + "/web", INTERFACE,
                          "GetState").out
        state = plain(json.loads(out))[0]
        self.assertEqual({name: state[name] for name in LINKS}, LINKS)
        listed = self.call("ListServices", "a{sv}", 2, "ids", "as", 1, "web", "fields", "as",
                           len(LINKS), *LINKS)
        self.assertEqual(listed, [{"Id": "web", **LINKS}])

    def test_gdbus_properties(self):
        for name, ids in LINKS.items():
            out = self.gdbus(SERVICES + "/web", PROPERTIES + ".Get", INTERFACE, name).out
            self.assertEqual(out, f"(<{ids if ids else '@as []'}>,)\n")

    # Changes

    def monitor(self):
        """Of web, by gdbus."""
        monitor = self.follow("gdbus", "monitor", "--address", self.address(), "--dest", NAME,
                              "--object-path", SERVICES + "/web")
        monitor.until(f"The name {NAME} is owned by :1.")
        while not monitor.has_line(0.1):  # it does not say when it listens
            self.svcmgr("-q", "enable", "web")
            self.svcmgr("-q", "disable", "web")
        return monitor

    @staticmethod
    def changes(monitor, last):
        """(State, WaitingFor) of each PropertiesChanged in which one of them is, until that one;
        all have serials of their own."""
        seen, serials = [], []
        while not seen or seen[-1] != last:
            line = monitor.line()
            if f"('{INTERFACE}', " not in line:
                continue
            found = [re.search(pattern, line) for pattern in (
                r"'State': <'(\w+)'>", r"'WaitingFor': <([^>]*)>", r"'StateSerial': <uint64 (\d+)>")]
            texts = tuple(match and match[1] for match in found)
            serials.append(texts[2])
            if texts[:2] != (None, None):
                seen.append(texts[:2])
        return seen, len(serials) == len(set(serials)) and None not in serials

    def test_waiting_for(self):
        """One PropertiesChanged for each transition, with the ids that are waited for in it."""
        monitor = self.monitor()
        self.busctl("call", NAME, SERVICES + "/web", INTERFACE, "Start")
        self.assertEqual(self.changes(monitor, (None, "['db']")), (
            [("waiting", "['db', 'log']"), (None, "['db']")], True))
        self.open_gate()
        self.assertEqual(self.changes(monitor, ("active", None)), (
            [("starting", "@as []"), ("active", None)], True))

    def test_waiting_for_dependents(self):
        self.open_gate()
        self.call("StartServices", "asa{sv}", 1, "front", 0)
        monitor = self.monitor()
        self.call("StopServices", "asa{sv}", 2, "web", "front", 0)
        seen, unique = self.changes(monitor, ("inactive", None))
        self.assertTrue(unique)
        self.assertEqual([pair for pair in seen if pair[1] is not None],
                         [(None, "['front']"), (None, "@as []")])

    def test_busctl_monitor(self):
        if not self.with_bus:
            self.skipTest("nobody else can listen on the private socket")
        monitor = self.follow("busctl", f"--address={self.address()}", "--json=short", "monitor",
                              f"--match=type='signal',path='{SERVICES}/front'")
        monitor.until("Monitoring bus message stream.")
        self.open_gate()
        self.call("StartServices", "asa{sv}", 1, "front", 0)
        seen = []
        while not seen or seen[-1].get("State") != "active":
            interface, changed, _ = json.loads(monitor.line())["payload"]["data"]
            if interface == INTERFACE:
                seen.append(plain(changed))
        waits = [change["WaitingFor"] for change in seen if "WaitingFor" in change]
        self.assertEqual(waits, [["web"], []])
        self.assertEqual(seen[-1]["LastTransition"]["cause"], "applied")

    # StartServices, StopServices

    def test_busctl_start_and_stop(self):
        self.open_gate()
        services = self.call("StartServices", "asa{sv}", 2, "front", "alone", 1, "ordered", "b",
                             "true")
        self.assertEqual([(entry["id"], entry["state"], entry["error_name"], entry["error"])
                          for entry in services],
                         [("front", "active", "", ""), ("alone", "active", "", "")])
        serials = [entry["serial"] for entry in services]
        self.assertLess(serials[0], serials[1])
        self.assertEqual([self.state(name) for name in ("db", "web", "log")], ["active"] * 3)
        services = self.call("StopServices", "asa{sv}", 3, "db", "front", "web", 0)
        self.assertEqual([(entry["id"], entry["state"]) for entry in services],
                         [("db", "inactive"), ("front", "inactive"), ("web", "inactive")])
        serials = [entry["serial"] for entry in services]
        self.assertEqual(sorted(serials), [serials[1], serials[2], serials[0]])
        self.assertEqual(self.state("alone"), "active")

    def test_gdbus_start_and_stop(self):
        out = self.gdbus(MANAGER, NAME + ".Manager.StartServices", "['alone', 'log']", "{}").out
        self.assertRegex(out, r"^\(\[\{'id': <'alone'>, 'state': <'active'>, 'serial': <uint64 \d+>, "
                         r"'error_name': <''>, 'error': <''>\}, \{'id': <'log'>, ")
        out = self.gdbus(MANAGER, NAME + ".Manager.StopServices", "['alone', 'log']", "{}").out
        self.assertEqual(out.count("'state': <'inactive'>"), 2)
        out = self.gdbus(MANAGER, NAME + ".Manager.StopServices", "@as []", "{}").out
        self.assertEqual(out, "(@aa{sv} [],)\n")

    def test_start_that_fails(self):
        result = self.busctl("call", NAME, MANAGER, NAME + ".Manager", "StartServices", "asa{sv}",
                             "2", "alone", "broken", "0", status=1)
        self.assertIn("service 'broken': ", result.err)
        self.assertIn("exited with status 3", result.err)
        self.assertEqual((self.state("alone"), self.state("broken")), ("inactive", "failed"))
        result = self.gdbus(MANAGER, NAME + ".Manager.StartServices", "['old', 'broken']", "{}",
                            status=1)
        self.assertRegex(result.err, r"GDBus\.Error:org\.freedesktop\.DBus\.Error\.Failed: service 'broken': ")
        self.assertEqual(self.state("old"), "inactive")

    def test_dry_run(self):
        self.call("StartServices", "asa{sv}", 1, "old", 0)
        steps = self.call("StartServices", "asa{sv}", 1, "front", 1, "dry_run", "b", "true")
        self.assertEqual([(step["id"], step["action"], step["because"], step["relation"])
                          for step in steps],
                         [("old", "stop", "web", "conflicts"), ("db", "start", "web", "requires"),
                          ("log", "start", "web", "wants"), ("web", "start", "front", "requires"),
                          ("front", "start", "", "")])
        self.assertEqual((self.state("front"), self.state("old")), ("inactive", "active"))
        out = self.gdbus(MANAGER, NAME + ".Manager.StopServices", "['old']",
                         "{'dry_run': <true>}").out
        self.assertEqual(out, "([{'id': <'old'>, 'action': <'stop'>, 'because': <''>, "
                         "'relation': <''>, 'after': <@as []>, 'state': <'active'>}],)\n")

    def test_refused(self):
        for method in ("StartServices", "StopServices"):
            for ids, options, name, text in (
                    ("['log', 'nobody']", "{}", f"{OUR_ERROR}.NotFound", "'nobody'"),
                    ("['log', 'log']", "{}", "org.freedesktop.DBus.Error.InvalidArgs",
                     "'log' is named twice"),
                    ("['no id']", "{}", f"{OUR_ERROR}.InvalidId", "no id"),
                    ("['log']", "{'force': <true>}", "org.freedesktop.DBus.Error.InvalidArgs",
                     "unknown option 'force'")):
                err = self.gdbus(MANAGER, f"{NAME}.Manager.{method}", ids, options, status=1).err
                self.assertIn(f"GDBus.Error:{name}: ", err)
                self.assertIn(text, err)
        err = self.gdbus(MANAGER, NAME + ".Manager.StartServices", "['old', 'web']", "{}",
                         status=1).err
        self.assertIn(f"GDBus.Error:{OUR_ERROR}.Conflict: ", err)
        self.assertEqual(self.state("log"), "inactive")

    # GetDependencyGraph

    def test_graph(self):
        graph = self.call("GetDependencyGraph", "a{sv}", 1, "ids", "as", 1, "front")
        self.assertEqual([entry["id"] for entry in graph],
                         ["db", "front", "log", "old", "proxy", "web"])
        self.assertEqual(graph[-1], {
            "id": "web", "kind": "process", "state": "inactive", "error": "",
            "sub_state": self.json("show", "web", "SubState")["SubState"],
            "requires": ["db"], "wants": ["log"], "after": ["log"], "before": ["proxy"],
            "conflicts": ["old"], "part_of": ["proxy"]})
        everything = self.call("GetDependencyGraph", "a{sv}", 0)
        self.assertIn("alone", [entry["id"] for entry in everything])
        out = self.gdbus(MANAGER, NAME + ".Manager.GetDependencyGraph",
                         "{'ids': <['db']>, 'reverse': <true>}").out
        self.assertEqual(re.findall(r"'id': <'(\w+)'>", out), ["db", "front", "web"])
        err = self.gdbus(MANAGER, NAME + ".Manager.GetDependencyGraph", "{'ids': <['nobody']>}",
                         status=1).err
        self.assertIn(f"GDBus.Error:{OUR_ERROR}.NotFound: ", err)

    # What goes wrong

    def test_errors_of_definition(self):
        self.create("under", "process", SLEEPER)
        self.create("over", "process", {**SLEEPER, "requires": ["under"]})
        err = self.gdbus(SERVICES + "/under", INTERFACE + ".Configure",
                         json.dumps({**SLEEPER, "after": ["over"]}), status=1).err
        self.assertIn(f"GDBus.Error:{OUR_ERROR}.DependencyCycle: ", err)
        err = self.gdbus(MANAGER, NAME + ".Manager.DeleteService", "under", "{}", status=1).err
        self.assertIn(f"GDBus.Error:{OUR_ERROR}.HasDependents: ", err)
        self.assertIn("over", err)
        self.svcmgr("-q", "delete", "over")

    def test_blocked(self):
        """Settled for a Wait; an error of its own, by name and class."""
        self.create("lost", "process", {**SLEEPER, "requires": ["nobody"]})
        self.gdbus(SERVICES + "/lost", INTERFACE + ".Start")
        out = self.gdbus(SERVICES + "/lost", INTERFACE + ".Wait", "{}").out
        self.assertRegex(out, r"^\('waiting', uint64 \d+\)\n$")
        err = self.gdbus(SERVICES + "/lost", INTERFACE + ".Wait",
                         "{'until': <'active'>, 'timeout_usec': <uint64 0>}", status=1).err
        self.assertIn(f"GDBus.Error:{OUR_ERROR}.Timeout: ", err)
        self.assertIn("it is waiting for 'nobody': requires 'nobody', which is not there", err)
        state = self.json("show", "lost", "SubState", "ErrorName", "FailureClass")
        self.assertEqual(state, {"SubState": "blocked", "FailureClass": "dependency",
                                 "ErrorName": f"{OUR_ERROR}.DependencyFailed"})


class TogetherOnBus(TogetherOnPrivateSocket):
    with_bus = True


if __name__ == "__main__":
    unittest.main()
