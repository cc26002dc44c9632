#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Installs what is missing of tests/packages.txt; says and does nothing when nothing is.
# "setup.sh build": what it takes to build and try svcmgr; "setup.sh test" (or nothing): all.
set -eu

list=$(dirname "$0")/packages.txt

packages_of() { # section: its packages, and those of the sections before it
    awk -v last="$1" '
        /^# section:/ { if (done) exit; done = ($3 == last); next }
        !/^#/ && NF { print $1 }
    ' "$list"
}

missing_of() { # section
    for package in $(packages_of "$1"); do
        status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=
        [ "$status" = installed ] || echo "$package"
    done
}

section=${1:-test}
case $section in
build | test) ;;
*)
    echo "usage: $0 [build|test]" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null; then
    echo "not a Debian system: install by hand what $list names" >&2
    exit 0
fi

missing=$(missing_of "$section" | tr '\n' ' ')
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "missing packages: ${missing% }" >&2
    echo "as root, run: apt-get install ${missing% }" >&2
    exit 1
fi

echo "installing: ${missing% }"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq </dev/null
# shellcheck disable=SC2086 # a list of words
apt-get install -qq -y --no-install-recommends $missing </dev/null
