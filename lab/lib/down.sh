# shellcheck shell=bash

lab_down () {
  [ "$(id -u)" = 0 ] || die 'needs root'
  lock_mutex
  if [ "${1:-}" != --force ] && in_use; then
    die "the lab is in use (lab.sh down --force takes it down all the same) by:
$(users)"
  fi
  step 'taking the lab down' remove_lab
}

# Also cleans up after a lab that died half way, so nothing here relies on what should be there.
remove_lab () {
  rm -f $state/version
  kill_all marked_processes
  kill_all container_processes
  unmount_all
  restore_network
  wait_until 10 remove_cgroups || die 'cannot remove the cgroups below /ephemera-lab'
  local left
  left=$(leftovers)
  # Its notes on what the host was like stay until nothing is left: a second try needs them.
  [ -z "$left" ] || die "left behind: $left"
  rm -rf --one-file-system $state $runtime
  remove_fixed_folders
}

unmount_all () {
  local target
  mounts | LC_ALL=C sort -r | while read -r target; do
    umount --lazy "$(printf '%b' "$target")"
  done
}

mounts () { findmnt --raw --noheadings --output TARGET | grep -E "^($state|$runtime)/" || true; }

# The kubelet and libcni write here whatever they are told. Others may too, so only what is empty goes.
remove_fixed_folders () {
  rmdir --ignore-fail-on-non-empty /var/lib/kubelet/device-plugins /var/lib/kubelet /var/lib/cni/results /var/lib/cni \
    /var/log/containers 2> /dev/null || true
}

leftovers () {
  marked_processes
  container_processes
  mounts
  ip -brief link show | grep -w $bridge || true
  ip -brief address show | grep -wF $address || true
  iptables-save 2> /dev/null | grep -E -- '-A .*(KUBE-|ephemera-lab)' || true
  nft list tables 2> /dev/null | grep -w $policy_table || true
}
