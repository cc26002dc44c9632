# SPDX-License-Identifier: LGPL-2.1-or-later
"""The other programs that people ask a D-Bus service with: dbus-send, dbus-monitor, gdbus monitor
and wait, and what else busctl can do. Each on a bus and on the private socket."""

import json
import re
import unittest

from harness import Case

NAME = "org.svcmgr1"
MANAGER = "/org/svcmgr1"
SERVICES = "/org/svcmgr1/service"
WEB = "/org/svcmgr1/service/web"
INTERFACE = "org.svcmgr1.Service"
PROPERTIES = "org.freedesktop.DBus.Properties"

# What busctl says of a property that may change, can only be invalidated, never changes.
FLAGS = {"State": "emits-change", "EventSerial": "emits-invalidation", "InstanceId": "const"}


class ClientsOnPrivateSocket(Case):
    with_bus = False

    @classmethod
    def prepare(cls, world):
        world.define("web", "process", {"exec": ["sleep", "1000"]}, enabled=True,
                     labels={"tier": "front"})
        world.define("a.b-c@1:x", "oneshot", {"exec": ["true"], "remain_after_exit": True})
        world.define("broken", "process", {"exec": "sleep"})

    def setUp(self):
        self.svcmgr("-q", "start", "web")

    def busctl(self, *arguments, status=0):
        return self.tool("busctl", f"--address={self.address()}", *arguments, status=status)

    def dbus_send(self, path, method, *arguments, status=0):
        return self.tool("dbus-send", f"--bus={self.address()}", "--print-reply",
                         f"--dest={NAME}", path, method, *arguments, status=status)

    def stop_and_start(self):
        """The states that follow, as a monitor has to show them, from the end of the stop on."""
        self.svcmgr("-q", "stop", "web")
        self.svcmgr("-q", "start", "web")
        return ["inactive", "starting", "active"]

    # busctl

    def test_tree_of_all(self):
        """From the root, without being told where to look; ids are escaped, nothing is twice."""
        lines = self.busctl("--list", "tree", NAME).out.splitlines()
        ours = [line for line in lines if line.startswith(MANAGER)]
        self.assertEqual(ours, [MANAGER, SERVICES, SERVICES + "/a_2eb_2dc_401_3ax",
                                SERVICES + "/broken", WEB])

    def test_introspection_of_what_is_between(self):
        """The objects above can be asked too, and have nothing of ours but the Manager."""
        for path in ("/", "/org", SERVICES):
            self.assertNotIn("org.svcmgr1.", self.busctl("introspect", NAME, path).out)
        self.assertIn("org.freedesktop.DBus.ObjectManager",
                      self.busctl("introspect", NAME, MANAGER).out)
        result = self.busctl("introspect", NAME, WEB + "x", status=1)
        self.assertIn(f"Unknown object '{WEB}x'", result.err)

    def test_flags_of_properties(self):
        out = self.busctl("introspect", NAME, WEB).out + self.busctl("introspect", NAME,
                                                                      MANAGER).out
        for name, flag in FLAGS.items():
            self.assertRegex(out, rf"(?m)^\.{name} +property .* {flag}$")
        self.assertNotIn("writable", out)

    def test_introspection_of_a_broken_definition(self):
        out = self.busctl("-l", "introspect", NAME, SERVICES + "/broken").out
        self.assertRegex(out, r'(?m)^\.Error +property +s +".*broken\.json: config\.exec: ')
        self.assertRegex(out, r'(?m)^\.ErrorName +property +s +"org\.svcmgr1\.Error\.')

    def test_set_property_is_refused(self):
        for name, message in (("State", "not writable"), ("Nope", "Unknown")):
            result = self.busctl("set-property", NAME, WEB, INTERFACE, name, "s", "inactive",
                                 status=1)
            self.assertIn(message, result.err)
        self.assertEqual(self.state("web"), "active")

    def test_json(self):
        for mode in ("short", "pretty"):
            out = self.busctl(f"--json={mode}", "get-property", NAME, WEB, INTERFACE, "Labels").out
            self.assertEqual(json.loads(out), {"type": "a{ss}", "data": {"tier": "front"}})
        record = json.loads(self.busctl("--json=short", "call", NAME, WEB, INTERFACE,
                                        "GetState").out)
        self.assertEqual(record["type"], "a{sv}")
        self.assertEqual(record["data"][0]["State"], {"type": "s", "data": "active"})
        self.assertEqual(record["data"][0]["LastTransition"]["data"]["to"]["data"], "active")

    def test_descriptor(self):
        """Both show that there is one; what is in it, their own shell cannot read."""
        broken = SERVICES + "/broken"
        out = self.busctl("call", NAME, broken, INTERFACE, "GetFailureReport").out
        self.assertRegex(out, r"^h \d+\n$")
        out = self.tool("gdbus", "call", "--address", self.address(), "--dest", NAME,
                        "--object-path", broken, "--method", INTERFACE + ".GetFailureReport").out
        self.assertIn("handle 0", out)

    def test_status(self):
        self.assertIn(f"PID={self.world.daemon_process.pid}\n", self.busctl("status", NAME).out)

    def test_busctl_monitor(self):
        if not self.with_bus:
            result = self.busctl("monitor", NAME, status=1)
            self.assertIn("not possible on the private socket", result.err)
            return
        monitor = self.follow("busctl", f"--address={self.address()}", "--json=short", "monitor",
                              f"--match=type='signal',path='{WEB}'")
        monitor.until("Monitoring bus message stream.")
        expected, seen = ["stopping", *self.stop_and_start()], []
        while len(seen) < len(expected):
            interface, changed, _ = json.loads(monitor.line())["payload"]["data"]
            if interface == INTERFACE and "State" in changed:
                seen.append(changed["State"]["data"])
        self.assertEqual(seen, expected)

    # dbus-send

    def test_dbus_send_get(self):
        out = self.dbus_send(WEB, PROPERTIES + ".Get", f"string:{INTERFACE}", "string:State").out
        self.assertRegex(out, r'variant +string "active"\n')
        out = self.dbus_send(WEB, PROPERTIES + ".GetAll", f"string:{INTERFACE}").out
        for name, value in (("Kind", 'string "process"'), ("Active", "boolean true"),
                            ("FailedAttempts", "uint32 0"), ("NextAttemptTime", "uint64 0")):
            self.assertRegex(out, rf'string "{name}"\n +variant +{re.escape(value)}\n')
        out = self.dbus_send(MANAGER, PROPERTIES + ".GetAll", f"string:{NAME}.Manager").out
        self.assertNotIn("EventSerial", out, "it is to be asked for by name")

    def test_dbus_send_call(self):
        out = self.dbus_send(WEB, f"{INTERFACE}.Restart").out
        self.assertRegex(out, r'(?m)^   string "stopping"\n   uint64 \d+$')
        self.svcmgr("-q", "wait", "web")
        result = self.dbus_send(WEB, f"{INTERFACE}.Start", status=1)
        self.assertEqual(result.err, "Error org.svcmgr1.Error.AlreadyStarted: "
                         "service 'web' is already started (active)\n")
        result = self.dbus_send(WEB, f"{INTERFACE}.Configure", "int32:1", status=1)
        self.assertIn("Error org.freedesktop.DBus.Error.InvalidArgs: ", result.err)
        result = self.dbus_send(WEB, f"{INTERFACE}.Dance", status=1)
        self.assertIn("Error org.freedesktop.DBus.Error.UnknownMethod: ", result.err)

    def test_dbus_send_introspect(self):
        out = self.dbus_send(WEB, "org.freedesktop.DBus.Introspectable.Introspect").out
        self.assertIn('<interface name="org.svcmgr1.Process">', out)
        out = self.dbus_send(SERVICES, "org.freedesktop.DBus.Introspectable.Introspect").out
        self.assertIn('<node name="web"/>', out)

    def test_dbus_send_without_hello(self):
        """Peer to peer, as without any bus."""
        if self.with_bus:
            self.skipTest("a bus wants a Hello first")
        out = self.tool("dbus-send", f"--peer={self.address()}", "--print-reply", WEB,
                        PROPERTIES + ".Get", f"string:{INTERFACE}", "string:State").out
        self.assertRegex(out, r'variant +string "active"\n')

    # monitors

    def test_dbus_monitor(self):
        monitor = self.follow("dbus-monitor", "--address", self.address(),
                              f"type='signal',interface='{NAME}.Manager',member='Event'")
        if self.with_bus:
            monitor.until("member=NameLost")
        else:
            monitor.until("Falling back to eavesdropping")
            self.until_it_listens(monitor)
        for state in self.stop_and_start():
            while self.next_target(monitor) != state:
                pass

    @staticmethod
    def next_target(monitor):
        monitor.until('string "to"')
        return re.fullmatch(r' +variant +string "(\w+)"', monitor.line())[1]

    def until_it_listens(self, monitor):
        """It does not say so: until it shows what happens. A restart is never inactive."""
        while not monitor.has_line(0.1):
            self.svcmgr("-q", "restart", "web")

    def test_gdbus_monitor(self):
        for more in ((), ("--object-path", WEB)):
            monitor = self.follow("gdbus", "monitor", "--address", self.address(), "--dest", NAME,
                                  *more)
            monitor.until(f"The name {NAME} is owned by :1.")  # only then it subscribes
            self.until_it_listens(monitor)
            for state in self.stop_and_start():
                line = monitor.until(f"'State': <'{state}'>")[-1]
                self.assertTrue(line.startswith(f"{WEB}: {PROPERTIES}.PropertiesChanged "), line)

    def test_gdbus_recursion(self):
        out = self.tool("gdbus", "introspect", "--address", self.address(), "--dest", NAME,
                        "--object-path", "/", "--recurse").out
        self.assertEqual(out.count(f"node {WEB} {{"), 1)
        self.assertIn("readonly a{ss} Labels = {'tier': 'front'};", out)
        self.assertIn("readonly t EventSerial;", out)

    def test_gdbus_wait(self):
        self.tool("gdbus", "wait", "--address", self.address(), "--timeout", "10", NAME)


class ClientsOnBus(ClientsOnPrivateSocket):
    with_bus = True

    def test_gdbus_wait_and_monitor_over_a_restart(self):
        """Who waits is woken when the daemon comes; who watches hears that it went and came."""
        monitor = self.follow("gdbus", "monitor", "--address", self.address(), "--dest", NAME)
        monitor.until("is owned by :1.")
        self.world.stop_daemon()
        monitor.until(f"The name {NAME} does not have an owner")
        waiter = self.follow("gdbus", "wait", "--address", self.address(), "--timeout", "30", NAME)
        self.world.start_daemon()
        monitor.until(f"The name {NAME} is owned by :1.")
        self.assertEqual(waiter.process.wait(30), 0)


if __name__ == "__main__":
    unittest.main()
