#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# "without-starting.sh POLICY COMMAND...": runs COMMAND while POLICY (/usr/sbin/policy-rc.d of Debian)
# forbids that installing a package starts its server. Afterwards there is exactly what was there
# before, whether COMMAND failed or a signal came; what a killed run has left is put right first.
set -eu

policy=$1
shift
saved=$policy.svcmgr-saved
ours=$policy.svcmgr-new
mark='# of svcmgr, for as long as its tests install packages'

is_there() {
    [ -e "$1" ] || [ -L "$1" ]
}

is_ours() {
    [ ! -L "$policy" ] && [ -f "$policy" ] && grep -qxF "$mark" "$policy"
}

restore() {
    rm -f "$ours"
    if is_there "$saved"; then
        mv -f -T "$saved" "$policy"
    elif is_ours; then
        rm -f "$policy"
    fi
}

# One at a time, or the second would take the first one's policy for what was there. The lock is on
# the folder, which is there anyway; the command does not inherit it.
exec 9<"$(dirname "$policy")"
flock 9
restore
trap restore EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$ours"
chmod 755 "$ours"
if is_there "$policy"; then
    mv -T "$policy" "$saved"
fi
mv -T "$ours" "$policy"
"$@" 9<&-
