# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is typed wrong, help, the ways to the daemon, and what happens when there is none."""

import os
import re
import subprocess
import unittest

from harness import SVCMGR, Case, World

COMMANDS = ("list status show kinds schema tree graph start stop restart reload enable disable "
            "signal reset-failed create configure config delete export import validate watch "
            "events wait logs failure-report is-active is-failed daemon-reload version help").split()


class Usage(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.end)

    def fails(self, message, *arguments):
        result = self.world.run(*arguments)
        self.assertEqual((result.status, result.out), (2, ""), result)
        self.assertEqual(result.err.count("\n"), 1)
        self.assertRegex(result.err, message)

    def test_mistakes(self):
        self.fails(r"^svcmgr: name a command")
        self.fails(r"unknown command 'strat'; did you mean 'start'\?", "strat", "web")
        self.fails(r"unknown command 'frobnicate' \(see: svcmgr help\)", "frobnicate")
        self.fails(r"list: Unknown option --color \(see: svcmgr help list\)", "list", "--color")
        self.fails(r"Unknown option --color", "--color", "list")
        self.fails(r"start: too few arguments; usage: svcmgr start ID", "start")
        self.fails(r"kinds: too many arguments", "kinds", "x")
        self.fails(r"signal: too few arguments", "signal", "web")
        self.fails(r"--json must be pretty, short or lines, not 'xml'", "--json=xml", "list")
        self.fails(r"--timeout: expected a duration", "--timeout=soon", "start", "web")
        self.fails(r"--timeout must be more than 0", "--timeout=0", "start", "web")
        self.fails(r"only one of --system, --user and --address", "--system", "--user", "list")
        self.fails(r"no command 'nope'", "help", "nope")
        self.fails(r"enable: too few arguments", "enable", "--now")
        self.fails(r"export: --force needs --output", "export", "web", "--force")
        self.fails(r"import: too few arguments", "import")
        self.fails(r"daemon-reload: too many arguments", "daemon-reload", "web")
        self.fails(r"config: only one of --list and --revision", "config", "a", "--list", "-r", "1")
        self.fails(r"config: --revision must be a number from 1, not '0'", "config", "a", "-r", "0")
        self.fails(r"create: only one of --enable and --no-persist: what is not kept cannot start "
                   r"with svcmgrd", "create", "a", "process", "--enable", "--no-persist")
        self.fails(r"unknown command 'a\\x1b\[31m", "a\033[31mb")

    def test_arguments_that_are_no_text(self):
        result = subprocess.run([SVCMGR, "start", b"\xff"], capture_output=True, check=False,
                                env=self.world.environment())
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stderr, b"svcmgr: argument 2 is not UTF-8\n")

    def test_help_names_every_command(self):
        for arguments in (("help",), ("--help",), ("-h",)):
            result = self.world.run(*arguments)
            self.assertEqual((result.status, result.err), (0, ""))
            listed = re.findall(r"(?m)^  ([a-z][a-z-]+) ", result.out)
            self.assertEqual(listed, COMMANDS)
            self.assertLessEqual(max(map(len, result.out.splitlines())), 80)

    def test_help_of_each_command(self):
        for command in COMMANDS:
            result = self.world.run("help", command)
            self.assertEqual(result.status, 0)
            self.assertTrue(result.out.startswith(f"Usage: svcmgr [OPTION...] {command}"))
            self.assertRegex(result.out, rf"\nExample:\n  svcmgr .*{command}")
            self.assertEqual(self.world.run(command, "--help").out, result.out)

    def test_no_daemon(self):
        nowhere = f"unix:path={self.world.directory}/nowhere"
        for arguments in (("list",), ("status",), ("start", "web"), ("watch",), ("delete", "web"),
                          ("create", "a", "process"), ("is-active", "web"), ("wait", "web"),
                          ("events",), ("logs", "a"), ("failure-report", "a"), ("config", "a"),
                          ("reset-failed",), ("reset-failed", "a")):
            result = self.world.run(*arguments, address=nowhere)
            self.assertEqual((result.status, result.out), (7, ""), f"{arguments}: {result}")
            self.assertRegex(result.err, r"^svcmgr: cannot reach svcmgrd: .*nowhere: No such file "
                                         r"or directory \(is it running\?\)\n$")
        result = self.world.run("version", address=nowhere)
        self.assertEqual(result.status, 7)
        self.assertRegex(result.out, r"^svcmgr \d")

    def test_bus_without_a_daemon(self):
        self.world.start_bus()
        for arguments in (("list",), ("start", "web"), ("watch",), ("is-active", "web")):
            result = self.world.run(*arguments, address=self.world.bus)
            self.assertEqual((result.status, result.out), (7, ""), f"{arguments}: {result}")
            self.assertRegex(result.err, r"^svcmgr: cannot .*: svcmgrd does not run on this bus\n$")


class Ways(Case):
    """Without --address: the bus for whom it is, else the private socket."""

    @property
    def own_bus(self):
        return "DBUS_SYSTEM_BUS_ADDRESS" if os.geteuid() == 0 else "DBUS_SESSION_BUS_ADDRESS"

    def works(self, *arguments, environment):
        result = self.world.run(*arguments, "version", environment=environment)
        self.assertEqual(result.status, 0, result)
        self.assertIn("svcmgrd ", result.out)

    def test_own_bus(self):
        self.works(environment={self.own_bus: self.world.bus})

    def test_options(self):
        self.works("--system", environment={"DBUS_SYSTEM_BUS_ADDRESS": self.world.bus})
        self.works("--user", environment={"DBUS_SESSION_BUS_ADDRESS": self.world.bus})
        self.works("--address", self.world.private, environment={})
        self.works("--address", str(self.world.private_socket), environment={})
        nowhere = f"unix:path={self.world.directory}/nowhere"
        for option in ("--system", "--user"):
            result = self.world.run(option, "version", environment={
                "DBUS_SYSTEM_BUS_ADDRESS": nowhere, "DBUS_SESSION_BUS_ADDRESS": nowhere})
            self.assertEqual(result.status, 7)

    @unittest.skipIf(os.geteuid() == 0, "root's private socket is not in a temporary directory")
    def test_private_socket_when_there_is_no_bus(self):
        (self.world.directory / "svcmgr").symlink_to(self.world.private_socket.parent)
        self.works(environment={self.own_bus: f"unix:path={self.world.directory}/nowhere"})

    def test_a_full_disk_is_no_success(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            result = subprocess.run([SVCMGR, f"--address={self.world.bus}", "kinds"], stdout=full,
                                    stderr=subprocess.PIPE, text=True, check=False,
                                    env=self.world.environment())
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr, "svcmgr: cannot write: No space left on device\n")


if __name__ == "__main__":
    unittest.main()
