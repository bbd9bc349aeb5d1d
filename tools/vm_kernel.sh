#!/bin/sh
# Debian's own kernel, without installing it: prints a directory with `vmlinux`, `initrd` and `lib/modules/VERSION`.
# It is fetched and unpacked once for a version (root, a minute) and kept in CACHE, /var/cache/ringfence-tests by default.
set -eu
cache=${CACHE:-/var/cache/ringfence-tests}
tree=$(cd "$(dirname "$0")/.." && pwd)
init=$tree/tests/lanes/vm_init.sh
modules="virtio_pci virtio_blk virtio_rng 9pnet_virtio 9p overlay crc32c_generic ext4"
mkdir -p "$cache"
exec 9>"$cache/kernel.lock"
flock 9
named() { apt-cache depends --important linux-image-amd64 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1; }
package=$(named)
if [ -z "$package" ]; then
    apt-get update -qq >&2 || true
    package=$(named)
fi
if [ -z "$package" ]; then  # no archive can be reached: what is here already will do
    for package in "$cache"/linux-image-*; do package=${package##*/}; done
fi
kernel=$cache/$package version=${package#linux-image-}

# A bzImage would unpack itself, emulated: ten times as slowly. Its payload is compressed in one of these ways.
extract() {
    while read -r magic program; do
        for offset in $(LC_ALL=C grep -aobP "$magic" "$1" | cut -d: -f1); do
            tail -c "+$((offset + 1))" "$1" | $program 2>/dev/null >"$2" || true  # what follows it is no error
            [ "$(head -c 4 "$2" | tail -c 3)" != ELF ] || return 0
        done
    done <<TABLE
\xfd7zXZ\x00 xz -dc --single-stream
\x28\xb5\x2f\xfd zstd -dc
\x1f\x8b\x08 gzip -dc
TABLE
    echo "vm_kernel: no kernel found in $1" >&2
    return 1
}

if [ ! -d "$kernel" ]; then
    work=$(mktemp -d "$cache/new.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    download() { (cd "$work" && apt-get download -qq -o APT::Sandbox::User=root "$package") >&2; }
    download || { apt-get update -qq >&2 && download; }
    dpkg -x "$work"/*.deb "$work/unpacked"
    [ -d "$work/unpacked/lib" ] || mv "$work/unpacked/usr/lib" "$work/unpacked/lib"
    mkdir "$work/kernel"
    mv "$work/unpacked/lib" "$work/kernel/lib"
    depmod -b "$work/kernel" "$version"
    extract "$work/unpacked/boot/vmlinuz-$version" "$work/kernel/vmlinux"
    mv "$work/kernel" "$kernel"
fi

# What it needs to find its root changes with this repository, and is quickly made.
initramfs=$(mktemp -d)
mkdir -p "$initramfs/bin" "$initramfs/modules" "$initramfs/proc" "$initramfs/dev" "$initramfs/host" "$initramfs/mnt"
cp "$(command -v busybox)" "$initramfs/bin/busybox"
cp "$init" "$initramfs/init"
# shellcheck disable=SC2086  # a list of words
modprobe -d "$kernel" -S "$version" --show-depends -a $modules | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' |
    while read -r module; do
        cp "$module" "$initramfs/modules/"
        echo "${module##*/}" >>"$initramfs/modules/order"
    done
(cd "$initramfs" && find . | busybox cpio -o -H newc 2>/dev/null) >"$kernel/initrd.new"
mv "$kernel/initrd.new" "$kernel/initrd"
rm -rf "$initramfs"
echo "$kernel"
