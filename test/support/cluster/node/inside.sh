#!/bin/bash
# The first process of a node: mounts, network, then the programs. It runs in namespaces of its own (mount, network, PID,
# UTS, IPC, cgroup), so that nothing of this reaches the machine, and that its end is the end of all of it.
# From node.ts: DIR, BIN (Kubernetes), TOOLS (Debian's), IP, PODS (the first three numbers), CONTROLLERS (of cgroup v1).
set -euo pipefail
cd "$DIR"
PATH=$BIN:$TOOLS/usr/sbin:$TOOLS/usr/bin:$PATH
LD_LIBRARY_PATH=$(echo "$TOOLS"/usr/lib/*-linux-gnu)
export PATH LD_LIBRARY_PATH
unset KUBECONFIG
mkdir -p kubelet containerd log

# Places that the programs insist on: empty ones of our own.
mount --make-rshared /
for place in /run /var/log /var/lib; do mount -t tmpfs tmpfs "$place"; done
mkdir -p /run/netns /run/lock
mount --bind kubelet kubelet
mount --make-rshared kubelet

# Control groups below the one that we were put into: to the programs it is the root.
umount --lazy --recursive /sys
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
for controller in $CONTROLLERS; do
  group=/sys/fs/cgroup/${controller#name=}
  mkdir -p "$group"
  case $controller in
    name=*) mount -t cgroup -o "none,$controller" cgroup "$group" ;;
    *) mount -t cgroup -o "$controller" cgroup "$group" ;;
  esac
done

# Settings of the whole machine that kubelet and kube-proxy would change: they find what they want in a file of ours.
pretend() {
  [ -e "/proc/sys/$1" ] || return 0
  local file="$DIR/sysctl.${1//\//.}"
  echo "$2" > "$file"
  mount --bind "$file" "/proc/sys/$1"
}
pretend vm/overcommit_memory 1
pretend vm/panic_on_oom 0
pretend kernel/panic 10
pretend kernel/panic_on_oops 1
pretend kernel/keys/root_maxkeys 1000000
pretend kernel/keys/root_maxbytes 25000000
hostname worktide

ip link set lo up
touch want-network
until [ -e have-network ]; do sleep 0.05; done
ip addr add "$IP/30" dev machine
ip link set machine up
ip link add pods type bridge
ip addr add "$PODS.1/24" dev pods
ip link set pods up
echo 1 > /proc/sys/net/ipv4/ip_forward
[ ! -e /proc/sys/net/bridge/bridge-nf-call-iptables ] || echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables

run() {
  local name=$1
  shift
  "$@" > "log/$name.log" 2>&1 &
}
# Each program's arguments, one a line, in a file with its name.
flags() { mapfile -t FLAGS < "flags/$1"; }
start() {
  flags "$1"
  run "$1" "$1" "${FLAGS[@]}"
}
start containerd
start etcd
start kube-apiserver
until kubectl --kubeconfig=kubeconfig get --raw /readyz > /dev/null 2>&1; do sleep 0.2; done
for program in kube-controller-manager kube-scheduler kube-proxy coredns kubelet; do start "$program"; done
touch started
while :; do
  sleep 3600 &
  wait $! || true
done
