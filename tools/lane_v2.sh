#!/bin/sh
# Runs a lane's tests under cgroup v2: a User-mode Linux whose root is this machine's own, with everything written kept
# in memory. Usage: tools/lane_v2.sh LANE [ARGUMENT OF PYTEST...]   (docs/lanes.md; with arguments, only these tests)
set -eu
lane=$1
shift
tree=$(cd "$(dirname "$0")/.." && pwd)
for modules in /usr/lib/uml/modules/*; do :; done
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
mkdir "$results/uml"
printf '%s\n' "$@" >"$results/arguments"
truncate -s 4G "$results/disk"
mkfs.ext4 -q -F -O ^has_journal "$results/disk"
timeout --signal=KILL 1700 linux.uml mem=3G root=/dev/root rootfstype=hostfs rootflags=/ ro quiet loglevel=1 \
    init="$tree/tests/lanes/uml_init.sh" ubd0="$results/disk" con=null con0=fd:0,fd:1 uml_dir="$results/uml/" umid=lane \
    lane_tree="$tree" lane_modules="$modules" lane_results="$results" lane="$lane" </dev/null || true
"$tree/tools/lane_result.sh" "$lane" "$results"
