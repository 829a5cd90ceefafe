#!/usr/bin/env bash
# Makes the images that infra/Dockerfile and infra/compose.yaml start from, under their usual names, on a machine that
# cannot pull any: node from this repository's packages, nats-server, a shell, sleep, nft, ip, conntrack and (where it is) iptables from this machine,
# with the libraries they need. Does nothing for an image that is there or can be pulled.
#   DOCKER=docker infra/base-image.sh
#   REAL=1 infra/base-image.sh            # also with what a node of containerd needs (profile real)
set -euo pipefail
docker="${DOCKER:-docker}"
root="$(cd "$(dirname "$0")/.." && pwd)"

have() { "$docker" image inspect "$1" >/dev/null 2>&1; }
pull() { timeout 60 "$docker" pull -q "$1" >/dev/null 2>&1; }

# Is it one of ours, made before a node of containerd was asked for?
lacks_real() { [ -n "${REAL:-}" ] && [ "$("$docker" image inspect -f '{{range $name, $value := .Config.Labels}}{{$name}}={{$value}} {{end}}' "$1")" = "orrery.dev/base= " ]; }

# Copies a program with its libraries and loader into a root file system.
add() {
  local rootfs="$1" program="$2" target="$3"
  install -D -m 0755 "$program" "$rootfs$target"
  # A static program has none.
  { ldd "$program" 2>/dev/null || true; } | { grep -o '/[^ ]*' || true; } | while read -r library; do
    install -D -m 0755 "$library" "$rootfs$library"
  done
}

# iptables (its nft back end) with its extensions, where this machine has it: kube-proxy falls back to nftables without.
add_iptables() {
  local rootfs="$1" program extensions link
  program="$(PATH="$PATH:/usr/sbin:/sbin" command -v xtables-nft-multi)" || return 0
  # It looks for them under /usr, whatever way its libraries are found.
  extensions="$(dirname "$(ldd "$program" | awk '$1 ~ /^libxtables/ { print $3 }')")/xtables"
  extensions="/usr${extensions#/usr}"
  [ -d "$extensions" ] || return 0
  add "$rootfs" "$program" /usr/sbin/xtables-nft-multi
  mkdir -p "$rootfs$extensions"
  cp "$extensions"/*.so "$rootfs$extensions/"
  for link in iptables iptables-restore iptables-save ip6tables ip6tables-restore ip6tables-save; do ln -sf xtables-nft-multi "$rootfs/usr/sbin/$link"; done
}

skeleton() {
  local rootfs="$1"
  mkdir -p "$rootfs"/{tmp,etc,proc,sys,dev,run,var/tmp,root}
  chmod 1777 "$rootfs/tmp" "$rootfs/var/tmp"
  printf 'root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n' > "$rootfs/etc/passwd"
  printf 'root:x:0:\nnode:x:1000:\n' > "$rootfs/etc/group"
  printf 'hosts: files dns\n' > "$rootfs/etc/nsswitch.conf"
  add "$rootfs" "$(readlink -f /bin/sh)" /bin/sh
  add "$rootfs" "$(readlink -f "$(command -v sleep)")" /bin/sleep
  add "$rootfs" "$(readlink -f "$(command -v readlink)")" /bin/readlink
  for library in libnss_files.so.2 libnss_dns.so.2 libresolv.so.2; do
    local path
    path="$(ldconfig -p | awk -v l="$library" '$1 == l && !found { print $NF; found = 1 }')"
    [ -z "$path" ] || install -D -m 0755 "$path" "$rootfs$path"
  done
}

import_image() {
  local rootfs="$1" name="$2"
  tar -C "$rootfs" -c . | "$docker" import --change 'ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' --change "LABEL orrery.dev/base=${REAL:+real}" - "$name" >/dev/null
  echo "made $name from this machine's files"
}

make_node() {
  local name="node:24-bookworm-slim" rootfs node tool path
  if { have "$name" && ! lacks_real "$name"; } || pull "$name"; then return; fi
  node="$(readlink -f "$root/node_modules/.bin/node" 2>/dev/null || command -v node)"
  rootfs="$(mktemp -d)"
  skeleton "$rootfs"
  add "$rootfs" "$node" /usr/local/bin/node
  for tool in nft ip conntrack; do
    path="$(PATH="$PATH:/usr/sbin:/sbin" command -v "$tool")" || { echo "$tool is needed to make $name: apt-get install nftables iproute2 conntrack" >&2; exit 1; }
    add "$rootfs" "$path" "/usr/sbin/$tool"
  done
  add_iptables "$rootfs"
  if [ -n "${REAL:-}" ]; then
    for tool in containerd containerd-shim-runc-v2 runc ctr mount flock sed cut cat basename mkdir rm ln ls grep mv cp id hostname env; do
      path="$(PATH="$PATH:/usr/sbin:/sbin" command -v "$tool")" || { echo "$tool is needed for the profile real: apt-get install containerd runc" >&2; exit 1; }
      add "$rootfs" "$(readlink -f "$path")" "/usr/bin/$tool"
    done
  fi
  import_image "$rootfs" "$name"
  rm -rf "$rootfs"
}

make_nats() {
  local name="nats:2.10-alpine" rootfs
  if have "$name" || pull "$name"; then return; fi
  command -v nats-server >/dev/null || { echo "nats-server is needed to make $name: apt-get install nats-server" >&2; exit 1; }
  rootfs="$(mktemp -d)"
  skeleton "$rootfs"
  add "$rootfs" "$(command -v nats-server)" /usr/local/bin/nats-server
  import_image "$rootfs" "$name"
  rm -rf "$rootfs"
}

make_node
make_nats
