# SPDX-License-Identifier: LGPL-2.1-or-later
"""busctl and gdbus, as they come, on the private socket and on a bus."""

import json
import os
import socket
import unittest

from harness import Case

NAME = "org.svcmgr1"
MANAGER = "/org/svcmgr1"
WEB = "/org/svcmgr1/service/web"
INTERFACE = "org.svcmgr1.Service"


class StockOnPrivateSocket(Case):
    with_bus = False

    @classmethod
    def prepare(cls, world):
        world.define("web", "process", {"exec": ["sleep", "1000"]}, enabled=True)

    def setUp(self):
        self.svcmgr("-q", "start", "web")

    def busctl(self, *arguments, status=0):
        return self.tool("busctl", f"--address={self.address()}", *arguments, status=status)

    def gdbus(self, verb, *arguments, status=0):
        return self.tool("gdbus", verb, "--address", self.address(), "--dest", NAME, *arguments,
                         status=status)

    def test_who_may_be_asked(self):
        """The flag of D-Bus that lets the other side ask for a password, as busctl monitor sees it."""
        if not self.with_bus:
            self.skipTest("nobody else can listen on the private socket")
        monitor = self.follow("busctl", f"--address={self.address()}", "--json=short", "monitor",
                              "--match=type='method_call',member='Restart'")
        monitor.until("Monitoring bus message stream.")
        for options, allowed in (((), True), (("--no-ask-password",), False)):
            self.svcmgr(*options, "restart", "web")
            self.assertEqual(bool(json.loads(monitor.line())["flags"] & 4), allowed)

    def test_busctl_list(self):
        self.assertIn(NAME, self.busctl("list", "--no-pager").out)

    def test_busctl_tree(self):
        self.assertIn(WEB, self.busctl("--list", "tree", NAME).out.splitlines())

    def test_busctl_introspect(self):
        out = self.busctl("introspect", NAME, WEB).out
        self.assertRegex(out, r"(?m)^\.Start +method +- +st ")
        self.assertRegex(out, r'(?m)^\.State +property +s +"active" ')
        self.assertRegex(out, r"(?m)^\.MainPID +property +u ")
        self.assertRegex(self.busctl("introspect", NAME, MANAGER).out,
                         r"(?m)^\.Event +signal +ttssa\{sv\} ")

    def test_busctl_call(self):
        self.assertRegex(self.busctl("call", NAME, WEB, INTERFACE, "Restart").out,
                         r'^st "stopping" \d+\n$')
        self.assertRegex(self.busctl("call", NAME, WEB, INTERFACE, "Wait", "a{sv}", "1", "until",
                                     "s", "active").out, r'^st "active" \d+\n$')
        result = self.busctl("call", NAME, WEB, INTERFACE, "Start", status=1)
        self.assertIn("already", result.err)
        self.busctl("call", NAME, WEB + "x", INTERFACE, "Start", status=1)

    def test_busctl_get_property(self):
        self.assertEqual(self.busctl("get-property", NAME, WEB, INTERFACE, "State", "Kind").out,
                         's "active"\ns "process"\n')

    def test_gdbus_introspect(self):
        out = self.gdbus("introspect", "--object-path", WEB).out
        self.assertIn("interface org.svcmgr1.Service {", out)
        self.assertIn("readonly s State = 'active';", out)

    def test_gdbus_call(self):
        out = self.gdbus("call", "--object-path", MANAGER, "--method",
                         "org.svcmgr1.Manager.GetService", "web").out
        self.assertEqual(out, f"(objectpath '{WEB}',)\n")
        result = self.gdbus("call", "--object-path", MANAGER, "--method",
                            "org.svcmgr1.Manager.GetService", "nope", status=1)
        self.assertIn("org.svcmgr1.Error.NotFound", result.err)
        out = self.gdbus("call", "--object-path", MANAGER, "--method",
                         "org.freedesktop.DBus.ObjectManager.GetManagedObjects").out
        self.assertIn(f"objectpath '{WEB}'", out)


    def test_authentication_and_hello_in_one_go(self):
        """As GDBus does when it is quick: BEGIN and Hello come in one piece."""

        def field(code, kind, text):
            data = bytes([code, 1]) + kind + b"\0" + len(text).to_bytes(4, "little") + text + b"\0"
            return data + b"\0" * (-len(data) % 8)

        def call():
            name = b"org.freedesktop.DBus"
            fields = (field(1, b"o", b"/org/freedesktop/DBus") + field(2, b"s", name)
                      + field(6, b"s", name) + field(3, b"s", b"Hello"))
            fields = fields.rstrip(b"\0") + b"\0"  # the last one is not padded within its length
            head = (b"l\1\0\1" + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")
                    + len(fields).to_bytes(4, "little"))
            return head + fields + b"\0" * (-len(fields) % 8)

        uid = str(os.getuid()).encode().hex().encode()
        with socket.socket(socket.AF_UNIX) as peer:
            path = self.world.private_socket if not self.with_bus else self.world.bus_socket
            peer.connect(str(path))
            peer.settimeout(10)
            peer.sendall(b"\0AUTH EXTERNAL " + uid + b"\r\n")
            self.assertTrue(peer.recv(4096).startswith(b"OK "))
            peer.sendall(b"BEGIN\r\n" + call())
            self.assertRegex(peer.recv(65536), rb":1\.\d+\0")


class StockOnBus(StockOnPrivateSocket):
    with_bus = True


if __name__ == "__main__":
    unittest.main()
