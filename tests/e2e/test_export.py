# SPDX-License-Identifier: LGPL-2.1-or-later
"""export: services as definition files, which read back to the same."""

import json
import unittest

from harness import Case, World

SLEEPER = {"exec": ["sleep", "1000"]}


class ExportOnBus(Case):
    @classmethod
    def prepare(cls, world):
        world.define("web", "process", SLEEPER, enabled=True, description='The "first"\n→ one',
                     labels={"tier": "front", "a b": ""})
        world.define("job", "oneshot", {"exec": ["true"]})

    def setUp(self):
        self.out = self.world.directory / self.id().replace(".", "-")
        self.out.mkdir()

    def written(self):
        return sorted(path.name for path in self.out.iterdir())

    def test_one_to_standard_output(self):
        text = self.svcmgr("export", "web").out
        self.assertEqual(json.loads(text), {
            "kind": "process", "enabled": True, "description": 'The "first"\n→ one',
            "labels": {"tier": "front", "a b": ""}, "config": SLEEPER})
        self.assertEqual(self.json("export", "web"), [{"Id": "web", "Definition": text}])

    def test_several_to_files(self):
        out = self.svcmgr("export", "web", "j*", "--output", str(self.out)).out
        self.assertEqual(out, f"web: written to {self.out}/web.json\n"
                              f"job: written to {self.out}/job.json\n")
        self.assertEqual(self.written(), ["job.json", "web.json"])
        self.assertEqual((self.out / "web.json").read_text(), self.svcmgr("export", "web").out)
        self.assertEqual((self.out / "web.json").stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.json("export", "web", "-f", "-o", str(self.out)),
                         [{"Id": "web", "Path": f"{self.out}/web.json"}])

    def test_replaces_nothing_unasked(self):
        path = self.out / "web.json"
        path.write_text("mine")
        result = self.svcmgr("export", "web", "job", "-o", str(self.out), status=1)
        self.assertEqual(result.err, f"svcmgr: cannot export 'web': {path} is there already (to "
                                     "replace it: --force)\n")
        self.assertEqual(path.read_text(), "mine")
        self.assertEqual(self.written(), ["job.json", "web.json"])
        self.svcmgr("export", "web", "-o", str(self.out), "--force")
        self.assertEqual(json.loads(path.read_text())["kind"], "process")
        self.assertEqual(self.written(), ["job.json", "web.json"])

    def test_leaves_no_half(self):
        (self.out / "web.json").mkdir()
        self.svcmgr("export", "web", "-o", str(self.out), "--force", status=1)
        self.assertEqual(self.written(), ["web.json"])

    def test_refused(self):
        self.fails(4, "cannot export 'nope': no such service (see: svcmgr list)", "export", "nope")
        self.fails(2, "export: several services need --output=DIR", "export", "*")
        self.fails(1, "cannot export 'web': /no/such: No such file or directory",
                   "export", "web", "-o", "/no/such")
        self.assertEqual(self.svcmgr("export", "nope", "web", "-o", str(self.out), status=4).out,
                         f"web: written to {self.out}/web.json\n")

    def test_reads_back_to_the_same(self):
        config = '{ "exec" : ["sleep",\t"1000"] ,\n "$comment": "kept"}'
        self.svcmgr("create", "odd", "process", "-", "--label", "x=ü", stdin=config)
        self.addCleanup(self.svcmgr, "-q", "delete", "odd")
        self.svcmgr("create", "bare", "process")
        self.addCleanup(self.svcmgr, "-q", "delete", "bare")
        other = World()
        self.addCleanup(other.end)
        self.svcmgr("export", "*", "-o", str(other.services))
        other.start_daemon(with_bus=False)
        for name in ("web", "job", "odd", "bare"):
            for command in ("config", "export"):
                self.assertEqual(other.run(command, name, address=other.private).out,
                                 self.svcmgr(command, name).out)
        self.assertEqual(self.svcmgr("config", "odd").out, config)


class ExportOnPrivateSocket(ExportOnBus):
    with_bus = False


if __name__ == "__main__":
    unittest.main()
