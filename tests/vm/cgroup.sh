#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# svcmgrd is process 1 of a machine with all of cgroup v2: every service has a cgroup of its own,
# and what stands in its configuration stands in the kernel.
# then: AppTerminated
# then: Attempted to kill init! exitcode=0x00000000
. /lib.sh

usage() { # service, what
    svcmgr --json=short show "$1" Usage | sed -n "s/.*\"$2\":\"*\\([0-9a-z]*\\).*/\\1/p"
}

is_above() { # number, number
    [ "$1" -gt "$2" ]
}

test_all_controllers_are_there() {
    for controller in memory cpu pids io; do
        grep -qw "$controller" /sys/fs/cgroup/cgroup.controllers
        svcmgr status | grep -w "$controller"
    done
}

test_limits_stand_in_the_kernel() {
    create web process <<'END'
{"exec": ["program-stayer"], "readiness": "notify",
 "cgroup": {"memory_max": "64MiB", "pids_max": 17, "cpu_weight": 42, "io_weight": 300}}
END
    svcmgr start web
    directory=$(directory_of web)
    grep -x "$(property web MainPID)" "$directory/cgroup.procs"
    [ "$(cat "$directory/memory.max")" = 67108864 ]
    [ "$(cat "$directory/pids.max")" = 17 ]
    [ "$(cat "$directory/cpu.weight")" = 42 ]
    grep -x "default 300" "$directory/io.weight"
    grep "::$(property web ControlGroup)\$" "/proc/$(property web MainPID)/cgroup"
}

test_limits_change() {
    pid=$(property web MainPID)
    svcmgr configure web - <<'END'
{"exec": ["program-stayer"], "readiness": "notify", "cgroup": {"pids_max": 23}}
END
    svcmgr wait web --until=ready
    [ "$(property web MainPID)" = "$pid" ]
    directory=$(directory_of web)
    [ "$(cat "$directory/pids.max")" = 23 ]
    [ "$(cat "$directory/memory.max")" = max ]
    [ "$(cat "$directory/cpu.weight")" = 100 ]
}

test_cgroup_is_gone_after_stop() {
    directory=$(directory_of web)
    [ -d "$directory" ]
    svcmgr stop web
    [ ! -e "$directory" ]
    [ -z "$(usage web tasks)" ]
}

test_too_much_memory() {
    create eater process <<'END'
{"exec": ["program-consumer", "200", "0", "1", "0", "/tmp/eater"], "restart": {"policy": "no"},
 "cgroup": {"memory_max": "32MiB"}}
END
    svcmgr start eater || :
    until_so has_state eater failed
    [ "$(property eater FailureClass)" = oom ]
    [ "$(property eater ExitSignal)" = SIGKILL ]
    [ ! -e /tmp/eater ]
}

# Killed from outside, with the same signal.
test_no_out_of_memory() {
    create other process <<'END'
{"exec": ["program-stayer"], "restart": {"policy": "no"}, "readiness": "notify",
 "cgroup": {"memory_max": "32MiB"}}
END
    svcmgr start other
    kill -KILL "$(property other MainPID)"
    until_so has_state other failed
    [ "$(property other FailureClass)" = signal ]
}

# A child that is killed, of a main process that goes on.
test_child_out_of_memory() {
    create family process <<'END'
{"exec": ["sh", "-c",
          "program-consumer 200 0 1 0 /tmp/child; echo $? >/tmp/child-status; exec sleep 600"],
 "cgroup": {"memory_max": "32MiB"}}
END
    svcmgr start family
    until_so test -s /tmp/child-status
    [ "$(cat /tmp/child-status)" = 137 ]
    svcmgr is-active family
    svcmgr stop family
}

# Each of them in a session of its own.
test_fork_bomb() {
    create bomb process <<'END'
{"exec": ["program-bomb", "/tmp/born", "10000"], "restart": {"policy": "no"},
 "cgroup": {"pids_max": 50}}
END
    svcmgr start bomb
    directory=$(directory_of bomb)
    until_so grep -q "^max [1-9]" "$directory/pids.events"
    [ "$(cat "$directory/pids.current")" -le 50 ]
    is_above "$(usage bomb processes)" 40
    cat "$directory/cgroup.procs" >/tmp/bombs
    svcmgr stop bomb
    [ ! -e "$directory" ]
    for pid in $(cat /tmp/bombs); do
        until_so is_gone "$pid"
    done
    until_so no_zombies
}

test_usage() {
    create user process <<'END'
{"exec": ["program-consumer", "20", "100", "3", "2", "/tmp/user"]}
END
    svcmgr start user
    until_so test -e /tmp/user
    is_above "$(usage user memory_bytes)" 20000000
    is_above "$(usage user memory_peak_bytes)" 20000000
    is_above "$(usage user cpu_usec)" 100000
    [ "$(usage user tasks)" = 5 ]
    [ "$(usage user processes)" = 3 ]
    [ "$(usage user source)" = cgroup ]
    svcmgr stop user
}

# In sessions of their own, with no mark and no environment that would tell whose they are.
test_daemons_do_not_escape() {
    create old process <<'END'
{"exec": ["program-daemoniser", "many", "5", "wipe", "unmark", "stubborn", "stay", "/tmp/daemons"],
 "stop_timeout": "500ms"}
END
    svcmgr start old
    until_so test -e /tmp/daemons
    [ "$(wc -l </tmp/daemons)" -eq 5 ]
    directory=$(directory_of old)
    [ "$(wc -l <"$directory/cgroup.procs")" -eq 6 ]
    svcmgr stop old || :
    for pid in $(cat /tmp/daemons); do
        until_so is_gone "$pid"
    done
    [ ! -e "$directory" ]
}

test_nothing_is_left() {
    svcmgr stop '*'
    ! find /sys/fs/cgroup/svcmgr* -mindepth 1 -type d ! -name .daemon | grep . || exit 1
}

as_process_1 --log-level=info
