#!/bin/sh
# Installs the container programs that the tests and the bench compare Ringfence with, and what lanes of tests run on
# (docs/lanes.md), from Debian's packages.
# Each line of the table: the program on PATH, the package that brings it.
set -eu
missing=""
while read -r program package; do
    command -v "$program" >/dev/null || missing="$missing $package"
done <<TABLE
runc runc
dockerd docker.io
containerd containerd
crun crun
podman podman
buildah buildah
skopeo skopeo
umoci umoci
bwrap bubblewrap
newuidmap uidmap
mmdebstrap mmdebstrap
catatonit catatonit
busybox busybox-static
docker-registry docker-registry
openssl openssl
linux.uml user-mode-linux
qemu-system-x86_64 qemu-system-x86
depmod kmod
xz xz-utils
apparmor_parser apparmor
secilc secilc
mkfs.ext4 e2fsprogs
ip iproute2
/usr/lib/cni/bridge containernetworking-plugins
iptables iptables
nft nftables
iperf3 iperf3
igzip isal
curl curl
dig bind9-dnsutils
dnsmasq dnsmasq-base
pasta passt
slirp4netns slirp4netns
TABLE
# The package busybox has the same program, but not one that runs in an image of its own.
ldd "$(command -v busybox)" >/dev/null 2>&1 && missing="$missing busybox-static"
[ -n "$missing" ] || { echo "peers: all are here"; exit 0; }
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "peers: missing:$missing; install them as root with apt-get" >&2
    exit 1
fi
echo "peers: installing$missing"
apt-get update -qq
# shellcheck disable=SC2086  # a list of words
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null
