#!/bin/sh
# A node of real containers: containerd, and the kubelet over it, in one container that may mount, and make namespaces and cgroups.
set -eu
# The engine mounts these read-only; pods' cgroups and sysctls are made below.
for mounted in /proc/sys /sys/fs/cgroup /sys/fs/cgroup/*; do
  mount -o remount,bind,rw "$mounted" 2>/dev/null || true
done
# With cgroups of version 2 the first group may have children or processes, not both.
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir -p /sys/fs/cgroup/init
  for pid in $(cat /sys/fs/cgroup/cgroup.procs); do echo "$pid" > /sys/fs/cgroup/init/cgroup.procs 2>/dev/null || true; done
  for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$controller" > /sys/fs/cgroup/cgroup.subtree_control 2>/dev/null || true; done
fi
# The network plugin and containerd know the same directory by two names.
[ -L /var/run ] || { rm -rf /var/run && ln -s /run /var/run; }
mkdir -p /etc/cni/net.d /run/netns /run/containerd
# What the last run left: its pods are gone with its namespaces.
rm -rf /var/lib/orrery-cni /run/containerd/*
mount --make-rshared /
containerd --config /opt/orrery/real/containerd.toml --log-level warn &
containerd=$!
until ctr -a /run/containerd/containerd.sock version >/dev/null 2>&1; do
  kill -0 "$containerd" 2>/dev/null || exit 1
  sleep 0.2
done
node /opt/orrery/kubelet/main.js "$@" &
kubelet=$!
trap 'kill "$kubelet" "$containerd" 2>/dev/null || true' TERM INT
# When one of them ends the container does, and the engine starts it anew.
while kill -0 "$containerd" 2>/dev/null && kill -0 "$kubelet" 2>/dev/null; do
  sleep 1 &
  wait $! || true
done
kill "$kubelet" "$containerd" 2>/dev/null || true
wait
exit 1
