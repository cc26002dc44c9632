# SPDX-License-Identifier: LGPL-2.1-or-later
"""Services that depend on each other, as small programs that say themselves when they begin, are
ready, are told to stop and end (tests/programs/step.c). What the daemon says of them counts for
nothing where order is at stake. Each test has a daemon of its own. Needs STEP in the environment."""

import json
import os
import select
import signal
import time

from harness import SECONDS_MAX, Case, World

STEP = os.environ["STEP"]

QUICKLY = {"initial_delay": "10ms", "min_delay": "10ms", "max_delay": "10ms"}
GIVES_UP = {"max_attempts": 1}
# Long enough that no test sees the next attempt by itself.
LATER = {"initial_delay": "1h", "max_delay": "1h"}


class Journal:
    """What the programs have said so far, in the order in which they have said it."""

    def __init__(self, path):
        self.path = str(path)
        os.mkfifo(path)
        # For both, so that programs may come and go.
        self.file = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self.lines = []  # (NAME, WHAT, microseconds)
        self.rest = ""

    def close(self):
        os.close(self.file)

    def _read(self, seconds):
        if not select.select([self.file], [], [], max(seconds, 0))[0]:
            return False
        *lines, self.rest = (self.rest + os.read(self.file, 65536).decode()).split("\n")
        for line in lines:
            name, what, usec = line.split(" ")
            self.lines.append((name, what, int(usec)))
        return True

    def said(self):
        """All of it: (NAME, WHAT)."""
        while self._read(0):
            pass
        return [line[:2] for line in self.lines]

    def wait(self, name, what, count=1):
        """Until it has been said so often."""
        end = time.monotonic() + SECONDS_MAX
        while self.count(name, what) < count:
            if not self._read(end - time.monotonic()):
                raise AssertionError(f"'{name} {what}' did not come; so far: {self.lines}")

    def count(self, name, what):
        return sum(line[:2] == (name, what) for line in self.lines)

    def names(self, what):
        """Who has said it, in order."""
        return [name for name, said in self.said() if said == what]

    def forget(self):
        self.said()
        self.lines = []


class Steps(Case):
    """Tests of services that are steps; options: of the daemon."""

    with_bus = True
    options = ()

    @classmethod
    def setUpClass(cls):
        """Nothing is shared."""

    @classmethod
    def tearDownClass(cls):
        """Nothing is shared."""

    def setUp(self):
        self.world = World()
        self.addCleanup(self.end)
        self.world.options = list(self.options)
        self.journal = Journal(self.world.directory / "journal")
        if self.with_bus:
            self.world.start_bus()
        self.begin()

    def begin(self):
        """Before the test: the daemon, unless it is to find definitions."""
        self.world.start_daemon(self.with_bus)

    def end(self):
        self.log = self.world.log.read_text() if self.world.log.exists() else ""
        status = self.world.end()
        self.journal.close()  # not before: who ends says so
        self.assertIn(status, (None, 0), "the end of svcmgrd")

    def run(self, result=None):
        """What the daemon has said stands below a failure."""
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            result.stream.writeln(f"--- log of svcmgrd\n{self.log}---")

    def config(self, name, *words, ready=0, kind="process", **config):
        """Of a step."""
        command = [STEP, self.journal.path, name, str(ready), *words]
        more = {"readiness": "notify"} if kind == "process" else {}
        if kind == "oneshot":
            command.append("oneshot")
        return {"exec": command, **more, **config}

    def make(self, name, *words, options=(), kind="process", **config):
        self.svcmgr("create", name, kind, "-", *options,
                    stdin=json.dumps(self.config(name, *words, kind=kind, **config)))

    def define(self, name, *words, enabled=True, **config):
        """In a file, for a daemon that starts later."""
        self.world.define(name, config.get("kind", "process"),
                          self.config(name, *words, **config), enabled=enabled)

    def start(self, *names, wait=True, status=0):
        return self.svcmgr(*([] if wait else ["--no-wait"]), "start", *names, status=status)

    def stop(self, *names, wait=True):
        return self.svcmgr(*([] if wait else ["--no-wait"]), "stop", *names)

    def wait_for(self, name, until="settled"):
        self.svcmgr("wait", name, f"--until={until}")

    def show(self, name):
        return self.json("show", name, "State", "SubState", "Error", "FailureClass", "MainPID",
                         "ConfigDigest", "ConfigRevision", "StateSerial")

    def look(self, name):
        record = self.show(name)
        return record["State"], record["SubState"]

    def wait_until_blocked(self, name, error):
        """From one settled state to the next."""
        record = self.show(name)
        while record["SubState"] != "blocked":
            self.svcmgr("wait", name, f"--after-serial={record['StateSerial']}")
            record = self.show(name)
        self.assert_blocked(name, error)

    def signal(self, name, signo):
        pid = self.show(name)["MainPID"]
        self.assertGreater(pid, 1, f"{name} does not run")
        os.kill(pid, signo)

    def let_go(self, name):
        """One that was held becomes ready."""
        self.signal(name, signal.SIGUSR1)

    def assert_said(self, *expected):
        """Exactly these since the last look, in this order: "NAME WHAT"."""
        self.assertEqual([" ".join(line) for line in self.journal.said()], list(expected))

    def assert_order(self, *expected):
        """Each of these was said, and the last time after the one before it."""
        said = [" ".join(line) for line in self.journal.said()]
        places = []
        for line in expected:
            self.assertIn(line, said)
            places.append(len(said) - 1 - said[::-1].index(line))
        self.assertEqual(places, sorted(places), said)

    def assert_blocked(self, name, error):
        record = self.show(name)
        self.assertEqual((record["State"], record["SubState"], record["FailureClass"]),
                         ("waiting", "blocked", "dependency"))
        self.assertRegex(record["Error"], error)
