#!/bin/sh
# Makes a minimal Debian root filesystem with Python as a tar, once: the real-world input of the tests.
# Usage: tests/debian.sh   (prints its path; needs mmdebstrap, root and a Debian mirror the first time)
set -eu
directory=${RINGFENCE_TEST_CACHE:-/var/cache/ringfence-tests}
out=$directory/debian-python3.tar
mkdir -p "$directory"
exec 9>"$directory/debian.lock"
flock 9                                  # two test runs at once: the second waits for the first one's file
if [ ! -s "$out" ]; then
    part=$directory/debian-python3.part.tar      # mmdebstrap takes the format from the suffix
    rm -f "$part"
    mmdebstrap --quiet --variant=minbase --include=python3 bookworm "$part" >&2
    mv "$part" "$out"
fi
echo "$out"
