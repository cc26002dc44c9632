#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Installs what is missing of tests/packages.txt; says and does nothing when nothing is.
# "setup.sh build": what it takes to build and try svcmgr; "setup.sh test" (or nothing): what the
# tests need, too; "setup.sh vm": what virtual machines need.
# A server among the packages is not started by being installed. What is optional and cannot be
# installed is a warning: the tests that need it are skipped.
set -eu

list=$(dirname "$0")/packages.txt

packages_of() { # section
    awk -v wanted="$1" '
        /^# section:/ { here = ($3 == wanted); next }
        here && !/^#/ && NF { print $1 }
    ' "$list"
}

missing_of() { # section...
    for name; do
        for package in $(packages_of "$name"); do
            status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=
            [ "$status" = installed ] || echo "$package"
        done
    done | tr '\n' ' '
}

install_packages() { # package...
    sh "$(dirname "$0")/without-starting.sh" /usr/sbin/policy-rc.d \
        apt-get install -qq -y --no-install-recommends "$@" </dev/null
}

case ${1:-test} in
build) sections=build optional= ;;
test) sections='build test' optional=optional ;;
vm) sections=build optional=vm ;;
*)
    echo "usage: $0 [build|test|vm]" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null; then
    echo "not a Debian system: install by hand what $list names" >&2
    exit 0
fi

# shellcheck disable=SC2086 # a list of words
missing=$(missing_of $sections)
# shellcheck disable=SC2086
wanted=$(missing_of $optional)
[ -n "$missing$wanted" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    if [ -n "$wanted" ]; then
        echo "not installed, the tests that need them are skipped: ${wanted% }" >&2
    fi
    [ -n "$missing" ] || exit 0
    echo "missing packages: ${missing% }" >&2
    echo "as root, run: apt-get install ${missing% }" >&2
    exit 1
fi

missing=${missing% } wanted=${wanted% }
echo "installing: $missing${missing:+${wanted:+ }}$wanted"
export DEBIAN_FRONTEND=noninteractive
if ! apt-get update -qq </dev/null; then
    [ -z "$missing" ] || exit 1
fi
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086
    install_packages $missing
fi
# One by one: what cannot be had does not keep the others away.
for package in $wanted; do
    install_packages "$package" ||
        echo "cannot install $package: the tests that need it are skipped" >&2
done
