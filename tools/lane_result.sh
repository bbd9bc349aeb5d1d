#!/bin/sh
# The end of a lane: its closing line and its exit status, which a machine that did not come so far has not left.
if [ ! -s "$2/closing" ]; then
    echo "lane $1: the machine ended before its tests did"
    exit 1
fi
cat "$2/closing"
exit "$(cat "$2/status")"
