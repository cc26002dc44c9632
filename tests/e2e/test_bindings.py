# SPDX-License-Identifier: LGPL-2.1-or-later
"""The D-Bus libraries that programs use, unchanged: python3-dbus (libdbus) and Gio (GDBus), with
their proxies, caches and object manager. Each on a bus and on the private socket."""

import json
import os
import unittest

from harness import SECONDS_MAX, Case

try:
    import gi
    gi.require_version("Gio", "2.0")
    from gi.repository import Gio, GLib
except (ImportError, ValueError):
    Gio = None

try:
    import dbus
    import dbus.bus
    import dbus.mainloop.glib
except ImportError:
    dbus = None

NAME = "org.svcmgr1"
MANAGER = "/org/svcmgr1"
SERVICES = "/org/svcmgr1/service/"
WEB = SERVICES + "web"
SERVICE = "org.svcmgr1.Service"
PROCESS = "org.svcmgr1.Process"
PROPERTIES = "org.freedesktop.DBus.Properties"
ERROR = "org.svcmgr1.Error."


class BindingsCase(Case):
    """Over the main loop of GLib, which both have."""

    with_bus = False

    @classmethod
    def prepare(cls, world):
        world.define("web", "process", {"exec": ["sleep", "1000"]}, enabled=True,
                     labels={"tier": "front"})
        world.define("a.b-c@1:x", "oneshot", {"exec": ["true"], "remain_after_exit": True})

    def setUp(self):
        if Gio is None:
            self.skipTest("python3-gi or gir1.2-glib-2.0 is not installed")
        self.svcmgr("-q", "start", "web")

    def until(self, condition):
        """Runs the main loop until it holds."""
        late = []

        def on_late():
            late.append(True)
            return GLib.SOURCE_CONTINUE

        source = GLib.timeout_add_seconds(SECONDS_MAX, on_late)
        while not condition() and not late:
            GLib.MainContext.default().iteration(True)
        GLib.source_remove(source)
        self.assertTrue(condition(), "it has not come")

    def restart(self):
        self.svcmgr("-q", "restart", "web")

    def prepare_failure(self):
        self.svcmgr("create", "fails", "oneshot", "-",
                    stdin='{"exec": ["sh", "-c", "echo why; exit 3"], "restart": {"policy": "no"}}')
        self.addCleanup(self.svcmgr, "delete", "fails")
        self.svcmgr("start", "fails", status=1)

    def check_report(self, descriptor):
        """Takes the descriptor."""
        with os.fdopen(descriptor, "rb") as file:
            report = json.load(file)
        self.assertEqual(report["service"], "fails")
        self.assertEqual(report["failure"]["exit"], {"code": 3})
        self.assertEqual([(line["text"], line["invocation"]) for line in report["last_lines"]],
                         [("why", report["run"]["invocation_id"])])


class PythonDbusOnPrivateSocket(BindingsCase):
    """It reads the introspection, and converts arguments by what it says."""

    def setUp(self):
        super().setUp()
        if dbus is None:
            self.skipTest("python3-dbus is not installed")
        loop = dbus.mainloop.glib.DBusGMainLoop()
        self.bus = dbus.bus.BusConnection(self.address(), mainloop=loop)
        self.addCleanup(self.bus.close)

    def interface(self, path, interface):
        return dbus.Interface(self.bus.get_object(NAME, path), interface)

    def refused(self, name, function, *arguments):
        with self.assertRaises(dbus.DBusException) as caught:
            function(*arguments)
        self.assertEqual(caught.exception.get_dbus_name(), name)
        return caught.exception.get_dbus_message()

    def test_calls(self):
        web = self.interface(WEB, SERVICE)
        state, serial = web.Restart()
        self.assertEqual((state, type(serial)), ("stopping", dbus.UInt64))
        self.assertEqual(web.Wait({"until": "active"})[0], "active")
        manager = self.interface(MANAGER, "org.svcmgr1.Manager")
        pid = int(self.interface(WEB, PROPERTIES).Get(PROCESS, "MainPID"))
        # Without introspection these would be an int32, and an empty container of unknown type.
        self.assertEqual(manager.GetServiceByPID(pid), WEB)
        path = manager.CreateService("made", "oneshot", '{"exec": ["true"]}', {})
        self.assertEqual(path, SERVICES + "made")
        manager.DeleteService("made", {})

    def test_descriptor(self):
        self.prepare_failure()
        self.check_report(self.interface(SERVICES + "fails", SERVICE).GetFailureReport().take())

    def test_properties(self):
        web = self.interface(WEB, PROPERTIES)
        everything = web.GetAll(SERVICE)
        for name, value in (("State", dbus.String("active")), ("Active", dbus.Boolean(True)),
                            ("FailedAttempts", dbus.UInt32(0)), ("ConfigRevision", dbus.UInt64(1)),
                            ("Error", dbus.String(""))):
            self.assertEqual((type(everything[name]), everything[name]), (type(value), value))
        self.assertEqual(everything["Labels"], {"tier": "front"})
        self.assertEqual(everything["Labels"].signature, "ss")
        self.assertEqual(everything["LastTransition"].signature, "sv")
        self.refused("org.freedesktop.DBus.Error.PropertyReadOnly", web.Set, SERVICE, "State", "x")
        self.refused("org.freedesktop.DBus.Error.UnknownInterface", web.GetAll, "org.x.Nope")

    def test_errors(self):
        web = self.interface(WEB, SERVICE)
        manager = self.interface(MANAGER, "org.svcmgr1.Manager")
        self.assertIn("'web'", self.refused(ERROR + "AlreadyStarted", web.Start))
        self.refused(ERROR + "InvalidConfig", web.Configure, '{"exec": 1}')
        self.refused(ERROR + "NotFound", manager.GetService, "nope")
        self.refused(ERROR + "IdExists", manager.CreateService, "web", "process", "", {})
        self.refused("org.freedesktop.DBus.Error.InvalidArgs", web.Wait, {"untli": "active"})
        gone = self.bus.get_object(NAME, SERVICES + "nope", introspect=False)
        self.refused("org.freedesktop.DBus.Error.UnknownObject",
                     gone.get_dbus_method("Start", SERVICE))

    def test_signals(self):
        states, events = [], []

        def on_changed(interface, changed, invalidated, path):
            if interface == SERVICE and path == WEB and "State" in changed:
                states.append(str(changed["State"]))

        def on_event(serial, time, kind, service, data):
            events.append((int(serial), str(service), str(data.get("to", "")) or str(kind)))

        self.bus.add_signal_receiver(on_changed, "PropertiesChanged", PROPERTIES,
                                     bus_name=NAME, path_keyword="path")
        self.interface(MANAGER, "org.svcmgr1.Manager").connect_to_signal("Event", on_event)
        self.restart()
        self.until(lambda: "active" in states and events and events[-1][2] == "active")
        self.assertEqual([what for _, _, what in events if what.startswith("Process")],
                         ["ProcessEnd", "ProcessStart"])
        self.assertEqual(states, ["stopping", "starting", "active"])
        first = events[0][0]
        self.assertEqual([serial for serial, _, _ in events],
                         list(range(first, first + len(events))))

    def test_answer_that_comes_later(self):
        """An asynchronous Wait, and what is asked meanwhile."""
        answers = []
        web = self.interface(WEB, SERVICE)
        serial = web.GetState()["StateSerial"]
        web.Wait({"after_serial": serial, "until": "active"}, error_handler=answers.append,
                 reply_handler=lambda *answer: answers.append(answer))
        self.assertEqual(web.GetState()["State"], "active")
        self.assertEqual(answers, [])
        web.Restart()
        self.until(lambda: answers)
        self.assertEqual(answers[0][0], "active")
        self.assertGreater(answers[0][1], serial)


class PythonDbusOnBus(PythonDbusOnPrivateSocket):
    with_bus = True


class GioOnPrivateSocket(BindingsCase):
    def setUp(self):
        super().setUp()
        flags = (Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
                 | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION)
        self.connection = Gio.DBusConnection.new_for_address_sync(self.address(), flags, None, None)
        self.connection.set_exit_on_close(False)
        self.addCleanup(self.connection.close_sync, None)

    def proxy(self, path, interface, flags=Gio and Gio.DBusProxyFlags.NONE):
        return Gio.DBusProxy.new_sync(self.connection, flags, None, NAME, path, interface, None)

    def manager_client(self):
        return Gio.DBusObjectManagerClient.new_sync(
            self.connection, Gio.DBusObjectManagerClientFlags.NONE, NAME, MANAGER, None, None, None)

    @staticmethod
    def cached(proxy, name):
        value = proxy.get_cached_property(name)
        return None if value is None else value.unpack()

    def test_cached_properties(self):
        """What the cache holds after the signals is what the daemon says when asked."""
        web, process = self.proxy(WEB, SERVICE), self.proxy(WEB, PROCESS)
        pid = self.cached(process, "MainPID")
        states = []
        web.connect("g-properties-changed", lambda proxy, changed, invalidated: states.append(
            changed.unpack().get("State")))
        self.assertEqual(self.cached(web, "State"), "active")
        self.assertEqual(self.cached(web, "Labels"), {"tier": "front"})
        self.restart()
        self.until(lambda: states and states[-1] == "active")
        self.assertEqual([state for state in states if state], ["stopping", "starting", "active"])
        self.assertNotIn(self.cached(process, "MainPID"), (0, pid))
        for proxy in (web, process):
            told = self.connection.call_sync(
                NAME, WEB, PROPERTIES, "GetAll",
                GLib.Variant("(s)", (proxy.get_interface_name(),)), None, 0, -1, None).unpack()[0]
            self.assertEqual({name: self.cached(proxy, name) for name in told}, told)
            self.assertEqual(sorted(proxy.get_cached_property_names()), sorted(told))

    def test_descriptor(self):
        self.prepare_failure()
        answer, descriptors = self.connection.call_with_unix_fd_list_sync(
            NAME, SERVICES + "fails", SERVICE, "GetFailureReport", None, None, 0, -1, None, None)
        self.check_report(descriptors.get(answer.unpack()[0]))

    def test_property_that_is_only_invalidated(self):
        """Not read unless asked for; a proxy that wants it anew gets it."""
        lazy = self.proxy(MANAGER, "org.svcmgr1.Manager")
        self.assertIsNone(self.cached(lazy, "EventSerial"))
        eager = self.proxy(MANAGER, "org.svcmgr1.Manager",
                           Gio.DBusProxyFlags.GET_INVALIDATED_PROPERTIES)
        self.restart()
        last = self.json("show", "web", "StateSerial")["StateSerial"]
        self.until(lambda: self.cached(eager, "EventSerial") == last)
        self.assertIsNone(self.cached(lazy, "EventSerial"))

    def test_errors(self):
        with self.assertRaises(GLib.Error) as caught:
            self.proxy(WEB, SERVICE).call_sync("Start", None, 0, -1, None)
        self.assertEqual(Gio.DBusError.get_remote_error(caught.exception), ERROR + "AlreadyStarted")
        with self.assertRaises(GLib.Error) as caught:
            self.proxy(WEB, SERVICE).call_sync("Start", GLib.Variant("(s)", ("x",)), 0, -1, None)
        self.assertEqual(Gio.DBusError.get_remote_error(caught.exception),
                         "org.freedesktop.DBus.Error.InvalidArgs")

    def test_object_manager(self):
        """Objects come whole, change, and go."""
        client = self.manager_client()
        self.assertTrue(client.get_name_owner())
        paths = sorted(item.get_object_path() for item in client.get_objects())
        self.assertEqual(paths, [SERVICES + "a_2eb_2dc_401_3ax", WEB])
        self.assertEqual(self.cached(client.get_interface(WEB, SERVICE), "Id"), "web")

        added, removed = [], []
        client.connect("object-added", lambda _, item: added.append(
            {i.get_interface_name(): self.cached(i, "Id") for i in item.get_interfaces()
             if i.get_interface_name().startswith(NAME)}))  # beside the standard ones
        client.connect("object-removed", lambda _, item: removed.append(item.get_object_path()))
        self.create("new", "process", {"exec": ["sleep", "1000"]}, "--start")
        self.until(lambda: added)
        self.assertEqual(added, [{SERVICE: "new", PROCESS: None}])
        new = client.get_interface(SERVICES + "new", SERVICE)
        self.until(lambda: self.cached(new, "State") == "active")
        process = client.get_interface(SERVICES + "new", PROCESS)
        self.assertEqual(self.cached(process, "MainPID"), self.json("show", "new")["MainPID"])
        self.svcmgr("-q", "delete", "new")
        self.until(lambda: removed)
        self.assertEqual(removed, [SERVICES + "new"])
        self.assertIsNone(client.get_object(SERVICES + "new"))
        self.assertEqual(len(added), 1)

    def test_object_manager_follows_everything(self):
        """After much coming and going its cache is what a new one reads."""
        client = self.manager_client()
        for i in range(10):
            self.create(f"n{i}", "oneshot", {"exec": ["true"]}, "--start")
            if i % 2:
                self.svcmgr("-q", "delete", f"n{i}")
        self.restart()
        self.create("last", "oneshot", {"exec": ["true"]})
        self.until(lambda: client.get_object(SERVICES + "last") is not None
                   and all(self.cached(client.get_interface(f"{SERVICES}n{i}", SERVICE), "State")
                           == "inactive" for i in range(0, 10, 2)))
        self.assertEqual(self.contents(client), self.contents(self.manager_client()))

    def contents(self, client):
        return {(item.get_object_path(), proxy.get_interface_name()):
                {name: self.cached(proxy, name) for name in proxy.get_cached_property_names()}
                for item in client.get_objects() for proxy in item.get_interfaces()}


class GioOnBus(GioOnPrivateSocket):
    with_bus = True

    def test_daemon_comes_back(self):
        """The object manager empties when the daemon goes, and fills when it is there again."""
        client = self.manager_client()
        self.world.stop_daemon()
        self.until(lambda: client.get_name_owner() is None)
        self.assertEqual(client.get_objects(), [])
        self.world.start_daemon()
        self.until(lambda: len(client.get_objects()) == 2)
        web = client.get_interface(WEB, SERVICE)
        self.until(lambda: self.cached(web, "State") == "active")


del BindingsCase

if __name__ == "__main__":
    unittest.main()
