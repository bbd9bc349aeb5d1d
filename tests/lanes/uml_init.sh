#!/bin/sh
# The first program of the machine of tools/lane_v2.sh: User-mode Linux whose root is the host's own, read-only.
# The kernel's command line gives it lane_tree, lane_modules, lane_results and lane in the environment.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
busybox insmod "$lane_modules/kernel/fs/overlayfs/overlay.ko"
. "$lane_tree/tests/lanes/root.sh"
make_root / /dev/ubda
mount -t hostfs none run/lane -o "$lane_results"
busybox ln -sf "$(command -v busybox)" usr/sbin/modprobe   # with the modules in their place the kernel finds what it needs
mkdir -p lib/modules
busybox ln -sfn "$lane_modules" "lib/modules/$(uname -r)"
[ "$lane" != systemd ] || make_units
pivot_root . mnt   # not chroot: that would refuse user namespaces
cd /
umount -l /mnt
modprobe fuse
modprobe ipv6
[ "$lane" != systemd ] || exec /lib/systemd/systemd --unit=lane.target --log-level=warning --show-status=no
"$lane_tree/tests/lanes/stage.sh" "$lane_tree" "$lane" </dev/null
busybox poweroff -f
