#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lint programs themselves: each is fed a small tree with a violation and one without."""

import json
import pathlib
import shutil
import tempfile
import unittest

import behaviours
import calls
import formatting
import includes
import lengths
import manual
import spdx
import units

SOURCE_ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class TreeCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="svcmgr-lint-")
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


class Includes(TreeCase):
    def check(self, path, line):
        self.write(path, f"/* one */\n{line}\n")
        found = includes.violations(self.root)
        (self.root / path).unlink()
        return found

    def test_good(self):
        self.write("client/output.h", "")
        self.write("client/gateway/server.h", "")
        for path, line in [
            ("daemon/core/map.c", '#include "core/map.h"'),
            ("daemon/core/map.c", '#include "base/errors.h"'),
            ("daemon/core/map.c", "#include <errno.h>"),
            ("daemon/core/map.c", '/* #include "bus/object.h" is elsewhere */'),
            ("daemon/run/phase.c", '#include "core/map.h"'),
            ("daemon/health/probe.c", '#include "core/map.h"'),
            ("daemon/process/loop.c", "#include <systemd/sd-event.h>"),
            ("daemon/process/loop.c", "#include <sys/wait.h>"),
            ("daemon/kinds/oneshot.c", '#include "process/spawn.h"'),
            ("daemon/store/files.c", "#include <sqlite3.h>"),
            ("daemon/bus/manager.c", "#include <systemd/sd-bus.h>"),
            ("daemon/bus/manager.c", '#include "run/life.h"'),
            ("daemon/base/log.c", "#include <systemd/sd-journal.h>"),
            ("daemon/daemon.c", '#include "bus/manager.h"'),
            ("daemon/daemon.h", '#include "store/files.h"'),
            ("daemon/main.c", '#include "daemon.h"'),
            ("daemon/main.c", "#include <systemd/sd-daemon.h>"),
            ("client/main.c", '#include "base/errors.h"'),
            ("client/main.c", '#include "output.h"'),
            ("client/main.c", "#include <systemd/sd-bus.h>"),
            ("client/gateway/main.c", '#include "server.h"'),
            ("client/gateway/main.c", '#include "output.h"'),
            ("client/gateway/main.c", "#include <microhttpd.h>"),
        ]:
            with self.subTest(path=path, line=line):
                self.assertEqual(self.check(path, line), [])

    def test_bad(self):
        for path, line in [
            ("daemon/base/errors.c", '#include "core/map.h"'),
            ("daemon/base/errors.c", "#include <systemd/sd-journal.h>"),
            ("daemon/base/log.c", "#include <systemd/sd-bus.h>"),
            ("daemon/core/map.c", '#include "process/spawn.h"'),
            ("daemon/core/map.c", '#include "run/life.h"'),
            ("daemon/core/map.c", '#include "health/probe.h"'),
            ("daemon/core/map.c", '#include "map.h"'),
            ("daemon/core/map.c", '#include "../bus/object.h"'),
            ("daemon/core/map.c", '  #  include  "bus/object.h"'),
            ("daemon/core/map.h", "#include <systemd/sd-event.h>"),
            ("daemon/core/map.c", "#include <unistd.h>"),
            ("daemon/core/map.c", "#include <time.h>"),
            ("daemon/run/life.c", "#include <signal.h>"),
            ("daemon/run/life.c", "#include <sys/types.h>"),
            ("daemon/health/probe.c", "#include <sys/socket.h>"),
            ("daemon/health/probe.c", '#include "run/life.h"'),
            ("daemon/process/spawn.c", "#include <systemd/sd-bus.h>"),
            ("daemon/process/spawn.c", '#include "kinds/process.h"'),
            ("daemon/kinds/oneshot.c", '#include "bus/object.h"'),
            ("daemon/kinds/oneshot.c", "#include <systemd/sd-event.h>"),
            ("daemon/store/files.c", '#include "process/spawn.h"'),
            ("daemon/store/files.c", "#include <systemd/sd-id128.h>"),
            ("daemon/bus/manager.c", '#include "process/spawn.h"'),
            ("daemon/bus/manager.c", "#include <sqlite3.h>"),
            ("daemon/bus/manager.c", "#include <gio/gio.h>"),
            ("daemon/helper/probe.c", '#include "core/map.h"'),
            ("daemon/novel/thing.c", '#include "base/errors.h"'),
            ("client/main.c", '#include "core/map.h"'),
            ("client/main.c", '#include "missing.h"'),
            ("client/main.c", "#include <microhttpd.h>"),
            ("client/main.c", "#include <systemd/sd-daemon.h>"),
        ]:
            with self.subTest(path=path, line=line):
                found = self.check(path, line)
                self.assertEqual(len(found), 1, found)
                self.assertTrue(found[0].startswith(f"{path}:2: "), found)


class Calls(TreeCase):
    def check(self, line, path="daemon/core/map.c"):
        self.write(path, f"/* one */\n{line}\n")
        return calls.violations(self.root)

    def test_good(self):
        for line in [
            "timer_arm(timer, 5);",
            "/* g_main_loop_new() and goto are for others */",
            'log_info("sleep(%d) and goto", 5);',
            "// usleep(5)",
            "source_is_asleep(5);",
            "process->system(5);",
            "bool goto_next = loop_has_sleep;",
        ]:
            with self.subTest(line=line):
                self.assertEqual(self.check(line), [])
        self.assertEqual(self.check("sleep(1);", "tests/unit/test-x.c"), [])

    def test_bad(self):
        for line in [
            "loop = g_main_loop_new(NULL, FALSE);",
            "g_timeout_add (5, f, NULL);",
            "g_idle_add(f, NULL);",
            "g_child_watch_add(pid, f, NULL);",
            "(void)g_spawn_async(a, b);",
            "goto out;",
            "sleep(1);",
            "usleep(1);",
            "g_usleep(1);",
            "nanosleep(&t, NULL);",
            'f("\\""); sleep(1);',
            "pthread_create(&t, NULL, f, NULL);",
            "g_thread_new(NULL, f, NULL);",
            'r = system("true");',
            'f = popen("true", "r");',
        ]:
            with self.subTest(line=line):
                found = self.check(line)
                self.assertEqual(len(found), 1, found)
                self.assertTrue(found[0].startswith("daemon/core/map.c:2: "), found)
        self.assertEqual(len(self.check("goto out;", "client/main.c")), 2)


class Spdx(TreeCase):
    def test_good_and_bad(self):
        line = "SPDX-License-Identifier: LGPL-2.1-or-later"
        self.write("daemon/a.c", f"/* {line} */\n")
        self.write("run.sh", f"#!/bin/sh\n# {line}\n")
        self.write(".ci/run", f"#!/bin/bash\n# {line}\n")
        self.write("README.md", "no program\n")
        self.write("LICENSE", "no program\n")
        self.write("build/x.c", "generated\n")
        self.write("build-asan/x.c", "generated\n")
        self.write(".git/x.py", "not ours\n")
        self.assertEqual(spdx.violations(self.root), [])

        bad = ["a.xml", "daemon/b.h", "late.c", "meson.build", "noext", "other.py"]
        for path in bad:
            self.write(path, "#!/bin/sh\n")
        self.write("late.c", "\n" * 30 + line)
        found = [text.split(":")[0] for text in spdx.violations(self.root)]
        self.assertEqual(sorted(found), bad)


class Lengths(TreeCase):
    def setUp(self):
        super().setUp()
        if not lengths.ctags_is_there():
            self.skipTest("universal-ctags is not installed")

    def function(self, n_lines):
        return "static int f(void)\n{\n" + "    g();\n" * (n_lines - 3) + "}\n"

    def test_function(self):
        self.assertEqual(lengths.violations(self.root), [])
        self.write("daemon/a.c", "\n" + self.function(60))
        self.assertEqual(lengths.violations(self.root), [])
        self.write("daemon/a.c", "\n" + self.function(61))
        expected = ["daemon/a.c:2: f: 61 lines, more than 60"]
        self.assertEqual(lengths.violations(self.root), expected)

    def test_file(self):
        self.write("client/a.c", "/* */\n" * 600)
        self.assertEqual(lengths.violations(self.root), [])
        self.write("client/a.c", "/* */\n" * 601)
        expected = ["client/a.c: 601 lines, more than 600"]
        self.assertEqual(lengths.violations(self.root), expected)


class Formatting(TreeCase):
    def test_good_and_bad(self):
        program = formatting.clang_format()
        if program is None:
            self.skipTest("clang-format is not installed")
        shutil.copy(SOURCE_ROOT / ".clang-format", self.root)
        self.write("daemon/a.c", "int f(void)\n{\n    return 1;\n}\n")
        self.assertEqual(formatting.violations(self.root, program), [])
        self.write("daemon/a.c", "int f(void) {\n  return 1;\n}\n")
        self.assertNotEqual(formatting.violations(self.root, program), [])


class Behaviours(unittest.TestCase):
    TESTS = {"test-a": ["/a/one/x", "/a/two"], "test_b.py": ["test_c"], "d.sh": ["test_e"]}

    def check(self, cell):
        return list(behaviours.problems(f"| behaviour | test |\n| what | {cell} |\n", self.TESTS))

    def test_good(self):
        self.assertEqual(self.check("`test-a` `/a/one`, `/a/two`"), [])
        self.assertEqual(self.check("`test-a` `/a/one`, `test_b.py` `test_c`"), [])
        self.assertEqual(self.check("`d.sh` `test_e`"), [])

    def test_bad(self):
        self.assertEqual(len(self.check("`test-a` `/a/on`")), 1)
        self.assertEqual(len(self.check("`test-b` `/a/two`")), 1)
        self.assertEqual(len(self.check("`test_b.py` `test_d`")), 1)
        self.assertEqual(len(self.check("`d.sh` `test_c`")), 1)
        self.assertEqual(len(self.check("nothing")), 1)


class Manual(unittest.TestCase):
    """The page of definitions, changed in one place, against the schemas."""

    def setUp(self):
        self.page = (SOURCE_ROOT / "data" / "man" / "svcmgr-service.5").read_text()
        self.schemas = [json.loads((SOURCE_ROOT / "data" / "schemas" / f"{kind}.json").read_text())
                        for kind in ("process", "oneshot", "group")]
        self.parser = (SOURCE_ROOT / "daemon" / "base" / "definition-text.c").read_text()

    def check(self):
        return list(manual.compare_definitions(self.page, self.schemas, self.parser))

    def change(self, old, new):
        self.assertEqual(self.page.count(old), 1)
        self.page = self.page.replace(old, new)

    def test_good(self):
        self.assertEqual(self.check(), [])

    def test_bad_page(self):
        page = self.page
        for old, new, expected in [
            (".It Va watchdog No", ".It Em watchdog No", "member watchdog is missing"),
            (".It Va watchdog No", ".It Va watchdog , whistle No", "there is no member whistle"),
            (".It Va labels No", ".It Em labels No", "member labels is missing"),
            (".It Va pids_max No", ".It Va pids_min No", "there is no member of cgroup pids_min"),
            (".It Va rttime No", ".It Em rttime No", "member of limits rttime is missing"),
            ("1.5)", "2)", "the default of factor of process is 1.5, not 2"),
            (r"of oneshot \(dqinfinity\(dq", r"of oneshot \(dq1h\(dq",
             "the default of start_timeout of oneshot is \"infinity\", not \"1h\""),
            ("default 64;", "default 32;", "the default of fd_store_max of process is 64, not 32"),
            ("default false; oneshot only", "default false", "remain_after_exit is one of oneshot"),
            (".It Va umask No (octal string such as \\(dq0027\\(dq, default the daemon's)",
             ".It Va umask No (octal string, default 0022; process only)", "member umask is one of process, oneshot"),
        ]:
            with self.subTest(new=new):
                self.page = page
                self.change(old, new)
                self.assertIn(expected, "\n".join(self.check()))

    def test_bad_schema(self):
        properties = self.schemas[0]["properties"]
        properties["nice"]["description"] = "Its scheduling priority."
        del properties["umask"]["description"]
        properties["speed"] = {"description": "Default: 1."}
        found = "\n".join(self.check())
        self.assertIn("process.json: member nice says no default", found)
        self.assertIn("process.json: member umask has no description", found)
        self.assertIn("svcmgr-service.5: member speed is missing", found)


@unittest.skipIf(shutil.which("systemd-analyze") is None, "systemd-analyze is not installed")
class Units(TreeCase):
    UNIT = "[Unit]\nDocumentation=man:x(8)\n[Service]\nExecStart=/bin/true\nDelegate=yes\n"

    def test_good(self):
        self.write("data/man/x.8", "")
        self.assertEqual(units.complaints("--system", self.UNIT), [])
        self.assertEqual(units.complaints("--user", self.UNIT), [])
        self.assertEqual(list(units.missing_pages(self.root, self.UNIT)), [])

    def test_bad(self):
        self.assertEqual(list(units.missing_pages(self.root, self.UNIT)), ["there is no manual page x(8)"])
        for old, new in [("Delegate", "Deligate"), ("yes", "perhaps"), ("/bin/true", "/no/such")]:
            with self.subTest(new=new):
                found = units.complaints("--system", self.UNIT.replace(old, new))
                self.assertIn(new, "\n".join(found))


if __name__ == "__main__":
    unittest.main()
