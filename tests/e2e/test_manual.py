# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every example of the manual is one: the daemon takes the definitions, patches and config files in it, the
examples that are installed too; and what is shown on the command line works."""

import json
import pathlib
import re
import shlex
import signal
import subprocess
import unittest

import harness
from harness import SECONDS_MAX, SVCMGR, SVCMGRD, World

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = ROOT / "data" / "man"


def literals(page):
    """Each text between .Bd -literal and .Ed, with what stands before it."""
    text = (PAGES / page).read_text()
    found = re.findall(r"(?ms)((?:^[^\n]*\n){1,2})^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", text)
    return [(before, literal.replace(r"\e", "\\")) for before, literal in found]


class Manual(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.end)

    def svcmgr(self, *arguments, **more):
        return self.world.run(*arguments, address=self.world.private, **more)

    def assert_all_good(self, n_files):
        """Of that many files with definitions and patches in the directory of services."""
        self.assertEqual(len(list(self.world.services.rglob("*.json"))), n_files)
        self.world.start_daemon(with_bus=False)
        listed = json.loads(self.svcmgr("--json=short", "list").out)
        failed = {service["Id"]: service["Error"] for service in listed if service["State"] == "failed"}
        self.assertEqual(failed, {})
        self.assertGreater(len(listed), 1)

    def test_definitions(self):
        examples = literals("svcmgr-service.5")
        for before, literal in examples:
            name, = re.findall(r"(?m)^\.Pa /\w+/(?:lib/)?svcmgr/services/(\S+\.json) :$", before)
            file = self.world.services / name
            file.parent.mkdir(exist_ok=True)
            document = json.loads(literal)
            document.pop("enabled", None)  # nothing is to run here
            file.write_text(json.dumps(document))
        self.assert_all_good(len(examples))
        self.assertIn("8081", self.svcmgr("config", "web").out)

    def test_installed_examples(self):
        examples = list((ROOT / "data" / "examples").glob("*.json"))
        for example in examples:
            document = json.loads(example.read_text())
            (self.world.services / example.name).write_text(json.dumps({**document, "enabled": False}))
        self.assert_all_good(len(examples))

    def test_ticker(self):
        """The example that says all that can be said: its reload, and that its watchdog bounds what it reads."""
        document = json.loads((ROOT / "data" / "examples" / "ticker.json").read_text())
        config = {**document["config"], "exec": ["python3", str(ROOT / "data" / "examples" / "ticker.py")],
                  "environment": {"TICKER_FILE": str(self.world.directory / "ticker")}}
        self.world.define("ticker", "process", config)
        self.world.start_daemon(with_bus=False)
        self.assertEqual(self.svcmgr("start", "ticker").status, 0)
        main_pid = self.svcmgr("show", "ticker", "MainPID").out
        for written, said in ("12", "ticks every 12 s"), ("60", "ticks every 15 s"):
            self.world.file("ticker", written)
            done = self.svcmgr("reload", "ticker")
            self.assertEqual(done.status, 0, done)
            self.assertIn(said, self.svcmgr("show", "ticker", "StatusText").out)
        self.assertEqual(self.svcmgr("show", "ticker", "MainPID").out, main_pid)
        self.assertEqual(self.svcmgr("stop", "ticker").status, 0)

    def test_config_files(self):
        texts = [literal for _, literal in literals("svcmgrd.json.5")]
        texts.append((ROOT / "data" / "svcmgrd.json").read_text())
        self.assertEqual(len(texts), 2)
        for text in texts:
            file = self.world.file("svcmgrd.json", text)
            done = self.world.run(command=[SVCMGRD, "--user", f"--config={file}", "--print-config"])
            self.assertEqual(done.status, 0, done)
            shown = json.loads(done.out)
            for member in set(json.loads(text)) - {"$comment"}:
                self.assertIn(member, shown)

    def commands(self, page):
        """The lines of a page's only example, its folder exchanged for our own."""
        (_, literal), = literals(page)
        text = literal.replace("/tmp/demo", str(self.world.directory / "demo")).replace("\\\n", " ")
        return text.splitlines()

    def test_commands_of_svcmgr(self):
        self.world.start_daemon(with_bus=False)
        shell = f"svcmgr() {{ {shlex.quote(SVCMGR)} --address={shlex.quote(self.world.private)} \"$@\"; }}\n"
        done = self.world.run(command=["sh", "-ec", shell + "\n".join(self.commands("svcmgr.1"))])
        self.assertEqual(done.status, 0, done)
        self.assertIn("nap: created, active", done.out)
        self.assertIn("db   start  inactive  required by web\n", done.out)
        self.assertIn("web    active\n└─ db  active\ndb      active\n└─ web  active\n", done.out)
        self.assertEqual(json.loads(self.svcmgr("--json=short", "list").out), [])

    def test_daemon_without_a_bus(self):
        prepare, serve, ask = self.commands("svcmgrd.8")
        self.assertEqual(self.world.run(command=["sh", "-ec", prepare]).status, 0)
        words = shlex.split(serve)
        self.assertEqual((words[0], words[-1]), ("svcmgrd", "&"))
        with open(self.world.log, "ab") as log:
            self.world.daemon_process = harness.spawn([SVCMGRD, *words[1:-1]], signal.SIGTERM,
                                                      env=self.world.environment(), stdout=log,
                                                      stderr=subprocess.PIPE, text=True)
        with self.world.daemon_process.stderr as lines:
            while ": ready: " not in lines.readline():
                self.assertIsNone(self.world.daemon_process.poll())
            done = self.world.run(command=[SVCMGR, *shlex.split(ask)[1:]])
            self.assertEqual(done.status, 0, done)
            self.assertEqual(self.world.stop_daemon(), 0)


if __name__ == "__main__":
    unittest.main()
