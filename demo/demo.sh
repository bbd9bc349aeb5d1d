#!/usr/bin/env bash
# What a container is, shown on this machine in a minute; every claim is checked, and nothing is left behind.
# Usage: make demo   (as root; the images, containers and state live in a directory of their own, removed at the end)
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" != 0 ]; then
    echo "demo: a container with limits of its own needs root for now: sudo make demo" >&2
    exit 1
fi

scratch=$(mktemp -d /tmp/ringfence-demo-XXXXXX)
chmod 711 "$scratch"  # a mapped root must reach its container's directory
export RINGFENCE_ROOT=$scratch/data RINGFENCE_STATE=$scratch/state
PATH=$PWD/.venv/bin:$PATH

finish() {
    local status=$?
    for id in $(ringfence ps --all --quiet); do
        ringfence rm --force --volumes "$id" >/dev/null || status=1
    done
    rm -rf "$scratch"
    exit "$status"
}
trap finish EXIT

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' plain=$'\e[0m'; else bold="" dim="" green="" plain=""; fi

chapter() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
say() { printf '%s\n' "$*"; }

# Show a command as a person would type it, then run it.
show() {
    printf '%s$ %s%s\n' "$dim" "${*@Q}" "$plain" | sed "s/'\([a-zA-Z0-9_=./:-]*\)'/\1/g"
    "$@"
}

# The claim that a value is what it should be: the demo ends with an error if it is not.
claim() {
    local text=$1 actual=$2 relation=$3 expected=$4
    if test "$actual" "$relation" "$expected"; then
        printf '%s✓%s %s\n' "$green" "$plain" "$text"
    else
        printf '✗ %s: %s is not %s %s\n' "$text" "$actual" "$relation" "$expected" >&2
        exit 1
    fi
}

ticks() { ringfence logs clock | wc -l; }

chapter "1. A container: an ordinary process, in namespaces of its own"
say "The image 'host' is made from this machine's own programs, so nothing is downloaded."
show ringfence run --rm --network none host sh -c 'echo "hello from pid $$ on $(hostname)"; cd /proc; echo processes: [0-9]*'
show ringfence run --rm --network none --userns auto host sh -c 'cat /proc/self/uid_map'

inside=$(ringfence run --rm --network none --userns auto host sh -c 'cd /proc/self/ns && readlink cgroup ipc mnt net pid user uts')
own=0
for link in $inside; do
    kind=${link%%:*}
    [ "$link" = "$(readlink "/proc/self/ns/$kind")" ] || own=$((own + 1))
done
claim "seven namespaces, each another one than the host's" "$own" -eq 7

chapter "2. How it fits together: its namespaces, cgroups, layers and plan"
show ringfence run --detach --name clock --userns auto --network none --memory 64m --cpus 0.5 --pids-limit 100 \
    host sh -c 'i=0; while :; do i=$((i + 1)); echo "tick $i"; sleep 0.1; done' >/dev/null
show ringfence explain clock

chapter "3. The union file system: base (the image), diff (what this container wrote), overlay (what it sees)"
base=$(ringfence inspect --format '{{.GraphDriver.Data.LowerDir}}' clock | cut -d: -f1)
fingerprint() { tar --sort=name --numeric-owner -C "$base" -cf - . | sha256sum; }
before=$(fingerprint)
show ringfence exec --user 0 clock sh -c 'echo new >/added; echo "# changed" >>/etc/passwd; rm /etc/os-release'
show ringfence diff clock
changes=$(ringfence diff clock)
claim "a new file is listed as added" "$(grep -c '^A /added$' <<<"$changes")" -eq 1
claim "an altered file is listed as changed" "$(grep -c '^C /etc/passwd$' <<<"$changes")" -eq 1
claim "a removed file is listed as deleted" "$(grep -c '^D /etc/os-release$' <<<"$changes")" -eq 1
claim "the base is as it was, bit by bit" "$(fingerprint)" = "$before"
claim "another container of the same image still has the removed file" \
    "$(ringfence run --rm --network none host sh -c 'test -e /etc/os-release && echo yes')" = yes

chapter "4. The memory cgroup: 64 MiB are 64 MiB"
status=0
show ringfence run --name hungry --network none --memory 64m --memory-swap 64m host tail /dev/zero || status=$?
claim "what asks for more is killed: exit code 137" "$status" -eq 137
claim "and the record says why: OOMKilled" "$(ringfence inspect --format '{{.State.OOMKilled}}' hungry)" = true

chapter "5. The freezer: a container stops between two instructions, and goes on"
claim "the clock is running" "$(ticks)" -gt 0
show ringfence pause clock >/dev/null
frozen=$(ticks)
sleep 2
claim "paused for two seconds: not one tick" "$(ticks)" -eq "$frozen"
claim "its state is paused" "$(ringfence inspect --format '{{.State.Status}}' clock)" = paused
show ringfence unpause clock >/dev/null
sleep 1
claim "it goes on" "$(ticks)" -gt "$frozen"
claim "with the very next tick" "$(ringfence logs clock | sed -n "$((frozen + 1))p")" = "tick $((frozen + 1))"

chapter "That was a container."
say "Next: README.md has a tour in ten commands, docs/guide.md explains each of these steps."
