#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The tests of the layer that makes cgroups, where there are all controllers, and of what reads the
# kernel's log.
# needs: tests/process/test-cgroup
# needs: tests/process/test-cgroup-controllers
# needs: tests/process/test-cgroup-tree
# needs: tests/process/test-former-cgroup
# needs: tests/process/test-oom
# needs: tests/process/test-spawn-cgroup
# needs: tests/process/test-usage
. /lib.sh

test_cgroups() {
    test-cgroup
}

test_controllers() {
    test-cgroup-controllers
}

test_tree() {
    test-cgroup-tree
}

test_former_run() {
    test-former-cgroup
}

test_out_of_memory() {
    test-oom
}

test_spawn() {
    test-spawn-cgroup
}

test_usage() {
    test-usage
}

as_they_like
