#!/bin/bash
# Runs a command of this repository on another Linux kernel, in QEMU without any privilege of virtualisation: for what the kernel of
# this machine lacks, as IPVS. The machine's own programs and node_modules are copied into an image; nothing of it is changed.
#
#   apt-get install qemu-system-x86 busybox-static ipvsadm ipset kmod cpio e2fsprogs
#   apt-get download linux-image-6.1.0-56-cloud-amd64          # what `apt-cache depends linux-image-cloud-amd64` names
#   libs/linux/testing/kernel-vm.sh linux-image-*.deb \
#     'node node_modules/vitest/vitest.mjs run apps/kube-proxy/src/service-matrix.test.ts -t "services: ipvs" --pool=threads'
#
# The image takes half a minute to make, the machine ten seconds to start, the command some twenty times as long as outside.
set -euo pipefail
package=$(readlink -f "$1")
command=$2
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/kernel-vm.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root

libraries() { # of programs and libraries, as files of the image
  ldd "$@" 2>/dev/null | grep -oE '/[^ ]+\.so[^ :]*' | sort -u | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    [ -e "$root$library" ] || cp -L "$library" "$root$library"
  done
}

programs() {
  for name in bash sh unshare nsenter ip bridge nft ipset ipvsadm conntrack env {ip,ip6}tables{,-save,-restore}; do
    program=$(readlink -f "$(command -v "$name")")
    cp "$program" "$root/bin/$name"
    libraries "$program"
  done
  node=$(readlink -f "$(command -v node)")
  cp "$node" "$root/bin/node"
  libraries "$node"
  for name in mount umount poweroff sleep cat ls grep test modprobe mkdir ln true ps kill uname; do ln -sf busybox "$root/bin/$name"; done
  cp "$(command -v busybox)" "$root/bin/busybox"
  # Extensions that are loaded by name.
  local extensions=/usr/lib/x86_64-linux-gnu/xtables
  mkdir -p "$root$extensions"
  cp -L "$extensions"/*.so "$root$extensions/"
  libraries "$extensions"/*.so
}

filesystem() {
  mkdir -p "$root"/{bin,lib,lib64,usr,proc,sys,dev,tmp,run,etc,root,repository/node_modules}
  ln -s ../bin "$root/usr/bin"
  ln -s ../bin "$root/usr/sbin"
  ln -s bin "$root/sbin"
  programs
  cp /etc/protocols /etc/services "$root/etc/"
  echo '127.0.0.1 localhost' > "$root/etc/hosts"
  echo 'root:x:0:0::/root:/bin/sh' > "$root/etc/passwd"
  cp -r "$work/kernel/lib/modules" "$root/lib/"
  depmod -b "$root" "$release"
  for part in apps libs proto tools package.json tsconfig.json vitest.config.ts; do cp -r "$repository/$part" "$root/repository/"; done
  tar -C "$repository/node_modules" -cf - --exclude=./nx --exclude='./@nx' --exclude='./@typescript' --exclude=./.cache . | tar -C "$root/repository/node_modules" -xf -
  find "$root/repository/node_modules" -name '*linux-x64*.node' | while read -r binding; do libraries "$binding"; done
  echo "$command" > "$root/command.sh"
  cat > "$root/init" <<'INIT'
#!/bin/sh
export PATH=/bin HOME=/root
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs tmp /tmp; mount -t tmpfs run /run; mount -t devtmpfs dev /dev; ln -s /proc/self/fd /dev/fd
ip link set lo up
# Programs in network namespaces cannot load what they use.
for module in ip_vs ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_sh nf_conntrack_netlink nf_tables nft_compat xt_set dummy veth bridge vxlan br_netfilter sctp; do modprobe $module; done
cd /repository
sh /command.sh
echo "kernel-vm: the command ended with $?"
poweroff -f
INIT
  chmod +x "$root/init"
  mke2fs -q -t ext4 -d "$root" "$work/root.img" 4G
}

first_stage() { # mounts the image
  local modules="virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk"
  mkdir -p "$work/first"/{bin,mnt,dev}
  cp "$(command -v busybox)" "$work/first/bin/"
  for module in $modules; do find "$work/kernel" -name "$module.ko" -exec cp {} "$work/first/" \;; done
  cat > "$work/first/init" <<INIT
#!/bin/busybox sh
for module in $modules; do [ -e /\$module.ko ] && /bin/busybox insmod /\$module.ko; done
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t ext4 /dev/vda /mnt
exec /bin/busybox switch_root /mnt /init
INIT
  chmod +x "$work/first/init"
  (cd "$work/first" && find . | cpio -o -H newc --quiet | gzip -1) > "$work/first.gz"
}

dpkg-deb -x "$package" "$work/kernel"
release=$(ls "$work/kernel/lib/modules")
filesystem
first_stage
qemu-system-x86_64 -accel tcg,thread=multi -nographic -nic none -no-reboot -m 3072 -smp 2 \
  -kernel "$work/kernel/boot/vmlinuz-$release" -initrd "$work/first.gz" -drive "file=$work/root.img,if=virtio,format=raw" \
  -append 'console=ttyS0 panic=-1 quiet' | tee "$work/log"
grep -q 'kernel-vm: the command ended with 0' "$work/log"
