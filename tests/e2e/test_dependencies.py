# SPDX-License-Identifier: LGPL-2.1-or-later
"""Services that need each other: who is started with whom, who waits for whom, and what becomes of
the others when one fails, stops or goes away."""

import os
import signal
import unittest

from steps import GIVES_UP, LATER, QUICKLY, Steps


class Order(Steps):
    def test_a_requirement_comes_first(self):
        """It is pulled, and only when it has said that it is ready the other one begins; the stop
        goes the other way."""
        self.make("db", "held")
        self.make("web", requires=["db"])
        self.start("web", wait=False)
        self.journal.wait("db", "begin")
        self.assertEqual(self.look("web"), ("waiting", "dependencies"))
        self.assert_said("db begin")
        self.let_go("db")
        self.wait_for("web", "ready")
        self.assert_said("db begin", "db ready", "web begin", "web ready")

    def test_stop_waits_for_those_that_come_after(self):
        self.make("db")
        self.make("web", "linger", "100", requires=["db"])
        self.start("web")
        self.journal.forget()
        self.stop("web", wait=False)
        self.stop("db", wait=False)
        self.journal.wait("web", "stop")
        self.wait_for("db", "inactive")
        self.assert_said("web stop", "web end", "db stop", "db end")

    def test_order_alone_pulls_nothing(self):
        self.make("first")
        self.make("second", after=["first"])
        self.make("third", before=["first"])
        self.start("second", "third")
        self.assertEqual(self.look("first"), ("inactive", ""))
        self.assertNotIn("first", self.journal.names("begin"))

    def test_order_alone_where_both_start(self):
        """Each way of saying it."""
        self.make("first", "held", before=["second"])
        self.make("second", "linger", "50")
        self.make("third", "linger", "50", after=["second"])
        self.start("first", wait=False)
        self.journal.wait("first", "begin")
        self.start("second", wait=False)
        self.start("third", wait=False)
        for name in ("second", "third"):
            self.assertEqual(self.look(name), ("waiting", "dependencies"))
        self.let_go("first")
        self.wait_for("third", "ready")
        self.assert_said("first begin", "first ready", "second begin", "second ready",
                         "third begin", "third ready")
        self.journal.forget()
        for name in ("third", "second", "first"):
            self.stop(name, wait=False)
        self.wait_for("first", "inactive")
        self.assert_said("third stop", "third end", "second stop", "second end",
                         "first stop", "first end")

    def test_several_in_any_order(self):
        """Whoever names several need not know who needs whom, nor in which way."""
        names = ["db", "app", "web", "front"]
        for name, other in zip(names, [None] + names):
            self.make(name, "linger", "5", **({"after": [other]} if other else {}))
        up = [(name, what) for name in names for what in ("begin", "ready")]
        down = [(name, what) for name in names[::-1] for what in ("stop", "end")]
        for given in (names, names[::-1], ["app", "front", "web", "db"], ["*"]):
            for verb, expected in (("start", up), ("restart", down + up), ("stop", down)):
                self.journal.forget()
                self.svcmgr(verb, *given)
                self.assertEqual(self.journal.said(), expected, (verb, *given))

    def test_order_alone_does_not_hold_for_who_has_failed(self):
        bad = self.world.file("bad", "")
        self.make("first", "unless", bad, restart=GIVES_UP)
        self.make("second", after=["first"])
        self.start("first", wait=False)
        self.start("second")
        self.wait_for("first")
        self.assertEqual(self.look("first")[0], "failed")
        self.assertEqual(self.look("second"), ("active", "running"))

    def test_what_is_wanted_stops_nobody(self):
        bad = self.world.file("bad", "")
        self.make("extra", "unless", bad, restart=GIVES_UP)
        self.make("more")
        self.make("web", wants=["extra", "more", "nowhere"])
        self.start("web")
        self.journal.wait("extra", "begin")
        self.wait_for("extra")
        self.wait_for("more", "ready")
        self.assertEqual(self.look("extra")[0], "failed")
        self.assertEqual(self.look("web"), ("active", "running"))

    def test_side_by_side_where_nothing_orders(self):
        """Ten that are held, and all of them have begun."""
        names = [f"s{i}" for i in range(10)]
        for name in names:
            self.make(name, "held")
        self.make("all", requires=names)
        self.start("all", wait=False)
        for name in names:
            self.journal.wait(name, "begin")
        self.assertEqual(self.look("all"), ("waiting", "dependencies"))
        for name in names:
            self.let_go(name)
        self.wait_for("all", "ready")
        for name in names:
            self.assert_order(f"{name} ready", "all begin")

    def test_a_oneshot_that_is_required(self):
        """Done is as good as active, and it is not done twice."""
        self.make("prepare", kind="oneshot", ready=20)
        self.make("one", requires=["prepare"])
        self.make("two", requires=["prepare"])
        self.start("one")
        self.start("two")
        self.assert_said("prepare begin", "prepare ready", "one begin", "one ready", "two begin",
                         "two ready")

    def test_a_oneshot_that_fails(self):
        bad = self.world.file("bad", "")
        self.make("prepare", "unless", bad, kind="oneshot", restart=GIVES_UP)
        self.make("one", requires=["prepare"])
        self.start("one", wait=False)
        self.wait_for("one")
        self.assert_blocked("one", r"^requires 'prepare', which has failed: .* status 3")
        self.assertEqual(self.journal.names("begin"), ["prepare"])


class AtMost(Steps):
    options = ["--max-starting=2"]

    def test_at_once(self):
        """Of six never more than two are between begin and ready."""
        names = [f"s{i}" for i in range(6)]
        for name in names:
            self.make(name, ready=20)
        self.start(*names)
        starting, most = set(), 0
        for name, what in self.journal.said():
            (starting.add if what == "begin" else starting.discard)(name)
            most = max(most, len(starting))
        self.assertEqual((starting, most), (set(), 2))

    def test_queued(self):
        for name in ("a", "b", "c"):
            self.make(name, "held")
        self.start("a", wait=False)
        self.start("b", wait=False)
        self.start("c", wait=False)
        self.journal.wait("a", "begin")
        self.journal.wait("b", "begin")
        self.assertEqual(self.look("c"), ("waiting", "queued"))
        self.let_go("b")
        self.journal.wait("c", "begin")
        self.assert_said("a begin", "b begin", "b ready", "c begin")


class Failures(Steps):
    def make_chain(self, **restart):
        """db, which fails as long as there is a file; app requires it, and web that."""
        self.bad = self.world.file("bad", "")
        self.make("db", "unless", self.bad, restart=restart)
        self.make("app", requires=["db"])
        self.make("web", requires=["app"])

    def test_for_good_and_back(self):
        """Who needs it waits and says why; when it is mended all of them come up, in order."""
        self.make_chain(**GIVES_UP)
        result = self.start("web", status=1)
        self.assertRegex(result.err, r"requires 'app', which waits for 'db', which has failed: ")
        self.assert_blocked("app", r"^requires 'db', which has failed: .* status 3")
        self.assert_blocked("web", r"^requires 'app', which waits for 'db', which has failed: ")
        self.assertEqual(self.journal.names("begin"), ["db"])
        os.unlink(self.bad)
        self.journal.forget()
        self.start("db")
        self.journal.wait("web", "ready")
        self.wait_for("web", "ready")
        self.assert_said("db begin", "db ready", "app begin", "app ready", "web begin", "web ready")
        record = self.show("web")
        self.assertEqual((record["Error"], record["FailureClass"]), ("", ""))

    def test_backoff_and_back(self):
        """A requirement that is tried again and again."""
        self.make_chain(**LATER)
        self.start("web", status=1)
        self.assert_blocked("app", r"^requires 'db', which has failed and is tried again$")
        self.assertEqual(self.look("db")[0], "backoff")
        os.unlink(self.bad)
        self.svcmgr("restart", "db")
        self.journal.wait("web", "ready")
        self.wait_for("web", "ready")
        self.assert_order("db ready", "app begin", "app ready", "web begin")

    def test_the_next_attempt_brings_it(self):
        self.make_chain(**QUICKLY)
        self.start("web", wait=False)
        self.journal.wait("db", "begin", count=3)
        self.assertEqual(self.journal.count("app", "begin"), 0)
        os.unlink(self.bad)
        self.journal.wait("web", "ready")
        self.assert_order("db ready", "app begin", "app ready", "web begin")

    def test_a_retry_waits_too(self):
        """Both are down: who requires does not come back before what is required."""
        self.make("db", "held", restart=QUICKLY)
        self.make("web", requires=["db"], restart=QUICKLY)
        self.start("web", wait=False)
        self.journal.wait("db", "begin")
        self.let_go("db")
        self.wait_for("web", "ready")
        self.signal("db", signal.SIGKILL)
        self.journal.wait("db", "begin", count=2)
        self.signal("web", signal.SIGKILL)
        self.wait_until_blocked("web", "^requires 'db', which has failed and is tried again$")
        self.let_go("db")
        self.journal.wait("web", "ready", count=2)
        self.assert_order("db begin", "db ready", "web begin", "web ready")

    def test_not_there(self):
        """A name of nobody: it waits, and begins when somebody of that name comes."""
        self.make("web", requires=["db"])
        result = self.start("web", status=1)
        self.assertIn("requires 'db', which is not there", result.err)
        self.assert_blocked("web", "^requires 'db', which is not there$")
        self.make("db")
        self.journal.wait("web", "ready")
        self.assert_said("db begin", "db ready", "web begin", "web ready")

    def test_a_requirement_goes_away(self):
        """Without keep_up nothing follows."""
        self.make("db")
        self.make("web", requires=["db"])
        self.start("web")
        before = self.show("web")
        self.stop("db")
        self.signal("web", 0)
        self.assertEqual(self.show("web"), before)
        self.start("db")
        self.assertEqual(self.show("web"), before)

    def test_stop_of_a_requirement_that_starts(self):
        """Who waits for it is blocked, and says that nobody starts it; a start of it frees."""
        self.make("db", "held")
        self.make("web", requires=["db"])
        self.start("web", wait=False)
        self.journal.wait("db", "begin")
        self.stop("db")
        self.wait_for("web")
        self.assert_blocked("web", "^requires 'db', which is not started$")
        self.start("db", wait=False)
        self.journal.wait("db", "begin", count=2)
        self.let_go("db")
        self.journal.wait("web", "ready")
        self.assert_order("db ready", "web begin")

    def test_stop_of_a_requirement_while_who_requires_it_starts(self):
        """It has passed the gate: it goes on, and it is not told to stop."""
        self.make("db")
        self.make("web", "held", requires=["db"])
        self.start("web", wait=False)
        self.journal.wait("web", "begin")
        self.stop("db")
        self.let_go("web")
        self.wait_for("web", "ready")
        self.assert_said("db begin", "db ready", "web begin", "db stop", "db end", "web ready")

    def test_stop_of_who_waits(self):
        """Nothing of it has run; what it has pulled goes on."""
        self.make("db", "held")
        self.make("web", requires=["db"])
        self.start("web", wait=False)
        self.journal.wait("db", "begin")
        self.stop("web")
        self.assertEqual(self.look("web")[0], "inactive")
        self.let_go("db")
        self.wait_for("db", "ready")
        self.assert_said("db begin", "db ready")


class Followers(Steps):
    def make_part(self, **more):
        self.make("db", "held", restart=LATER)
        self.make("web", requires=["db"], part_of=["db"], restart=LATER, **more)
        self.start("web", wait=False)
        self.journal.wait("db", "begin")
        self.let_go("db")
        self.wait_for("web", "ready")
        self.journal.forget()

    def test_restart(self):
        """The part goes down first and comes up last."""
        self.make_part()
        self.svcmgr("--no-wait", "restart", "db")
        self.journal.wait("db", "begin")
        self.assertEqual(self.look("web"), ("waiting", "dependencies"))
        self.let_go("db")
        self.wait_for("web", "ready")
        self.assert_said("web stop", "web end", "db stop", "db end", "db begin", "db ready",
                         "web begin", "web ready")

    def test_stop(self):
        self.make_part()
        self.stop("db")
        self.wait_for("web", "inactive")
        self.assert_said("web stop", "web end", "db stop", "db end")
        self.assertEqual(self.show("web")["Error"], "")

    def test_the_other_is_killed(self):
        """It is to be tried again: the part is restarted, and waits for it."""
        self.make_part()
        self.signal("db", signal.SIGKILL)
        self.journal.wait("web", "end")
        self.wait_for("web")
        self.assert_blocked("web", "^requires 'db', which has failed and is tried again$")
        self.svcmgr("--no-wait", "restart", "db")
        self.journal.wait("db", "begin")
        self.let_go("db")
        self.wait_for("web", "ready")
        self.assert_said("web stop", "web end", "db begin", "db ready", "web begin", "web ready")

    def test_the_other_has_failed(self):
        self.make("db", restart={"policy": "no"})
        self.make("web", requires=["db"], part_of=["db"])
        self.start("web")
        self.signal("db", signal.SIGKILL)
        self.journal.wait("web", "end")
        self.wait_for("web", "inactive")
        self.assertEqual(self.look("web")[0], "inactive")
        self.assertEqual(self.look("db")[0], "failed")

    def make_kept_up(self, grace):
        self.make("db", "held")
        self.make("web", requires=["db"], keep_up={"grace": grace})
        self.start("web", wait=False)
        self.journal.wait("db", "begin")
        self.let_go("db")
        self.wait_for("web", "ready")
        self.journal.forget()

    def test_keep_up(self):
        """Away for longer than the grace: it stops, says why, and comes back with it."""
        self.make_kept_up("50ms")
        self.stop("db")
        self.journal.wait("web", "end")
        self.wait_for("web")
        self.assert_blocked("web", r"requires 'db', which is not started")
        self.start("db", wait=False)
        self.journal.wait("db", "begin")
        self.let_go("db")
        self.wait_for("web", "ready")
        self.assert_said("db stop", "db end", "web stop", "web end", "db begin", "db ready",
                         "web begin", "web ready")
        events = self.world.log.read_text()
        self.assertIn("requires 'db', which was away for longer than 50ms", events)

    def test_keep_up_in_time(self):
        self.make_kept_up("1min")
        before = self.show("web")
        self.svcmgr("--no-wait", "restart", "db")
        self.journal.wait("db", "begin")
        self.let_go("db")
        self.wait_for("db", "ready")
        self.assertEqual(self.show("web"), before)
        self.assert_said("db stop", "db end", "db begin", "db ready")


class Conflicts(Steps):
    def prepare_both(self, enabled=False):
        self.make("day", "linger", "50", conflicts=["night"])
        self.make("night", "linger", "50")

    def test_both_ways(self):
        """Who is started ends the other, whichever of them says so, and waits for its end."""
        self.prepare_both()
        self.start("day")
        self.start("night")
        self.assertEqual((self.look("day")[0], self.look("night")[0]), ("inactive", "active"))
        self.start("day")
        self.assertEqual((self.look("day")[0], self.look("night")[0]), ("active", "inactive"))
        self.assert_said("day begin", "day ready",
                         "day stop", "day end", "night begin", "night ready",
                         "night stop", "night end", "day begin", "day ready")

    def test_within_one_start(self):
        """Who would need both is refused, and nothing happens."""
        self.prepare_both()
        self.make("always", requires=["day", "night"])
        result = self.start("always", status=1)
        self.assertIn("day", result.err)
        self.assertIn("night", result.err)
        self.assertEqual([self.look(name)[0] for name in ("always", "day", "night")],
                         ["inactive"] * 3)
        self.assert_said()

    def test_through_a_requirement(self):
        """What is pulled ends its enemies as well."""
        self.prepare_both()
        self.make("app", requires=["night"])
        self.start("day")
        self.start("app")
        self.assert_order("day stop", "day end", "night begin", "night ready", "app begin")


class ConflictsAtStartup(Steps):
    def begin(self):
        self.define("a-day", conflicts=["b-night"])
        self.define("b-night")
        self.world.start_daemon(self.with_bus)

    def test_the_first_wins(self):
        for name in ("a-day", "b-night"):
            self.wait_for(name)
        record = self.show("b-night")
        self.assertEqual((self.look("a-day")[0], record["State"], record["FailureClass"]),
                         ("active", "failed", "dependency"))
        self.assertIn("conflicts with 'a-day'", record["Error"])
        self.assert_said("a-day begin", "a-day ready")


if __name__ == "__main__":
    unittest.main()
