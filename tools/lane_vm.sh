#!/bin/sh
# Runs a lane's tests under Debian's ordinary kernel, in an emulated machine (QEMU without KVM) whose root is this
# machine's own, with everything written kept in memory. Usage: as tools/lane_v2.sh   (docs/lanes.md)
set -eu
lane=$1
shift
tree=$(cd "$(dirname "$0")/.." && pwd)
kernel=$("$tree/tools/vm_kernel.sh")
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
printf '%s\n' "$@" >"$results/arguments"
truncate -s 4G "$results/disk"
mkfs.ext4 -q -F -O ^has_journal "$results/disk"
timeout --foreground --signal=KILL 900 qemu-system-x86_64 -accel tcg,thread=multi,tb-size=512 -machine pc,smm=off -cpu max,la57=off \
    -smp 2 -m 3072 -nodefaults -no-user-config -display none -serial stdio -no-reboot \
    -kernel "$kernel/vmlinux" -initrd "$kernel/initrd" -append "console=ttyS0 quiet loglevel=1 panic=-1 mitigations=off pti=off \
        nokaslr no_timer_check random.trust_cpu=on psi=1 lane_tree=$tree lane_kernel=$kernel lane=$lane" \
    -fsdev local,id=root,path=/,security_model=none,readonly=on,multidevs=remap \
    -device virtio-9p-pci,fsdev=root,mount_tag=root \
    -fsdev local,id=results,path="$results",security_model=none -device virtio-9p-pci,fsdev=results,mount_tag=results \
    -drive file="$results/disk",if=virtio,format=raw,cache=unsafe -device virtio-rng-pci </dev/null || true
"$tree/tools/lane_result.sh" "$lane" "$results"
