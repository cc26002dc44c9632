# SPDX-License-Identifier: LGPL-2.1-or-later
"""Orders that nobody could keep, names that are none, lists without an end: all of them are refused,
with the place, and nothing has changed."""

import itertools
import json
import unittest

from steps import Steps

RING = ("a", "b", "c", "d", "e")
# As "svcmgr create a" reads it, which was the last one.
PATH = "a requires b, b requires c, c requires d, d requires e, e requires a"


class Refused(Steps):
    def make_line(self):
        """a requires b, b requires c, and so on: all but the last one, which requires nobody."""
        for name, required in reversed(list(zip(RING, RING[1:]))):
            self.make(name, requires=[required])
        self.make(RING[-1])

    def configure(self, name, status=0, **config):
        text = json.dumps(self.config(name, **config))
        return self.svcmgr("configure", name, "-", stdin=text, status=status)

    def test_a_cycle_by_create(self):
        for name, required in list(zip(RING, RING[1:] + RING[:1]))[1:]:
            self.make(name, requires=[required])
        text = json.dumps(self.config("a", requires=["b"]))
        result = self.svcmgr("create", "a", "process", "-", stdin=text, status=1)
        self.assertIn(PATH, result.err)
        self.svcmgr("show", "a", status=4)

    def test_a_cycle_by_configure(self):
        """While all of them run: they go on, and nothing of the refused one is seen."""
        self.make_line()
        self.start("a")
        before = {name: self.show(name) for name in RING}
        result = self.configure("e", requires=["a"], status=1)
        self.assertIn("e requires a, a requires b, b requires c, c requires d, d requires e",
                      result.err)
        self.assertEqual({name: self.show(name) for name in RING}, before)
        self.assertEqual(len(self.json("config", "e", "--list")), 1)
        self.assertNotIn("end", [what for _, what in self.journal.said()])
        self.configure("e", wants=["a"], after=[])  # what orders nothing may go round

    def test_a_cycle_through_before(self):
        self.make("a", before=["b"])
        self.make("b", before=["c"])
        text = json.dumps(self.config("c", before=["a"]))
        result = self.svcmgr("create", "c", "process", "-", stdin=text, status=1)
        self.assertIn("the order would have a cycle: b before c, a before b, c before a",
                      result.err)

    def test_itself(self):
        for relation in ("requires", "wants", "after", "before", "conflicts", "part_of"):
            text = json.dumps(self.config("a", **{relation: ["a"]}))
            result = self.svcmgr("create", "a", "process", "-", stdin=text, status=1)
            self.assertIn("itself", result.err, relation)
            self.svcmgr("show", "a", status=4)

    def test_too_many_names(self):
        """Ten thousand, in one list and over two; nothing changes, in no time at all."""
        self.make("a", options=["--start"])
        before = self.show("a")
        names = [f"s{i}" for i in range(10000)]
        result = self.configure("a", requires=names, status=1)
        self.assertEqual(result.err, "svcmgr: cannot configure 'a': requires: expected at most 4096 "
                                     "ids, got 10000\n")
        result = self.configure("a", wants=names[:4000], after=names[4000:8000], status=1)
        self.assertRegex(result.err, "at most 4096 .*8000")
        self.assertEqual(self.show("a"), before)
        self.assertEqual(len(self.json("config", "a", "--list")), 1)

    def test_as_many_names_as_may_be(self):
        """None of them is there: a start waits for them, and 64 are named."""
        self.make("a", requires=[f"s{i:04}" for i in range(4096)])
        result = self.start("a", status=1)
        self.assertIn("requires 's0000', which is not there", result.err)
        self.assert_blocked("a", "requires 's0000', which is not there")
        self.stop("a")

    def test_names_that_are_none(self):
        """Each mistake with its place."""
        config = self.config("a", requires=["b", "no/id"], wants=[7], after="b", part_of=["b", "b"],
                             conflicts=["b"], keep_up={"grace": "soon"})
        result = self.svcmgr("create", "a", "process", "-", stdin=json.dumps(config), status=1)
        for place in ("requires[1]: ", "wants[0]: ", "after: ", "part_of[1]: ", "keep_up.grace: "):
            self.assertIn(place, result.err)
        self.svcmgr("show", "a", status=4)

    def test_mutual_where_nothing_orders(self):
        """wants, part_of and conflicts may go round."""
        for relation in ("wants", "part_of", "conflicts"):
            self.make(f"{relation}-a", **{relation: [f"{relation}-b"]})
            self.make(f"{relation}-b", **{relation: [f"{relation}-a"]})
        self.start("wants-a")
        self.wait_for("wants-b", "ready")
        self.start("part_of-a", "part_of-b")
        self.stop("part_of-a")
        self.wait_for("part_of-b", "inactive")
        self.assertEqual(self.look("part_of-b")[0], "inactive")


class RefusedDefinitions(Steps):
    """A cycle in files: whichever way they are named, exactly one of them closes it."""

    def begin(self):
        """Each test begins its own."""

    def check(self, names):
        for name, required in zip(names, names[1:] + names[:1]):
            self.define(name, requires=[required])
        self.world.start_daemon(self.with_bus)
        for name in names:
            self.wait_for(name)
        failed = [name for name in names if self.show(name)["FailureClass"] == "config"]
        self.assertEqual(len(failed), 1)
        links = self.show(failed[0])["Error"].partition("the order would have a cycle: ")[2]
        at = names.index(failed[0])
        ring = names[at:] + names[:at + 1]
        self.assertEqual(links, ", ".join(f"{one} requires {two}"
                                          for one, two in zip(ring, ring[1:])))
        for name in set(names) - set(failed):
            self.assert_blocked(name, f"requires .*'{failed[0]}', which")
        self.assert_said()

    def test_forwards(self):
        self.check(RING)

    def test_backwards(self):
        self.check(RING[::-1])

    def test_mixed(self):
        self.check(("c", "a", "e", "b", "d"))

    def test_mended(self):
        """One of the files is mended, and read again: all of them start."""
        self.check(RING)
        self.define(RING[-1])
        self.svcmgr("daemon-reload")
        for name in RING:
            self.journal.wait(name, "ready")
            self.wait_for(name, "ready")
        self.assertEqual(self.journal.names("begin"), list(RING[::-1]))

    def test_mended_elsewhere(self):
        """The file of another one is mended: the refused one is taken, though it is as it was."""
        self.check(RING)
        self.define("b")
        self.assertIn("changed: 2  ", self.svcmgr("daemon-reload").out)
        for name in RING:
            self.journal.wait(name, "ready")
            self.wait_for(name, "ready")
        self.assert_order("b ready", "a ready", "e ready", "d ready", "c ready")
        self.assertIn("unchanged: 5  ", self.svcmgr("daemon-reload").out)

    def test_turned_round(self):
        """Each file by itself would close a cycle with what the other one said before."""
        self.define("a", requires=["b"])
        self.define("b")
        self.world.start_daemon(self.with_bus)
        for now, then in (("b", "a"), ("a", "b")):
            self.define(now, requires=[then])
            self.define(then)
            self.assertIn("changed: 2  a, b", self.svcmgr("daemon-reload").out)
            self.stop("a", "b")
            self.journal.forget()
            self.start(now)
            self.assert_said(f"{then} begin", f"{then} ready", f"{now} begin", f"{now} ready")

    def test_closed_by_a_reload(self):
        """What runs goes on, with what it had."""
        for name, required in zip(RING, RING[1:]):
            self.define(name, requires=[required])
        self.define(RING[-1])
        self.world.start_daemon(self.with_bus)
        for name in RING:
            self.wait_for(name, "ready")
        before = {name: self.show(name) for name in RING}
        self.define(RING[-1], requires=[RING[0]])
        result = self.svcmgr("daemon-reload", status=1)
        self.assertIn("e requires a, a requires b", result.out + result.err)
        after = {name: self.show(name) for name in RING}
        self.assertEqual([(record["State"], record["MainPID"], record["ConfigDigest"])
                          for record in after.values()],
                         [(record["State"], record["MainPID"], record["ConfigDigest"])
                          for record in before.values()])
        self.svcmgr("daemon-reload", status=1)  # it is not forgotten
        self.define(RING[-1])
        self.assertIn("unchanged: 5  ", self.svcmgr("daemon-reload").out)


if __name__ == "__main__":
    unittest.main()
