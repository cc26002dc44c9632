# SPDX-License-Identifier: LGPL-2.1-or-later
"""What services say is in the files of their logs: all of it, whole, once, in order, through
rotation, restarts and force; and nobody else reads it."""

import os
import stat
import subprocess
import unittest

import said
from said import AGAIN, ENDLESS, OutputCase

NOBODY, SOMEBODY = 65534, 1


class Output(OutputCase):
    def test_rotation(self):
        self.writer("rotated", "lines", 30000, "chunk", 4096, log={"max_size": "64KiB", **ENDLESS})
        self.assertEqual(self.check("rotated", 100), {(1, b"stdout"): 30000})
        files = said.files(self.logs("rotated"))
        self.assertGreater(len(files), 30)
        for path in files:
            self.assertLessEqual(path.stat().st_size, 64 * 1024)

    def test_what_is_kept(self):
        self.writer("kept", "lines", 5000, "chunk", 4096, log={"max_size": "64KiB", "keep": 2})
        lines = said.lines_in(self.logs("kept"))
        numbers = [said.number_of(line, 100)[1] for line in lines]
        self.assertEqual(numbers, list(range(numbers[0], 5001)))
        self.assertGreater(numbers[0], 1)
        self.assertEqual(len(said.files(self.logs("kept"))), 3)

    def test_restarts_and_kills(self):
        self.writer("killed", "length", 1000, "kill", 1000, "starts", 100, "lines", 3000, "chunk",
                    8192, "both", "status", 1, kind="process", **AGAIN)
        self.svcmgr("wait", "killed", "--until", "inactive")
        counts = self.check("killed", 1000)
        self.assertEqual(max(counts)[0], 100)
        self.assertEqual(counts[100, b"stdout"], 3000)

    def test_last_words(self):
        """What is said while the reader rests."""
        for name in ("last-1", "last-2", "last-3", "last-4", "last-5"):
            self.writer(name, "lines", 20, "rate", 1000, "sigkill", status=1)
            self.assertEqual(self.check(name, 100), {(1, b"stdout"): 20})

    def test_two_streams(self):
        self.writer("two", "lines", 5000, "both", "chunk", 333)
        self.assertEqual(self.check("two", 100), {(1, b"stdout"): 5000, (1, b"stderr"): 5000})

    def test_no_newline_at_the_end(self):
        self.writer("cut", "lines", 3, "cut")
        self.assertEqual(self.check("cut", 100), {(1, b"stdout"): 3})
        lines = said.lines_in(self.logs("cut"))
        self.assertEqual([line.is_cut for line in lines], [False, False, True])

    def test_bytes(self):
        self.writer("bytes", "lines", 500, "length", 400, "binary", "chunk", 7, "both")
        self.assertEqual(self.check("bytes", 400), {(1, b"stdout"): 500, (1, b"stderr"): 500})
        self.assertIn(b"\0", said.content(self.logs("bytes")))

    def test_long_lines(self):
        for length in (65536, 65537, 65538, 131073, 1000000):
            self.writer(f"long-{length}", "lines", 5, "length", length, "binary")
            self.assertEqual(self.check(f"long-{length}", length), {(1, b"stdout"): 5})
            parts = said.content(self.logs(f"long-{length}")).count(b" stdout P:")
            self.assertEqual(parts, 5 * ((length - 2) // 65536))

    def test_a_child_says_more_than_its_parent(self):
        self.writer("child", "orphan", "rate", 1000, "term", 5000, "both", kind="process")
        self.svcmgr("wait", "child", "--until", "inactive")
        self.assertGreaterEqual(self.check("child", 100)[1, b"stderr"], 5000)

    def test_who_writes_longer_than_the_run(self):
        self.writer("outlived", "lines", 3, "stay", kind="process")
        self.await_line("outlived", "o 1 3 ")
        pid = self.main_pid("outlived")
        with open(f"/proc/{pid}/fd/2", "wb", buffering=0) as late:
            self.svcmgr("stop", "outlived")
            self.svcmgr("start", "outlived")
            self.await_line("outlived", "o 2 3 ")
            late.write(b"late\n")
            self.svcmgr("stop", "outlived")
            late.write(b"later")
        self.await_line("outlived", "later")
        lines = said.lines_in(self.logs("outlived"))
        self.assertEqual(said.number_of(lines[3]), (2, 1))
        late = [line for line in lines if line.stream == b"stderr"]
        self.assertEqual([(line.text, line.is_cut) for line in late],
                         [(b"late", False), (b"later", True)])
        self.assertEqual({line.invocation for line in late}, {lines[0].invocation})
        self.assertNotEqual(lines[0].invocation, lines[3].invocation)


@unittest.skipIf(os.geteuid() != 0, "only root can be somebody else")
class WhoMayRead(OutputCase):
    @classmethod
    def prepare(cls, world):
        world.directory.chmod(0o711)

    def setUp(self):
        config = {"exec": ["/bin/echo", "secret"], "user": NOBODY, "group": NOBODY}
        self.create("private", "oneshot", config)
        self.svcmgr("start", "private")

    def cat(self, path, uid):
        return subprocess.run(["cat", str(path)], user=uid, group=uid, extra_groups=[], check=False,
                              capture_output=True).stdout

    def test_files(self):
        current = self.logs("private") / "current"
        self.assertIn(b" secret\n", self.cat(current, 0))
        for uid in (NOBODY, SOMEBODY):
            self.assertEqual(self.cat(current, uid), b"")
        for path, mode in ((current, 0o600), (current.parent, 0o700),
                           (current.parent.parent, 0o700)):
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), mode, path)


if __name__ == "__main__":
    unittest.main()
