#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Installs what is missing, builds, starts a private bus and the daemon with the examples, shows it working over plain
# busctl and over svcmgr, and cleans up after itself. Touches nothing outside its build folder and a temporary one.
set -eu

cd "$(dirname "$0")/.."
sh tests/setup.sh build
if [ ! -e build/build.ninja ]; then
    meson setup build </dev/null >/dev/null
fi
meson compile -C build svcmgrd svcmgr </dev/null >/dev/null

svcmgrd=$PWD/build/daemon/svcmgrd
svcmgr=$PWD/build/client/svcmgr
dir=$(mktemp -d "${TMPDIR:-/tmp}/svcmgr-demo.XXXXXX")
bus_pid='' daemon_pid='' monitor_pid=''

end() { # pid: asks it to end and waits
    [ -n "$1" ] || return 0
    kill "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

clean_up() {
    status=$?
    trap - EXIT INT TERM
    end "$monitor_pid"
    end "$daemon_pid"
    end "$bus_pid"
    [ "$status" -eq 0 ] || { echo; echo "The demo failed. The daemon's log:"; cat "$dir/log"; } >&2
    rm -rf "$dir"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

heading() {
    printf '\n\033[1m== %s\033[0m\n' "$1"
}

show() { # a command as a person would type it
    printf '$'
    for word; do
        case $word in
        '' | *[!A-Za-z0-9_./:=@%+,-]*) printf " '%s'" "$word" ;;
        *) printf ' %s' "$word" ;;
        esac
    done
    echo
}

run() { # shows a command, then runs it
    show "$@"
    "$@"
}

expect_failure() { # shows a command that must fail
    show "$@"
    if "$@" 2>&1; then
        echo "that should have failed" >&2
        exit 1
    fi
}

wait_for_line() { # pattern file: until a line matches; the file is a FIFO, so nothing is polled
    grep -m 1 -e "$1" "$2"
}

# A bus of our own.
cat >"$dir/bus.conf" <<CONF
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=$dir/bus</listen>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
  </policy>
</busconfig>
CONF
mkfifo "$dir/address"
dbus-daemon --config-file="$dir/bus.conf" --nofork --print-address=1 >"$dir/address" 2>/dev/null &
bus_pid=$!
read -r DBUS_ADDRESS <"$dir/address"
DBUS_ADDRESS=${DBUS_ADDRESS%%,*}

# The examples, with a free port in them.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir "$dir/services"
for file in data/examples/*.json; do
    sed -e "s|18480|$port|" -e "s|/etc/ticker|$dir/ticker|" "$file" >"$dir/services/${file##*/}"
done

start_daemon() { # and waits until it has its name on the bus
    CONFIGURATION_DIRECTORY="$dir/config" "$svcmgrd" --address="$DBUS_ADDRESS" --runtime-dir="$dir" \
        --state-dir="$dir/state" --log-dir="$dir/logs" --services-dir="$dir/services" \
        >>"$dir/log" 2>&1 &
    daemon_pid=$!
    gdbus wait --address "$DBUS_ADDRESS" --timeout 20 org.svcmgr1
}
start_daemon

# Short names, so that what is shown reads as it would at home.
svcmgr() {
    "$svcmgr" --address="$DBUS_ADDRESS" "$@"
}
busctl() {
    command busctl --address="$DBUS_ADDRESS" "$@"
}
service=/org/svcmgr1/service
svcmgr --quiet wait web --until active --timeout 10
svcmgr --quiet wait ticker --until active --timeout 10
svcmgr --quiet wait hello --until active --timeout 10

heading "Services, from four small files"
run svcmgr list

heading "The same as objects on the bus"
run busctl tree org.svcmgr1
run busctl get-property org.svcmgr1 $service/ticker org.svcmgr1.Process StatusText MainPID

heading "Stop and Start by plain busctl; every change of state is one PropertiesChanged"
mkfifo "$dir/monitor" "$dir/monitor-ready"
command busctl --address="$DBUS_ADDRESS" --json=short monitor \
    --match="type='signal',interface='org.freedesktop.DBus.Properties',path='$service/web'" \
    >"$dir/monitor" 2>"$dir/monitor-ready" &
monitor_pid=$!
exec 8<"$dir/monitor" 9<"$dir/monitor-ready"
read -r line <&9
run busctl call org.svcmgr1 $service/web org.svcmgr1.Service Stop
run busctl call org.svcmgr1 $service/web org.svcmgr1.Service Wait 'a{sv}' 1 until s inactive
run busctl call org.svcmgr1 $service/web org.svcmgr1.Service Start
run busctl call org.svcmgr1 $service/web org.svcmgr1.Service Wait 'a{sv}' 1 until s active
echo "seen by busctl monitor:"
/usr/bin/python3 data/demo-monitor.py active 4 <&8
end "$monitor_pid"
monitor_pid=''
exec 8<&- 9<&-

heading "A killed service comes back; meanwhile everybody can see when"
serial=$(busctl get-property org.svcmgr1 $service/web org.svcmgr1.Service StateSerial)
run svcmgr signal web SIGKILL
svcmgr --quiet wait web --until settled --after-serial "${serial#t }" --timeout 10
run busctl get-property org.svcmgr1 $service/web org.svcmgr1.Service State NextAttemptTime Error >"$dir/seen"
cat "$dir/seen"
grep -q '^s "backoff"$' "$dir/seen"
run svcmgr status web
run svcmgr wait web --until active --timeout 10

heading "A program reads its file again and goes on: the same process, without a stop"
pid=$(busctl get-property org.svcmgr1 $service/ticker org.svcmgr1.Process MainPID)
echo 2 >"$dir/ticker"
run svcmgr reload ticker
run svcmgr status ticker >"$dir/seen"
cat "$dir/seen"
grep -q 'ticks every 2 s' "$dir/seen"
[ "$(busctl get-property org.svcmgr1 $service/ticker org.svcmgr1.Process MainPID)" = "$pid" ]
echo "how such processes are followed, also those that want to get away:"
run svcmgr status

heading "A bad configuration is refused, with its place; nothing has changed"
expect_failure busctl call org.svcmgr1 $service/web org.svcmgr1.Service Configure s \
    '{"exec": ["python3"], "restart": {"max_delay": -1}}'
expect_failure gdbus call --address "$DBUS_ADDRESS" --dest org.svcmgr1 --object-path $service/web \
    --method org.svcmgr1.Service.Configure '{"exec": ["python3"], "exec": []}'
expect_failure svcmgr configure web - <<BAD
{"exec": "python3", "restart": {"polcy": "always"}}
BAD
echo "from ValidateConfig, with JSON Pointers:"
run busctl call org.svcmgr1 /org/svcmgr1 org.svcmgr1.Manager ValidateConfig ss process \
    '{"exec": ["python3"], "restart": {"max_delay": -1}}'

heading "A good one is taken over at once"
run busctl call org.svcmgr1 $service/ticker org.svcmgr1.Service Configure s \
    '{"exec": ["python3", "data/examples/ticker.py"], "readiness": "notify"}'
run svcmgr wait ticker --until ready --timeout 10

heading "A new service at run time, and one that keeps failing"
run svcmgr create nap process --start --description 'Made on the command line' - <<NEW
{"exec": ["sleep", "1h"]}
NEW
run svcmgr --no-wait start flapping
svcmgr --quiet wait flapping --until settled --timeout 10
run svcmgr list
run svcmgr events -n 6
echo "and what it said before it died:"
run svcmgr logs flapping -n 1 >"$dir/seen"
cat "$dir/seen"
grep -q 'cannot reach the moon' "$dir/seen"

heading "The daemon dies; the next one clears up, and goes on with what was said"
run svcmgr enable nap
show kill -9 "$daemon_pid"
kill -9 "$daemon_pid"
wait "$daemon_pid" 2>/dev/null || true
show svcmgrd
start_daemon
svcmgr --quiet wait nap --until active --timeout 10
svcmgr --quiet wait ticker --until active --timeout 10
svcmgr --quiet wait web --until active --timeout 10
run svcmgr list
run svcmgr config ticker --list
echo "from the daemon's log:"
grep -e 'the last run' -e 'of the former run' "$dir/log"
run svcmgr delete nap

heading "A definition is edited; a reload touches what has changed, and nothing else"
cp "$dir/services/web.json" "$dir/web.json.old"
sed -e 's/"tier": "front"/"tier": "edge"/' -e 's/A web server/The web server/' \
    "$dir/web.json.old" >"$dir/services/web.json"
(cd "$dir" && run diff web.json.old services/web.json) || true
run svcmgr daemon-reload --dry-run
run svcmgr daemon-reload
run svcmgr list web

heading "Services need each other: what cannot start waits, says for what, and starts when that is there"
svcmgr --quiet create disk oneshot - <<DISK
{"exec": ["test", "-d", "$dir/disk"], "remain_after_exit": true, "restart": {"policy": "no"}}
DISK
svcmgr --quiet create db process - <<DB
{"exec": ["sleep", "1h"], "requires": ["disk"]}
DB
svcmgr --quiet create cache process - <<CACHE
{"exec": ["sleep", "1h"]}
CACHE
svcmgr --quiet create shop process - <<SHOP
{"exec": ["sleep", "1h"], "requires": ["db"], "wants": ["cache"]}
SHOP
run svcmgr start --dry-run shop
expect_failure svcmgr start shop
run svcmgr tree shop
run mkdir "$dir/disk"
run svcmgr start disk
run svcmgr wait shop --until active --timeout 10
run svcmgr tree --reverse disk
run svcmgr stop --ordered disk db shop
run svcmgr events -n 9 disk db shop
run svcmgr delete disk db shop cache

heading "That was all: the daemon stops its services and goes"
end "$daemon_pid"
daemon_pid=''
tail -n 3 "$dir/log"
