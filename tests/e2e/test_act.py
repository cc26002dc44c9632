# SPDX-License-Identifier: LGPL-2.1-or-later
"""start, stop, restart, reload, signal, reset-failed, wait: the outcome is waited for, said in one
line, and in the exit status."""

import json
import os
import shutil
import unittest

from harness import SVCMGR, Case

SLEEPER = {"exec": ["sleep", "1000"]}
NO_SUCH = {"exec": ["/no/such"], "restart": {"policy": "no"}}


# It becomes ready, and reloads whenever something is written to its argument.
ITSELF = """
import os, socket, sys
daemon = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
daemon.connect(os.environ["NOTIFY_SOCKET"])
daemon.send(b"READY=1")
while True:
    with open(sys.argv[1], encoding="utf-8") as gate:
        gate.read()
    daemon.send(b"RELOADING=1")
    daemon.send(b"READY=1")
"""


class ActOnBus(Case):
    @classmethod
    def prepare(cls, world):
        world.define("web", "process", SLEEPER)
        world.define("worker-1", "process", SLEEPER)
        world.define("worker-2", "process", SLEEPER)
        world.define("broken", "process", NO_SUCH)
        world.define("retrying", "process",
                     {"exec": ["/no/such"], "restart": {"initial_delay": "1h", "max_delay": "1h"}})
        world.define("job", "oneshot", {"exec": ["true"]})
        world.define("slow", "oneshot", {"exec": ["sleep", "1000"]})
        world.define("unready", "process", {"exec": ["sleep", "1000"], "readiness": "notify"})
        world.define("reloads", "process",
                     {"exec": ["sleep", "1000"],
                      "reload_exec": ["sh", "-c", f"exit $(cat {world.directory}/reload-status)"]})
        world.define("exits", "oneshot", {"exec": ["sh", "-c", "exit 3"],
                                          "restart": {"policy": "no"}})

    def setUp(self):
        self.svcmgr("-q", "stop", "*")
        self.svcmgr("-q", "reset-failed")

    def test_start_and_stop(self):
        self.assertEqual(self.svcmgr("start", "web").out, "web: active\n")
        self.assertEqual(self.state("web"), "active")
        self.assertEqual(self.svcmgr("start", "web").out, "web is already active\n")
        self.assertEqual(self.svcmgr("stop", "web").out, "web: inactive\n")
        self.assertEqual(self.state("web"), "inactive")
        self.assertEqual(self.svcmgr("stop", "web").out, "web is already stopped\n")

    def test_strict(self):
        self.svcmgr("start", "web")
        self.assertRegex(self.svcmgr("--strict", "start", "web", status=1).err,
                         r"^svcmgr: cannot start 'web': .*already.*\n$")
        self.svcmgr("stop", "web")
        self.assertRegex(self.svcmgr("stop", "--strict", "web", status=1).err,
                         r"^svcmgr: cannot stop 'web': .*already.*\n$")

    @unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
    def test_not_authorised(self):
        """Everybody may look, nobody else may act."""
        self.world.directory.chmod(0o711)
        stranger = {"uid": 65534, "command": [self.copy_of_svcmgr(), f"--address={self.address()}"]}
        self.assertEqual(self.svcmgr("is-active", "web", status=3, **stranger).out, "inactive\n")
        result = self.svcmgr("start", "web", status=5, **stranger)
        self.assertRegex(result.err, r"^svcmgr: cannot start 'web': .*not allowed.*uid 65534.*\n$")
        self.svcmgr("config", "web", status=5, **stranger)
        self.svcmgr("delete", "web", status=5, **stranger)
        self.assertEqual(self.state("web"), "inactive")

    def copy_of_svcmgr(self):
        """Where everybody can execute it: the build may be in root's own folder."""
        copy = self.world.directory / "svcmgr"
        shutil.copy(SVCMGR, copy)
        copy.chmod(0o755)
        return str(copy)

    def test_progress(self):
        """While there is something to wait for, a terminal shows it, and is clean afterwards."""
        status, text = self.world.run_on_terminal("start", "unready", "--timeout=1s",
                                                  address=self.address())
        self.assertEqual(status, 6)
        self.assertIn("\r\033[Kwaiting 0s for unready", text)
        self.assertRegex(text.split("\r\033[K")[-1], r"^svcmgr: cannot start 'unready': ")
        self.svcmgr("-q", "stop", "unready")

    def test_several_and_patterns(self):
        out = self.svcmgr("start", "web", "worker-*", "worker-1").out
        self.assertEqual(sorted(out.splitlines()),
                         ["web: active", "worker-1: active", "worker-2: active"])
        result = self.svcmgr("stop", "web", "nope", "worker-1", status=4)
        self.assertEqual(sorted(result.out.splitlines()), ["web: inactive", "worker-1: inactive"])
        self.assertEqual(result.err,
                         "svcmgr: cannot stop 'nope': no such service (see: svcmgr list)\n")
        self.fails(4, "no service matches 'nope-*' (see: svcmgr list)", "start", "nope-*", "web")
        self.assertEqual(self.state("web"), "inactive")

    def test_no_such_service(self):
        for verb in ("start", "stop", "restart", "reload", "reset-failed"):
            result = self.svcmgr(verb, "nope", status=4)
            self.assertRegex(result.err, r"^svcmgr: cannot \w+ 'nope': no such service \(see: ")
        self.svcmgr("start", "../../etc", status=4)
        self.svcmgr("start", "", status=4)

    def test_start_reports_why_it_fails(self):
        result = self.svcmgr("start", "broken", status=1)
        self.assertEqual(result.out, "")
        self.assertEqual(result.err, "svcmgr: cannot start 'broken': cannot execute '/no/such': No "
                                     "such file or directory (see: svcmgr status broken)\n")
        self.assertEqual(self.state("broken"), "failed")
        result = self.svcmgr("start", "exits", status=1)
        self.assertRegex(result.err, r"^svcmgr: cannot start 'exits': .* 3 \(see: ")

    def test_start_of_what_is_tried_again(self):
        for _ in range(2):  # the second time it is AlreadyStarted, and no better
            result = self.svcmgr("start", "retrying", status=1)
            self.assertRegex(result.err, r"^svcmgr: cannot start 'retrying': .*/no/such.* \(next "
                                         r"attempt in (1h|\d+min( \d+s)?); see: svcmgr status ")
        self.assertEqual(self.state("retrying"), "backoff")

    def test_start_of_a_oneshot(self):
        out = self.svcmgr("start", "job").out
        self.assertRegex(out, r"^job: (active|inactive \(exited\))\n$")
        self.svcmgr("wait", "job", "--until", "inactive")
        self.assertEqual(self.state("job"), "inactive")

    def test_no_wait(self):
        self.assertEqual(self.svcmgr("--no-wait", "start", "unready").out, "unready: starting\n")
        self.assertEqual(self.svcmgr("start", "--no-wait", "unready").out,
                         "unready is already starting\n")
        self.svcmgr("--no-wait", "start", "broken")

    def test_timeout(self):
        """A slow machine has to have connected, and asked, by then."""
        self.fails(6, "cannot start 'slow': service 'slow' was not settled within 1s; it is "
                      "starting (see: svcmgr status slow)", "--timeout", "1s", "start", "slow")
        self.assertEqual(self.state("slow"), "starting")
        self.svcmgr("wait", "slow", "--timeout=1s", status=6)
        self.svcmgr("wait", "web", "--until", "active", "--timeout=1s", status=6)

    def test_stop_joins_a_stop_under_way(self):
        """The program tells when it listens to SIGTERM, and ends when it is told that it may."""
        ready, gate = (self.world.directory / name for name in ("ready", "gate"))
        os.mkfifo(ready)
        os.mkfifo(gate)
        self.addCleanup(ready.unlink)
        self.addCleanup(gate.unlink)
        patient = f"trap 'read line <{gate}; exit 0' TERM; echo >{ready}; sleep 1000 & wait"
        self.create("patient", "process", {"exec": ["sh", "-c", patient], "stop_mode": "main"})
        self.svcmgr("start", "patient")
        ready.read_text()
        self.assertEqual(self.svcmgr("--no-wait", "stop", "patient").out, "patient: stopping\n")
        self.svcmgr("--timeout=1s", "stop", "patient", status=6)
        self.assertRegex(self.svcmgr("--strict", "stop", "patient", status=1).err, "stopping")
        gate.write_text("\n")
        self.svcmgr("wait", "patient", "--until", "inactive")

    def test_restart(self):
        self.assertEqual(self.svcmgr("restart", "web").out, "web: active\n")
        first = self.json("show", "web", "MainPID")["MainPID"]
        self.assertEqual(self.svcmgr("restart", "web").out, "web: active\n")
        self.assertNotEqual(self.json("show", "web", "MainPID")["MainPID"], first)
        self.svcmgr("restart", "broken", status=1)

    def test_reload(self):
        """Without a stop; one that fails is told, and the next one that succeeds forgets it."""
        exits = self.world.directory / "reload-status"
        exits.write_text("0")
        self.svcmgr("start", "reloads")
        pid = self.json("show", "reloads", "MainPID")
        self.assertEqual(self.svcmgr("reload", "reload*").out, "reloads: active\n")
        exits.write_text("3")
        result = self.svcmgr("reload", "reloads", status=1)
        self.assertEqual(result.out, "")
        self.assertRegex(result.err, r"^svcmgr: cannot reload 'reloads': .*3 \(it still is active; "
                                     r"see: svcmgr status reloads\)\n$")
        self.assertRegex(self.svcmgr("status", "reloads").out,
                         r" State: active \(running\) .*\n +Error: .*3 \(exit-code\)\n(.*\n)*"
                         r" Last change: reloading → active: reload failed; .* ago\n")
        self.assertEqual(self.svcmgr("--no-wait", "reload", "reloads").out, "reloads: reloading\n")
        self.svcmgr("wait", "reloads")
        self.assertIn("3", self.json("reload", "reloads", status=1)[0]["Error"])
        exits.write_text("0")
        self.assertEqual(self.json("reload", "reloads")[0]["State"], "active")
        self.assertEqual(self.json("show", "reloads", "Error"), {"Error": ""})
        self.assertEqual(self.json("show", "reloads", "MainPID"), pid)
        events = self.svcmgr("events", "reloads").out
        self.assertRegex(events, r" active → reloading +Reload by \S+ \(svcmgr, pid \d+\)\n"
                                 r"(.*\n)*.* reloading → active +applied\n")
        self.assertRegex(events, r" reloading → active +reload failed: .*3\n")

    def test_reload_by_itself(self):
        """It says so, and when it is done; nobody has asked."""
        gate = self.world.directory / "gate-of-itself"
        os.mkfifo(gate)
        self.addCleanup(gate.unlink)
        self.create("itself", "process", {"exec": ["/usr/bin/python3", "-c", ITSELF, str(gate)],
                                          "readiness": "notify"})
        self.svcmgr("start", "itself")
        serial = self.json("show", "itself", "StateSerial")["StateSerial"]
        gate.write_text("")
        self.svcmgr("--timeout=20s", "wait", "itself", "--until=active", f"--after-serial={serial}")
        self.assertRegex(self.svcmgr("events", "itself").out,
                         r" active → reloading +by itself\n.* reloading → active +applied\n")

    def test_reload_not_supported(self):
        self.svcmgr("start", "web")
        self.fails(1, "cannot reload 'web': service 'web' has neither reload_signal nor "
                      "reload_exec in its configuration; restart it instead", "reload", "web")
        self.fails(1, "cannot reload 'job': service 'job' is not active; only what is active can "
                      "reload", "reload", "job")
        failed = self.json("reload", "web", status=1)[0]
        self.assertEqual(failed["ErrorName"], "org.svcmgr1.Error.NotSupported")
        self.assertEqual(self.state("web"), "active")

    def test_signal(self):
        self.svcmgr("start", "web")
        self.assertEqual(self.svcmgr("signal", "web", "CONT").out, "web: sent SIGCONT\n")
        self.assertEqual(self.svcmgr("signal", "18", "web", "--whom=all").out,
                         "web: sent SIGCONT\n")
        self.svcmgr("signal", "web", "KILL")
        self.svcmgr("wait", "web", "--until", "settled")
        self.svcmgr("signal", "web", "NONSENSE", status=2)
        self.svcmgr("signal", "web", "TERM", "--whom=some", status=2)
        self.svcmgr("stop", "web")
        self.svcmgr("signal", "web", "TERM", status=1)

    def test_reset_failed(self):
        self.svcmgr("start", "broken", status=1)
        self.assertEqual(self.svcmgr("reset-failed", "broken").out, "broken: reset\n")
        self.assertEqual(self.state("broken"), "inactive")
        self.svcmgr("start", "broken", status=1)
        self.svcmgr("reset-failed")
        self.assertEqual(self.state("broken"), "inactive")

    def test_wait(self):
        self.svcmgr("start", "web")
        self.assertEqual(self.svcmgr("wait", "web", "--until", "ready").out, "web: active\n")
        self.svcmgr("start", "broken", status=1)
        self.assertEqual(self.svcmgr("wait", "broken").out, "broken: failed\n")
        result = self.svcmgr("wait", "broken", "--until=active", status=1)
        self.assertRegex(result.err, r"^svcmgr: cannot wait for 'broken': .*/no/such")
        serial = self.json("show", "web", "StateSerial")["StateSerial"]
        self.svcmgr("wait", "web", "--after-serial", str(serial), "--timeout=1s", status=6)
        self.svcmgr("wait", "web", "--after-serial", str(serial - 1))
        self.svcmgr("wait", "web", "--until", "noon", status=2)
        self.svcmgr("wait", "nope", status=4)

    def test_quiet(self):
        for arguments in (("start", "web"), ("start", "web"), ("restart", "web"), ("stop", "web"),
                          ("stop", "web")):
            self.assertEqual(self.svcmgr("-q", *arguments).out, "")

    def test_json(self):
        self.assertEqual(self.json("start", "web")[0]["State"], "active")
        results = {result["Id"]: result
                   for result in self.json("start", "web", "broken", "nope", status=1)}
        self.assertEqual(results["web"]["Changed"], False)
        self.assertIn("/no/such", results["broken"]["Error"])
        self.assertEqual(results["nope"]["ErrorName"], "org.svcmgr1.Error.NotFound")
        lines = self.svcmgr("--json=lines", "stop", "web", "broken").out.splitlines()
        self.assertEqual(sorted(json.loads(line)["Id"] for line in lines), ["broken", "web"])
        self.assertEqual(self.json("signal", "web", "TERM", status=1)[0]["Id"], "web")


class ActOnPrivateSocket(ActOnBus):
    with_bus = False


if __name__ == "__main__":
    unittest.main()
