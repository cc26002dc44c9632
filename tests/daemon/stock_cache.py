#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a stock library's client knows of the daemon, kept by signals alone.

stock_cache.py LIBRARY ADDRESS FD: attaches, and speaks lines on the socket FD: "ready", or "skip"
and why. For each line that it is sent it asks for GetManagedObjects and says "same", with how many
objects and properties, or what differs. It ends when the socket is closed."""

import socket
import sys

NAME = "org.svcmgr1"
ROOT = "/org/svcmgr1"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
PROPERTIES = "org.freedesktop.DBus.Properties"


class GioCache:
    """Gio.DBusObjectManagerClient, which caches by itself."""

    def __init__(self, address):
        from gi.repository import Gio
        flags = (Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
                 | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION)
        self.connection = Gio.DBusConnection.new_for_address_sync(address, flags, None, None)
        self.manager = Gio.DBusObjectManagerClient.new_sync(
            self.connection, Gio.DBusObjectManagerClientFlags.DO_NOT_AUTO_START, NAME, ROOT, None,
            None, None)

    def known(self):
        return {item.get_object_path(): {
            proxy.get_interface_name(): {name: proxy.get_cached_property(name).unpack()
                                         for name in proxy.get_cached_property_names() or ()}
            for proxy in item.get_interfaces()} for item in self.manager.get_objects()}

    def ask(self, answer):
        """Signals and replies come to the main loop in the order of the bus."""
        def on_reply(connection, result):
            answer(connection.call_finish(result).unpack()[0])

        from gi.repository import Gio
        self.connection.call(NAME, ROOT, OBJECT_MANAGER, "GetManagedObjects", None, None,
                             Gio.DBusCallFlags.NONE, -1, None, on_reply)


class DbusCache:
    """python3-dbus, with a cache made of its signal receivers."""

    def __init__(self, address):
        import dbus.bus
        import dbus.mainloop.glib
        loop = dbus.mainloop.glib.DBusGMainLoop()
        self.objects = {}
        self.bus = dbus.bus.BusConnection(address, mainloop=loop)
        self.bus.add_signal_receiver(self.on_added, "InterfacesAdded", OBJECT_MANAGER, NAME)
        self.bus.add_signal_receiver(self.on_removed, "InterfacesRemoved", OBJECT_MANAGER, NAME)
        self.bus.add_signal_receiver(self.on_changed, "PropertiesChanged", PROPERTIES, NAME,
                                     path_keyword="path")
        manager = self.bus.get_object(NAME, ROOT, introspect=False)
        self.objects.update(manager.GetManagedObjects(dbus_interface=OBJECT_MANAGER))

    def on_added(self, path, interfaces):
        self.objects.setdefault(path, {}).update(interfaces)

    def on_removed(self, path, interfaces):
        for interface in interfaces:
            del self.objects[path][interface]
        if not self.objects[path]:
            del self.objects[path]

    def on_changed(self, interface, changed, _invalidated, path):
        if path != ROOT:
            self.objects[path][interface].update(changed)

    def known(self):
        return self.objects

    def ask(self, answer):
        def on_error(error):
            raise error

        manager = self.bus.get_object(NAME, ROOT, introspect=False)
        manager.GetManagedObjects(dbus_interface=OBJECT_MANAGER, reply_handler=answer,
                                  error_handler=on_error)


LIBRARIES = {"gio": GioCache, "dbus": DbusCache}


def difference(known, real):
    """The first one, as a text; None: there is none."""
    for what, a, b in (("known and gone", known, real), ("there and not known", real, known)):
        for path in a:
            if path not in b:
                return f"{path}: {what}"
    for path, interfaces in real.items():
        if interfaces.keys() != known[path].keys():
            return f"{path}: {sorted(known[path])} instead of {sorted(interfaces)}"
        for interface, values in interfaces.items():
            if dict(values) != dict(known[path][interface]):
                return f"{path}: {interface}: {known[path][interface]} instead of {values}"
    return None


def verdict(known, real):
    found = difference(known, real)
    if found is not None:
        return f"different: {found}"
    count = sum(len(values) for item in real.values() for values in item.values())
    return f"same: {len(real)} objects, {count} properties"


def main():
    library, address, number = sys.argv[1:]
    with socket.socket(fileno=int(number)) as peer:
        try:
            from gi.repository import GLib
            cache = LIBRARIES[library](address)
        except ImportError as error:
            peer.sendall(f"skip: {error}\n".encode())
            return

        loop = GLib.MainLoop()

        def on_request(_source, _condition):
            if not peer.recv(4096):
                loop.quit()
                return False
            cache.ask(lambda real: peer.sendall((verdict(cache.known(), real) + "\n").encode()))
            return True

        GLib.io_add_watch(peer.fileno(), GLib.PRIORITY_DEFAULT, GLib.IO_IN, on_request)
        peer.sendall(b"ready\n")
        loop.run()


if __name__ == "__main__":
    main()
