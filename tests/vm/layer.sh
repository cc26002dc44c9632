#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The tests of the layer that makes cgroups, where there are all controllers.
# needs: tests/process/test-cgroup
. /lib.sh

test_cgroups() {
    test-cgroup
}

as_they_like
