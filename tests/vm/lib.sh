# SPDX-License-Identifier: LGPL-2.1-or-later
# What scenarios share. A scenario is a script for busybox sh that the kernel runs as process 1, as
# /init. It reads this file, has functions test_*, and ends with the function that runs them. Each
# of them is a test: it fails with the first command that does.
# shellcheck shell=sh

export PATH=/usr/bin:/bin HOME=/ LC_ALL=C.UTF-8 TEST_PROGRAMS=/usr/bin

prepare() {
    /bin/busybox --install -s /bin
    mount -t proc proc /proc
    mount -t sysfs sysfs /sys
    mount -t devtmpfs devtmpfs /dev
    mount -t tmpfs tmpfs /run
    mount -t tmpfs tmpfs /tmp
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
}

# Until it is so: nothing tells when. Each turn is a call of the daemon's.
until_so() { # command...
    last=$(($(date +%s) + 60))
    until "$@"; do
        [ "$(date +%s)" -lt "$last" ] || return 1
        svcmgr -q version >/dev/null 2>&1 || :
    done
}

# Its exit status, and what it does in /tmp/trace. One that hangs is killed. Not to be called where a
# failure is no error (if, &&): the shell would take that for the commands of the test as well.
run_test() { # name
    (
        set -eux
        "$1"
    ) >/tmp/trace 2>&1 </dev/null &
    test_pid=$!
    (
        sleep 120
        kill -KILL "$test_pid"
    ) >/dev/null 2>&1 &
    watchdog_pid=$!
    wait "$test_pid" 2>/dev/null
    test_status=$?
    kill "$watchdog_pid" 2>/dev/null
    return "$test_status"
}

run_tests() {
    number=0
    for name in $(sed -n 's/^\(test_[a-z0-9_]*\)() {.*/\1/p' "$0"); do
        number=$((number + 1))
        run_test "$name"
        if [ $? -eq 0 ]; then
            echo "ok $number - $name"
        else
            echo "not ok $number - $name"
            tail -n 50 /tmp/trace | sed 's/^/#   /'
        fi
    done
}

# svcmgrd takes the place of this process; when all tests are done, it is asked to end.
as_process_1() { # options of svcmgrd
    (
        until_so svcmgr -q version >/dev/null 2>&1
        run_tests
        kill -TERM 1
    ) &
    exec svcmgrd "$@"
}

# The tests start what they need.
as_they_like() {
    run_tests
    reboot -f
}

property() { # service, name
    line=$(svcmgr show "$1" "$2") || return
    echo "${line#*=}"
}

directory_of() { # service: that of its cgroup
    path=$(property "$1" ControlGroup) && [ -n "$path" ] && echo "/sys/fs/cgroup$path"
}

has_state() { # service, state
    [ "$(property "$1" State)" = "$2" ]
}

# A service of kind process or oneshot, with the configuration on standard input.
create() { # service, kind
    svcmgr -q create "$1" "$2" -
}

# Ids of dead processes that nobody has reaped.
zombies() {
    grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null
}

no_zombies() {
    [ -z "$(zombies)" ]
}

is_gone() { # process id
    [ ! -e "/proc/$1" ]
}

# Where orphans wait: each of them for a line. What is written before they read is kept.
make_gate() {
    rm -f /tmp/gate
    mkfifo /tmp/gate
    exec 9<>/tmp/gate
}

# Starts so many processes whose parent has ended, and tells their ids.
orphans() { # count
    for i in $(seq "$1"); do
        (
            (read -r line <&9) >/dev/null 2>&1 &
            echo $!
        )
    done
}

# Ends so many of them at once.
release() { # count
    yes '' | head -n "$1" >&9
}

# Makes orphans that end at once, until the end of the storm, which tells how many there were.
start_storm() {
    : >/tmp/storm
    (
        count=0
        set +x
        while [ -e /tmp/storm ]; do
            (true &)
            count=$((count + 1))
        done
        echo "$count" >/tmp/storm-count
    ) &
    storm_pid=$!
}

end_storm() {
    rm /tmp/storm
    wait "$storm_pid"
    cat /tmp/storm-count
}

set -u
prepare
