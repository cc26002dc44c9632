#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What may not occur in the daemon and the client: a second event loop, sleeping, threads, goto, and
programs run through a shell."""

import re

import tree

FORBIDDEN = [
    (r"g_main_\w+|g_timeout_\w+|g_idle_\w+|g_child_watch_\w+", "sd-event is the loop"),
    (r"g_spawn_\w+|system|popen", "processes are started by daemon/process"),
    (r"sleep|usleep|g_usleep|nanosleep|clock_nanosleep", "nothing sleeps: arm a timer"),
    (r"pthread_create|thrd_create|g_thread_\w+|g_thread_pool_\w+", "there are no threads"),
]

_CALLS = [(re.compile(rf"(?<![\w.>])({names})\s*\("), why) for names, why in FORBIDDEN]
_GOTO = re.compile(r"(?<!\w)(goto)(?!\w)")


def violations(root):
    found = []
    for file in tree.files(root, ("daemon", "client"), (".c", ".h")):
        path = file.relative_to(root).as_posix()
        lines = tree.code_of(file.read_text()).split("\n")
        for number, line in enumerate(lines, start=1):
            for pattern, why in _CALLS + [(_GOTO, "return early, or use a cleanup attribute")]:
                for match in pattern.finditer(line):
                    found.append(f"{path}:{number}: {match.group(1)}: {why}")
    return found


if __name__ == "__main__":
    tree.finish(violations(tree.root_from_argv()))
