#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Sets up, builds and tests. The last line is "N passed, N failed, N skipped".
#   --sanitize   under AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer, in build-asan
#   --suite X    only this suite (may be repeated): unit, bus, process, fuzz, daemon, e2e, lint
# CI=true makes warnings errors.
set -eu

usage() {
    echo "usage: $0 [--sanitize] [--suite SUITE]..." >&2
    exit 2
}

cd "$(dirname "$0")/.."
sanitize=no
suites=
while [ $# -gt 0 ]; do
    case $1 in
    --sanitize) sanitize=yes ;;
    --suite)
        [ $# -ge 2 ] || usage
        suites="$suites --suite $2"
        shift
        ;;
    *) usage ;;
    esac
    shift
done

sh tests/setup.sh test

build=build
patience=1
set -- -Dwerror="$([ "${CI:-}" = true ] && echo true || echo false)"
if [ "$sanitize" = yes ]; then
    build=build-asan
    patience=3
    set -- "$@" -Db_sanitize=address,undefined -Db_lundef=false
    export ASAN_OPTIONS="detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1"
    export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1"
fi

again=
[ ! -e "$build/meson-private/coredata.dat" ] || again=--reconfigure
meson setup $again "$build" "$@" </dev/null
meson compile -C "$build" </dev/null

log=$build/meson-logs/testlog.json
rm -f "$log"
status=0
# shellcheck disable=SC2086 # a list of options
meson test -C "$build" --no-rebuild --print-errorlogs --timeout-multiplier "$patience" \
    $suites </dev/null || status=$?
[ -e "$log" ] || exit 1
/usr/bin/python3 tests/summary.py "$log"
exit "$status"
