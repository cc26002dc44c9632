#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Sets up, builds and tests. The last line is "N passed, N failed, N skipped".
#   --sanitize   under AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer, in build-asan
#   --suite X    only this suite (may be repeated): unit, sim, bus, process, daemon, e2e, fuzz, bench,
#                lint
#   --long       the longer runs of those tests that play at random
#   --vm         the scenarios of virtual machines instead; also with --sanitize
#   --bench      no tests: builds optimised, in build-bench, measures, and prints one table
# CI=true makes warnings errors.
set -eu

usage() {
    echo "usage: $0 [--sanitize] [--long] [--suite SUITE]... | [--sanitize] --vm | --bench" >&2
    exit 2
}

cd "$(dirname "$0")/.."
sanitize=no
bench=no
vm=no
long=no
suites=
while [ $# -gt 0 ]; do
    case $1 in
    --sanitize) sanitize=yes ;;
    --bench) bench=yes ;;
    --vm) vm=yes ;;
    --long) long=yes ;;
    --suite)
        [ $# -ge 2 ] || usage
        suites="$suites --suite $2"
        shift
        ;;
    *) usage ;;
    esac
    shift
done
# What is measured is neither a sanitizer nor a choice of tests.
[ "$bench" = no ] || [ "$sanitize$vm$long$suites" = nonono ] || usage
[ "$vm" = no ] || [ "$long$suites" = no ] || usage

sh tests/setup.sh "$([ "$vm" = yes ] && echo vm || echo test)"

build=build
patience=1
set -- -Dwerror="$([ "${CI:-}" = true ] && echo true || echo false)"
if [ "$sanitize" = yes ]; then
    build=build-asan
    patience=3
    set -- "$@" -Db_sanitize=address,undefined -Db_lundef=false
    export ASAN_OPTIONS="detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1"
    export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1"
elif [ "$bench" = yes ]; then
    build=build-bench
    set -- "$@" -Dbuildtype=debugoptimized # as distributions build
fi
if [ "$long" = yes ]; then
    patience=$((patience * 10))
    export SVCMGR_TEST_LONG=1
fi

again=
[ ! -e "$build/meson-private/coredata.dat" ] || again=--reconfigure
meson setup $again "$build" "$@" </dev/null
meson compile -C "$build" </dev/null

if [ "$bench" = yes ]; then
    exec /usr/bin/python3 tests/bench/run.py "$build" </dev/null
fi

if [ "$vm" = yes ]; then
    exec /usr/bin/python3 -B tests/vm/run.py "$build" </dev/null
fi

log=$build/meson-logs/testlog.json
rm -f "$log"
status=0
# shellcheck disable=SC2086 # a list of options
meson test -C "$build" --no-rebuild --print-errorlogs --timeout-multiplier "$patience" \
    $suites </dev/null || status=$?
[ -e "$log" ] || exit 1
/usr/bin/python3 tests/summary.py "$log"
exit "$status"
