# SPDX-License-Identifier: LGPL-2.1-or-later
"""Services that need each other, as svcmgr shows them: tree, graph, status, list; and what a start says that waits
for others."""

import re
import shutil
import unittest

from harness import Case

SLEEPER = {"exec": ["sleep", "1000"]}
UNREADY = {**SLEEPER, "readiness": "notify"}
FAILS = {"exec": ["sh", "-c", "exit 3"], "restart": {"policy": "no"}}


def parse_dot(text):
    """The statements of a graph in the DOT language: ({id: attributes}, [(from, to, attributes)])."""
    string = r'"((?:[^"\\]|\\.)*)"'
    pair = rf'([a-z]+)=(?:{string}|(\w+))'
    attributes = r'(?: \[((?:[a-z]+=(?:"(?:[^"\\]|\\.)*"|\w+)(?:, )?)+)\])?'
    head, *lines, foot, end = text.split("\n")
    if (head, foot, end) != ("digraph svcmgr {", "}", ""):
        raise AssertionError(f"no graph:\n{text}")
    nodes, edges = {}, []
    for line in lines:
        found = re.fullmatch(rf'    {string}(?: -> {string})?{attributes};', line)
        if found is None:
            if re.fullmatch(rf'    (?:rankdir=LR|(?:node|edge){attributes});', line) is None:
                raise AssertionError(f"no statement of DOT: {line}")
            continue
        own = {name: quoted or word for name, quoted, word in re.findall(pair, found[3] or "")}
        if found[2] is None:
            nodes[found[1]] = own
        else:
            edges.append((found[1], found[2], own))
    return nodes, edges


class Tree(Case):
    with_bus = False

    @classmethod
    def prepare(cls, world):
        world.define("disk", "oneshot", {"exec": ["true"]})
        world.define("db", "process", {**SLEEPER, "requires": ["disk"]})
        world.define("cache", "process", SLEEPER)
        world.define("web", "process", {**SLEEPER, "requires": ["db"], "wants": ["cache"], "after": ["cache"]})
        world.define("worker", "process", {**SLEEPER, "requires": ["nosuch"], "part_of": ["web"]})
        world.define("old", "process", {**SLEEPER, "conflicts": ["cache"]})
        world.define("slow", "process", UNREADY)
        world.define("late", "process", {**SLEEPER, "requires": ["slow"]})
        world.define("last", "process", {**SLEEPER, "after": ["late"]})
        world.define("broken", "oneshot", FAILS)
        world.define("hopeless", "process", {**SLEEPER, "requires": ["broken"]})
        world.define("ping", "process", {**SLEEPER, "wants": ["pong"]})
        world.define("pong", "process", {**SLEEPER, "wants": ["ping"]})
        world.define("alone", "process", SLEEPER)
        world.define("site", "group", {"members": ["web", "cache"]})
        for number in range(12):
            world.define(f"user-{number:02}@x:y", "process", {**SLEEPER, "requires": ["broken"]})

    def setUp(self):
        self.svcmgr("-q", "stop", "*")
        self.svcmgr("-q", "reset-failed")

    def test_tree(self):
        self.svcmgr("-q", "start", "web")
        self.assertEqual(self.svcmgr("tree", "web", "worker").out,
                         "web               active\n"
                         "├─ db             active\n"
                         "│  └─ disk        inactive (exited)\n"
                         "└─ cache (wants)  active\n"
                         "worker            inactive\n"
                         "├─ nosuch         missing\n"
                         "└─ web (part_of)  active\n")

    def test_tree_in_reverse(self):
        self.assertEqual(self.svcmgr("tree", "--reverse", "db").out,
                         "db                      inactive\n"
                         "└─ web                  inactive\n"
                         "   ├─ site (group)      inactive\n"
                         "   └─ worker (part_of)  inactive\n")
        self.assertEqual(self.svcmgr("tree", "-r", "nosuch").out,
                         "nosuch     missing\n"
                         "└─ worker  inactive\n")

    def test_tree_of_everything(self):
        """Each that has to do with others is in it, a cycle ends, and what was shown is not shown again."""
        out = self.svcmgr("tree").out
        for root in "hopeless", "late", "site", "worker", "ping":
            self.assertRegex(out, rf"(?m)^{root} ")
        self.assertRegex(out, r"(?m)^ping +inactive\n└─ pong \(wants\) +inactive\n   └─ ping \(wants\) +inactive, see above$")
        self.assertEqual(len(re.findall("─ disk ", out)), 1)
        self.assertRegex(out, r"\n\n3 more services need nobody, and nobody needs them \(see: svcmgr list\)\n$")
        self.assertNotIn("nobody", self.svcmgr("-q", "tree").out)
        self.assertRegex(self.svcmgr("tree", "--all").out, r"(?m)^last +inactive\n└─ late \(after\) +inactive")
        self.assertRegex(self.svcmgr("tree", "-a", "old").out, r"\n└─ cache \(conflicts\) +inactive\n$")

    def test_tree_shows_what_is_waited_for(self):
        self.svcmgr("--no-wait", "start", "late", "last")
        self.assertRegex(self.svcmgr("tree", "last").out,
                         r"^last +waiting for late\n└─ late \(after\) +waiting for slow\n$")

    def test_tree_as_json(self):
        web, = self.json("tree", "web")
        self.assertEqual((web["id"], web["relation"], web["kind"], web["state"]),
                         ("web", "", "process", "inactive"))
        db, cache = web["children"]
        self.assertEqual((db["relation"], cache["relation"]), ("requires", "wants"))
        self.assertEqual([child["id"] for child in db["children"]], ["disk"])

    def test_tree_on_a_terminal(self):
        self.svcmgr("-q", "start", "hopeless", status=1)
        status, text = self.world.run_on_terminal("tree", "hopeless", address=self.address(), columns=50)
        self.assertEqual(status, 0)
        self.assertIn("\033[33mwaiting\033[0m: requires 'broken', which has", text)
        for line in re.sub(r"\033\[\d*m", "", text).splitlines():
            self.assertLessEqual(len(line), 50)
        _, text = self.world.run_on_terminal("tree", "web", address=self.address(), environment={"LC_ALL": "C"})
        self.assertIn("|- db", text)
        self.assertIn("`- cache\033[2m (wants)\033[0m", text)

    def test_tree_of_nobody(self):
        for command in "tree", "graph":
            self.fails(4, "cannot show the dependencies of 'nope': no such service (see: svcmgr list)", command, "nope")
        self.fails(4, "no service matches 'nope-*' (see: svcmgr list)", "tree", "nope-*")

    def test_graph(self):
        self.svcmgr("-q", "start", "db")
        nodes, edges = parse_dot(self.svcmgr("graph").out)
        self.assertEqual(nodes["db"]["label"], r"db\nactive")
        self.assertEqual(nodes["nosuch"]["label"], r"nosuch\nmissing")
        self.assertEqual(nodes["site"]["shape"], "tab")
        self.assertIn("user-07@x:y", nodes)
        self.assertNotIn("alone", nodes)
        self.assertIn(("db", "disk", {}), edges)
        labels = {(a, b): own.get("label") for a, b, own in edges}
        self.assertEqual(labels["site", "web"], "member")
        self.assertEqual(labels["ping", "pong"], "wants")
        self.assertEqual(labels["worker", "web"], "part_of")
        self.assertEqual(labels["last", "late"], "after")
        self.assertIn("conflicts", {labels.get(("old", "cache")), labels.get(("cache", "old"))})
        for a, b in labels:
            self.assertLessEqual({a, b}, set(nodes))
        nodes, _ = parse_dot(self.svcmgr("graph", "db").out)
        self.assertEqual(set(nodes), {"db", "disk"})

    def test_graph_as_json(self):
        entries = {entry["id"]: entry for entry in self.json("graph", "web")}
        self.assertEqual(set(entries), {"web", "db", "disk", "cache"})
        self.assertEqual(entries["web"]["requires"], ["db"])
        self.assertNotIn("members", entries["web"])
        self.fails(2, "graph: only one of --svg and --json", "--json=short", "graph", "--svg")

    @unittest.skipUnless(shutil.which("dot"), "dot (graphviz) is not installed")
    def test_graph_is_what_graphviz_takes(self):
        done = self.world.run(command=["dot", "-Tplain"], stdin=self.svcmgr("graph").out)
        self.assertEqual((done.status, done.err), (0, ""))
        drawn = [line.split()[1].strip('"') for line in done.out.splitlines() if line.startswith("node ")]
        self.assertEqual(set(drawn), set(parse_dot(self.svcmgr("graph").out)[0]))
        svg = self.svcmgr("graph", "--svg", "web").out
        self.assertTrue(svg.startswith("<?xml") and svg.rstrip().endswith("</svg>"), svg)
        self.assertIn(">web<", svg)

    def test_no_graphviz(self):
        folder = self.world.directory / "no-programs"
        folder.mkdir()
        self.fails(1, "cannot draw: there is no program 'dot' (install the package graphviz, or use svcmgr graph "
                      "without --svg)", "graph", "--svg", "web", environment={"PATH": str(folder)})
        (folder / "dot").write_text("#!/bin/sh\nexit 3\n")
        (folder / "dot").chmod(0o755)
        self.fails(1, "dot has failed, with exit status 3", "graph", "--svg", environment={"PATH": str(folder)})

    def test_status(self):
        self.svcmgr("-q", "start", "web")
        self.svcmgr("-q", "start", "hopeless", status=1)
        out = self.svcmgr("status", "web").out
        self.assertIn("\n    Requires: db (active)\n       Wants: cache (active)\n       After: cache (active)\n", out)
        self.assertIn("\n Required by: site\n", out)
        out = self.svcmgr("status", "hopeless").out
        self.assertRegex(out, r"\n       Error: requires 'broken', which has failed: .*status 3 \(dependency\)\n"
                              r"   Waits for: broken, failed: .*status 3\n"
                              r"    Requires: broken \(failed\)\n")
        self.assertIn("\n     Members: web (active), cache (active)\n", self.svcmgr("status", "site").out)
        self.assertIn("\n    Requires: nosuch (missing)\n     Part of: web (active)\n",
                      self.svcmgr("status", "worker").out)
        self.assertNotIn("Requires", self.svcmgr("status", "cache").out)

    def test_status_on_a_terminal(self):
        """Many that need it are told shortly; no line of those is wider than the terminal."""
        _, text = self.world.run_on_terminal("status", "broken", address=self.address(), columns=80)
        block = re.search(r"Required by: (.*?)\n +[A-Z]", text, re.S)[1]
        self.assertIn("and 5 more", block)
        self.assertEqual(len(re.findall("user-", block)), 7)
        for line in f"{'':14}{block}".splitlines():
            self.assertLessEqual(len(line), 80)

    def test_list(self):
        self.svcmgr("--no-wait", "start", "late")
        self.svcmgr("-q", "start", "hopeless", status=1)
        self.assertRegex(self.svcmgr("status").out, r"\n    Services: \d+: 3 active \(2 waiting\), 1 failed\n")
        self.assertRegex(self.svcmgr("list", "late").out, r"\nlate .* waiting  dependencies .* waits for slow\n$")
        self.assertRegex(self.svcmgr("list", "hopeless").out,
                         r"\nhopeless .* waiting  blocked .* requires 'broken', which has failed: .* status 3\n$")

    def test_start_that_waits(self):
        self.svcmgr("-q", "start", "web")
        for name in "web", "db", "cache":
            self.assertEqual(self.state(name), "active")
        result = self.svcmgr("start", "hopeless", status=1)
        self.assertRegex(result.err, r"^svcmgr: cannot start 'hopeless': requires 'broken', which has failed: "
                                     r".*status 3 \(it starts when that is up; see: svcmgr tree hopeless\)\n$")
        self.assertRegex(self.svcmgr("start", "worker", status=1).err,
                         r"^svcmgr: cannot start 'worker': requires 'nosuch', which is not there \(it starts when")
        failed, = self.json("start", "hopeless", status=1)
        self.assertEqual((failed["Id"], failed["ErrorName"]), ("hopeless", "org.svcmgr1.Error.DependencyFailed"))
        result = self.svcmgr("start", "--timeout=500ms", "late", status=6)
        self.assertRegex(result.err, r"it is waiting for slow \(see: svcmgr status late\)\n$")
        self.assertRegex(self.svcmgr("wait", "--timeout=500ms", "--until=active", "hopeless", status=6).err,
                         r"it is waiting: requires 'broken', which has failed: .*status 3 \(see: svcmgr status")

    def test_progress_names_what_is_waited_for(self):
        status, text = self.world.run_on_terminal("start", "late", "--timeout=1500ms", address=self.address())
        self.assertEqual(status, 6)
        self.assertRegex(text, r"\r\033\[Kwaiting \ds for late \(waits for slow\)")

    def test_delete_of_what_others_need(self):
        self.create("base", "process", SLEEPER)
        self.create("above", "process", {**SLEEPER, "requires": ["base"]})
        result = self.svcmgr("delete", "base", status=1)
        self.assertRegex(result.err, r"^svcmgr: cannot delete 'base': .*above.* \(see: svcmgr tree --reverse base\)\n$")
        self.create("top", "process", {**SLEEPER, "requires": ["above"]})
        self.assertEqual(self.svcmgr("delete", "above", "base", "top").out.splitlines(),
                         ["top: deleted", "above: deleted", "base: deleted"])

    def test_delete_of_some_that_others_need(self):
        """What is in the way of nobody but those that stay is deleted, and the others are told once."""
        self.create("base", "process", SLEEPER)
        self.create("above", "process", {**SLEEPER, "requires": ["base"]})
        self.create("other", "process", {**SLEEPER, "requires": ["base"]})
        result = self.svcmgr("delete", "base", "above", status=1)
        self.assertEqual(result.out, "above: deleted\n")
        self.assertRegex(result.err, r"^svcmgr: cannot delete 'base': service 'base' is required by 'other' \(.*\)\n$")
        self.svcmgr("delete", "other")
        done = self.json("delete", "base", "nope", status=4)
        self.assertEqual({entry["Id"]: entry.get("ErrorName") for entry in done},
                         {"base": None, "nope": "org.svcmgr1.Error.NotFound"})


if __name__ == "__main__":
    unittest.main()
