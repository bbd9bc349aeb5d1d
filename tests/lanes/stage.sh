#!/bin/sh
# What a lane is for: its tests, by the interpreter of this repository, with their output at /run/lane of the machine.
tree=$1
cd "$tree" || exit 1
ip link set lo up
mountpoint -q /dev/mqueue || mount -t mqueue mqueue /dev/mqueue
export HOME=/root LANG=C.UTF-8 CI=true
export PATH="$tree/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
exec .venv/bin/python -m tests.lanes "$2" /run/lane
