#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# svcmgrd is not process 1 and has a part of the hierarchy: alone, or with others in its way.
. /lib.sh

# A cgroup of the root that has all controllers.
make_box() { # name
    for controller in memory cpu pids io; do
        echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
    done
    mkdir "/sys/fs/cgroup/$1"
}

# With two services that nobody has made before. The log is in /tmp/log.
start_first_daemon() { # cgroup
    rm -rf /var/lib/svcmgr
    start_daemon "$1"
    create plain process <<'END'
{"exec": ["program-stayer"], "readiness": "notify"}
END
    create limited process <<'END'
{"exec": ["program-stayer"], "readiness": "notify", "cgroup": {"pids_max": 17}}
END
}

start_daemon() { # cgroup
    sh -c "echo 0 >'/sys/fs/cgroup/$1/cgroup.procs' && exec svcmgrd" >/tmp/log 2>&1 &
    daemon_pid=$!
    trap 'kill -KILL "$daemon_pid" 2>/dev/null || :' EXIT # that of a test that fails
    until_so svcmgr -q version
}

stop_daemon() {
    cat /tmp/log
    kill -TERM "$daemon_pid"
    wait "$daemon_pid"
}

test_alone() {
    make_box alone
    start_first_daemon alone
    svcmgr start plain limited
    directory=$(directory_of limited)
    [ "$(cat "$directory/pids.max")" = 17 ]
    case $(property plain ControlGroup) in
    /alone/svcmgr-*) ;;
    *) exit 1 ;;
    esac
    for controller in memory cpu pids io; do
        svcmgr status | grep -w "$controller"
    done
    grep '::/alone/.*/\.daemon$' "/proc/$daemon_pid/cgroup"
    stop_daemon
    [ -z "$(find /sys/fs/cgroup/alone -mindepth 1 -type d)" ]
}

# The kernel then hands no controller down.
test_others_are_in_the_way() {
    make_box crowded
    sleep 600 &
    other_pid=$!
    echo "$other_pid" >/sys/fs/cgroup/crowded/cgroup.procs
    start_first_daemon crowded
    svcmgr status
    svcmgr start plain
    directory=$(directory_of plain)
    [ "$(cat "$directory/cgroup.procs")" = "$(property plain MainPID)" ]
    ! svcmgr start limited 2>/tmp/refused || exit 1
    cat /tmp/refused
    grep "cgroup.pids_max: the pids controller cannot be enabled in the cgroup /crowded" /tmp/refused
    grep "while processes other than the daemon are in it" /tmp/refused
    svcmgr stop plain
    stop_daemon
    grep -x "$other_pid" /sys/fs/cgroup/crowded/cgroup.procs
    kill -KILL "$other_pid"
}

# What is above has not handed them down.
test_no_controllers() {
    make_box empty
    mkdir /sys/fs/cgroup/empty/inner
    start_first_daemon empty/inner
    svcmgr start plain
    ! svcmgr start limited 2>/tmp/refused || exit 1
    cat /tmp/refused
    grep "cgroup.pids_max: the cgroup /empty/inner has no pids controller" /tmp/refused
    stop_daemon
}

# What the daemon that was killed has left, without a mark and in sessions of their own.
test_former_run_is_ended() {
    make_box former
    start_first_daemon former
    create old process <<'END'
{"exec": ["program-daemoniser", "many", "3", "wipe", "unmark", "stay", "/tmp/daemons"],
 "readiness": "spawned"}
END
    svcmgr start old plain
    until_so test -e /tmp/daemons
    kill -KILL "$daemon_pid"
    ! wait "$daemon_pid" || exit 1
    for pid in $(cat /tmp/daemons); do
        [ -e "/proc/$pid" ]
    done
    mv /tmp/daemons /tmp/former-daemons
    # Where controllers are handed down there may be no process: it begins where the first one was.
    start_daemon "$(cd /sys/fs/cgroup && echo former/svcmgr-*/.daemon)"
    until_so svcmgr is-active old plain
    until_so test -e /tmp/daemons
    for pid in $(cat /tmp/former-daemons); do
        is_gone "$pid"
    done
    directory=$(directory_of old)
    [ "$(wc -l <"$directory/cgroup.procs")" -eq 4 ]
    stop_daemon
    for pid in $(cat /tmp/daemons); do
        is_gone "$pid"
    done
    [ -z "$(find /sys/fs/cgroup/former -name '*.svc')" ]
}

as_they_like
