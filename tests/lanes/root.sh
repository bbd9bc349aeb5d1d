#!/bin/sh
# Sourced by the first program of a lane's machine: a writable root over the host's files, and what a machine has mounted.
# Given: $lane_tree (this repository), $lane (its name in tests/lanes/__init__.py).

# Everything in memory above LOWER, which stays as it is; the new root is at /mnt/root. DISK holds an ext4 for /tmp: a
# container's overlay needs an upperdir that is no overlay, and tmpfs before Linux 6.6 has neither xattrs nor idmaps.
make_root() {
    lower=$1 disk=$2
    mount -t tmpfs -o mode=755 tmpfs /mnt
    mkdir /mnt/upper /mnt/work /mnt/root
    mount -t overlay -o "lowerdir=$lower,upperdir=/mnt/upper,workdir=/mnt/work" overlay /mnt/root
    cd /mnt/root || exit 1
    mount -t proc proc proc
    mount -t sysfs sysfs sys
    mount -t devtmpfs devtmpfs dev
    mkdir -p dev/pts dev/shm dev/mqueue
    mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts dev/pts
    mount -t tmpfs -o mode=1777 tmpfs dev/shm
    for link in "fd /proc/self/fd" "stdin fd/0" "stdout fd/1" "stderr fd/2"; do
        ln -sf "${link#* }" "dev/${link% *}"
    done
    mount -t tmpfs -o mode=755 tmpfs run
    mount -t ext4 "$disk" tmp
    chmod 1777 tmp
    mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 sys/fs/cgroup
    mkdir -p run/lane
}

# What systemd would do first to a machine that is really one; the lane is a unit of its own and then powers off.
make_units() {
    units=run/systemd/system
    mkdir -p "$units"
    for unit in systemd-tmpfiles-setup.service systemd-tmpfiles-setup-dev.service systemd-tmpfiles-clean.timer \
        systemd-binfmt.service kmod-static-nodes.service systemd-sysusers.service systemd-update-utmp.service \
        systemd-remount-fs.service systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket \
        systemd-journal-flush.service modprobe@.service systemd-udevd.service systemd-udev-trigger.service \
        systemd-random-seed.service systemd-networkd.service systemd-resolved.service systemd-timesyncd.service \
        dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount; do
        ln -s /dev/null "$units/$unit"
    done
    cat >"$units/lane.service" <<UNIT
[Unit]
DefaultDependencies=no
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
ExecStart=$lane_tree/tests/lanes/stage.sh $lane_tree $lane
StandardOutput=tty
StandardError=tty
TTYPath=/dev/console
UNIT
    printf '[Unit]\nRequires=lane.service basic.target\nAfter=basic.target\n' >"$units/lane.target"
}
