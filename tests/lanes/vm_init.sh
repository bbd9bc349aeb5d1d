#!/bin/busybox sh
# The first program of the machine of tools/lane_vm.sh: an ordinary kernel whose root is the host's own, over 9p, read-only.
# The kernel's command line gives it lane_tree, lane_kernel and lane in the environment.
/bin/busybox --install -s /bin
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t devtmpfs devtmpfs /dev
while read -r module; do insmod "/modules/$module"; done </modules/order
share=trans=virtio,version=9p2000.L,msize=512000
mount -t 9p -o "ro,$share,cache=loose" root /host
. "/host$lane_tree/tests/lanes/root.sh"
make_root /host /dev/vda
mount -t 9p -o "$share" results run/lane
mount -t securityfs securityfs sys/kernel/security
mkdir -p lib/modules
rm -rf "lib/modules/$(uname -r)"
ln -s "$lane_kernel/lib/modules/$(uname -r)" "lib/modules/$(uname -r)"
echo 16 >proc/sys/vm/nr_hugepages   # for the tests that limit them: huge pages, and a file to swap to
dd if=/dev/zero of=tmp/lane.swap bs=1M count=64 2>/dev/null
chmod 600 tmp/lane.swap
mkswap tmp/lane.swap >/dev/null
exec switch_root . /bin/sh -c '
    modprobe -a fuse tun || :
    "$1/tests/lanes/stage.sh" "$1" "$2" </dev/null
    busybox poweroff -f' sh "$lane_tree" "$lane"
