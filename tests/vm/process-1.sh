#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# svcmgrd is process 1: every orphan of the machine is its child, and its end is the machine's.
# then: SIGTERM from process
# then: the stubborn one is asked
# then: service 'stubborn': ProcessEnd
# then: AppTerminated
# then: Attempted to kill init! exitcode=0x00000000
. /lib.sh

test_is_process_1() {
    [ "$(readlink /proc/1/exe)" = /usr/bin/svcmgrd ]
}

test_starts_and_stops() {
    create web process <<'END'
{"exec": ["program-stayer"], "readiness": "notify"}
END
    svcmgr start web
    svcmgr is-active web
    pid=$(property web MainPID)
    grep -x "PPid:	1" "/proc/$pid/status"
    svcmgr stop web
    is_gone "$pid"
    has_state web inactive
}

test_killed_runs_again() {
    svcmgr start web
    pid=$(property web MainPID)
    serial=$(property web StateSerial)
    kill -KILL "$pid"
    svcmgr wait web --until=ready --after-serial="$serial"
    is_gone "$pid"
    [ "$(property web MainPID)" != "$pid" ]
    svcmgr stop web
}

test_orphans_become_ours() {
    make_gate
    orphans 10 >/tmp/orphans
    for pid in $(cat /tmp/orphans); do
        until_so grep -qx "PPid:	1" "/proc/$pid/status"
    done
    release 10
}

test_orphans_are_reaped() {
    make_gate
    orphans 300 >/tmp/orphans
    [ "$(wc -l </tmp/orphans)" -eq 300 ]
    release 300
    for pid in $(cat /tmp/orphans); do
        until_so is_gone "$pid"
    done
    until_so no_zombies
}

test_orphans_of_a_service_are_reaped() {
    create parent oneshot <<'END'
{"exec": ["sh", "-c", "for i in $(seq 50); do (setsid true &); (true &); done"]}
END
    svcmgr start parent
    until_so no_zombies
}

# Orphans die all the time, so that the daemon is reaping when the services end.
test_no_exit_status_is_stolen() {
    for number in $(seq 20); do
        create "three-$number" oneshot <<'END'
{"exec": ["program-ender", "exit", "3"], "restart": {"policy": "no"}}
END
    done
    for round in $(seq 4); do
        start_storm
        ! svcmgr start 'three-*' || exit 1
        end_storm >>/tmp/counts
        for number in $(seq 20); do
            [ "$(property "three-$number" ExitCode)" = 3 ]
        done
    done
    [ "$(awk '{ count += $1 } END { print count }' /tmp/counts)" -ge 200 ]
    until_so no_zombies
}

# The kernel keeps from process 1 what it does not ask for.
test_reload_by_signal() {
    for signal in USR1 USR2 ALRM KILL; do
        kill -$signal 1
    done
    mkdir -p /etc/svcmgr/services
    cat >/etc/svcmgr/services/late.json <<'END'
{"kind": "process", "config": {"exec": ["program-stayer"]}}
END
    kill -HUP 1
    until_so svcmgr show late State
}

# The last one: they run when the daemon is asked to end.
test_services_for_the_end() {
    create stubborn process <<'END'
{"exec": ["sh", "-c", "trap 'echo the stubborn one is asked' TERM; : >/tmp/trap; while :; do usleep 10000; done"],
 "log": {"target": "inherit"}, "stop_timeout": "500ms"}
END
    svcmgr start late stubborn
    until_so test -e /tmp/trap
}

as_process_1 --log-level=info
