# SPDX-License-Identifier: LGPL-2.1-or-later
"""export and import: services as definition files, which read back to the same."""

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

    def test_what_is_broken_is_not_exported(self):
        world = World()
        self.addCleanup(world.end)
        (world.services / "bad.json").write_text("{")
        world.define("wrong", "process", {"exec": 1, "nope": 1})
        world.start_daemon(with_bus=False)
        for name, message in (("bad", r"'bad': .*bad\.json: line 1, column 1: "),
                              ("wrong", r"'wrong': 2 mistakes:\n  .*wrong\.json: config\.exec: ")):
            result = world.run("export", name, address=world.private)
            self.assertEqual((result.status, result.out), (1, ""))
            self.assertRegex(result.err, f"^svcmgr: cannot export {message}")

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


class ImportOnBus(Case):
    """Each test has ids of its own, and deletes what it made."""

    def setUp(self):
        self.folder = self.world.directory / self.id().replace(".", "-")
        self.folder.mkdir()

    def file(self, name, content):
        path = self.folder / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    def forget(self, *names):
        self.addCleanup(self.svcmgr, "-q", "delete", "--allow-missing", *names)

    def test_files(self):
        self.forget("full", "bare")
        config = '{ "exec":["sleep", "1000"],\n  "$comment": "ü \\u00e9 {\\" "}'
        text = ('{"labels": {"a": "}", "$comment": 1}, "k\\u0069nd": "process",\n'
                f'"description": "\\"config\\": {{", "config" :{config} }}')
        full = self.file("full.json", text)
        bare = self.file("bare.json", {"kind": "oneshot"})
        self.assertEqual(self.svcmgr("import", full, bare).out, "full: created\nbare: created\n")
        self.assertEqual(self.svcmgr("config", "full").out, config)
        shown = self.json("show", "full")
        self.assertEqual((shown["Kind"], shown["Labels"], shown["Description"], shown["State"]),
                         ("process", {"a": "}"}, '"config": {', "inactive"))
        self.assertEqual(self.json("show", "bare")["ConfigRevision"], 0)

    def test_folder(self):
        self.forget("x", "y")
        for name in ("y.json", "x.json", ".z.json", "notes.txt"):
            self.file(name, {"kind": "process", "config": SLEEPER})
        self.assertEqual(self.json("import", str(self.folder)), [{"Id": "x"}, {"Id": "y"}])

    def test_one_mistake_hurts_no_other(self):
        self.forget("good")
        bad = '{"knd": 1, "enabled": 2, "labels": {"a": 1}, "config": []}'
        paths = [self.file("bad.json", bad),
                 self.file("worse.json", "{"), self.file("name.txt", "{}"),
                 self.file("wrong.json", {"kind": "process", "config": {"exec": 1}}),
                 self.file("good.json", {"kind": "process"}), "/no/such.json"]
        result = self.svcmgr("import", *paths, status=1)
        self.assertEqual(result.out, "good: created\n")
        lines = [line.replace(f"{self.folder}/", "") for line in result.err.splitlines()]
        self.assertEqual(lines[0], "svcmgr: cannot import 'bad.json': 5 mistakes:")
        self.assertEqual({line.split(":")[0] for line in lines[1:6]},
                         {"  knd", "  kind", "  enabled", "  labels.a", "  config"})
        self.assertRegex(lines[6], r"^svcmgr: cannot import 'worse.json': line 1, column \d+: ")
        self.assertEqual(lines[7], "svcmgr: cannot import 'name.txt': its name is not ID.json")
        self.assertRegex(lines[8], r"^svcmgr: cannot import 'wrong': exec: ")
        self.assertRegex(lines[9], r"^svcmgr: cannot read the definition: .*/no/such.json: No ")
        self.assertEqual(len(lines), 10)

    def test_what_is_there_stays(self):
        self.create("there", "process", SLEEPER)
        path = self.file("there.json", {"kind": "oneshot"})
        self.fails(1, "cannot import 'there': there is a service 'there' already (see: svcmgr "
                      "status there)", "import", path)
        self.assertEqual(self.json("show", "there")["Kind"], "process")

    def test_undoes_export(self):
        text = '{ "exec": [ "sleep", "7" ] }'
        self.svcmgr("create", "odd", "process", "-", "-l", "x=1", "-d", "Odd", stdin=text)
        self.forget("odd")
        before = self.svcmgr("export", "odd").out
        self.svcmgr("export", "odd", "-o", str(self.folder))
        self.svcmgr("delete", "odd")
        self.svcmgr("import", str(self.folder))
        self.assertEqual(self.svcmgr("export", "odd").out, before)


class ExportOnPrivateSocket(ExportOnBus):
    with_bus = False


if __name__ == "__main__":
    unittest.main()
