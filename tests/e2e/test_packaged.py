# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon as its unit file starts it, on a bus that allows nobody anything unless a file of the
bus's configuration says so, as the system bus does."""

import configparser
import os
import pathlib
import unittest

import harness
from harness import SECONDS_MAX, SVCMGR, SVCMGRD, World

DATA = pathlib.Path(__file__).resolve().parents[2] / "data"
POLICY = DATA / "org.svcmgr1.conf"
NOBODY = 65534
DIRECTORIES = {"Configuration": "etc", "State": "var/lib", "Logs": "var/log", "Runtime": "run"}

STRICT_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path={directory}/bus</listen>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_sender="*"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  %s
</busconfig>
"""


def unit(name):
    """The section [Service] of a unit file."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read(DATA / name)
    return parser["Service"]


@unittest.skipUnless(os.getuid() == 0, "the system's daemon is root's")
class Packaged(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.end)
        self.world.directory.chmod(0o711)  # others are to reach the bus
        self.service = unit("svcmgrd.service.in")

    def start_bus(self, included):
        plain, harness.BUS_CONFIG = harness.BUS_CONFIG, STRICT_BUS % included
        try:
            self.world.start_bus()
        finally:
            harness.BUS_CONFIG = plain

    def environment(self):
        """The directories are those that the unit names."""
        made = {"DBUS_SYSTEM_BUS_ADDRESS": self.world.bus}
        for name, parent in DIRECTORIES.items():
            directory = self.world.directory / parent / self.service[f"{name}Directory"]
            directory.mkdir(parents=True)
            mode = self.service.get(f"{name}DirectoryMode", "0755")
            directory.chmod(int(mode, 8))
            made[f"{name.upper()}_DIRECTORY"] = str(directory)
        return {**self.world.environment(), **made}

    def command(self, member):
        return [word.replace("@sbindir@/svcmgrd", SVCMGRD).replace("@bindir@/svcmgr", SVCMGR)
                for word in self.service[member].split()]

    def start_daemon(self, environment):
        command = self.command("ExecStart")
        log = open(self.world.log, "ab")
        self.addCleanup(log.close)
        self.world.daemon_process = harness.spawn(command, harness.signal.SIGTERM, env=environment,
                                                  stdout=log, stderr=log)

    def ask(self, environment, command, uid=None):
        return self.world.run(command=command, environment=environment, uid=uid)

    def test_on_a_strict_bus(self):
        self.start_bus(f"<include>{POLICY}</include>")
        environment = self.environment()
        definitions = self.world.directory / "etc" / "svcmgr" / "services"
        definitions.mkdir()
        (definitions / "nap.json").write_text('{"kind": "oneshot", "config": {"exec": ["true"]}}')
        self.start_daemon(environment)
        waited = self.ask(environment, ["gdbus", "wait", "--address", self.world.bus, "--timeout",
                                        str(SECONDS_MAX), "org.svcmgr1"])
        self.assertEqual(waited.status, 0, self.world.log.read_text())

        listed = self.ask(environment, [SVCMGR, "--system", "list"], uid=NOBODY)
        self.assertIn("nap", listed.out, listed)
        refused = self.ask(environment, [SVCMGR, "--system", "start", "nap"], uid=NOBODY)
        self.assertEqual(refused.status, 5, refused)
        started = self.ask(environment, [SVCMGR, "start", "nap"])
        self.assertEqual(started.status, 0, started)
        (definitions / "nap.json").unlink()
        reloaded = self.ask(environment, self.command("ExecReload"))
        self.assertRegex(reloaded.out, "removed: 1 +nap", reloaded)

        inside = self.world.directory
        self.assertTrue((inside / "var/lib/svcmgr/svcmgr.db").exists())
        self.assertTrue((inside / "run/svcmgr/private").exists())
        self.assertEqual(self.world.stop_daemon(), 0, self.world.log.read_text())

    def test_without_the_policy(self):
        """Else the test above would show nothing of it."""
        self.start_bus("")
        self.start_daemon(self.environment())
        status = self.world.daemon_process.wait(SECONDS_MAX)
        self.world.daemon_process = None
        self.assertEqual(status, 1)
        self.assertIn("cannot take the name org.svcmgr1", self.world.log.read_text())

    def test_exit_status_of_a_mistake(self):
        """Is not tried again by systemd."""
        environment = self.environment()
        (self.world.directory / "etc" / "svcmgr" / "svcmgrd.json").write_text("{")
        self.start_daemon(environment)
        status = self.world.daemon_process.wait(SECONDS_MAX)
        self.world.daemon_process = None
        self.assertEqual(str(status), self.service["RestartPreventExitStatus"])


if __name__ == "__main__":
    unittest.main()
