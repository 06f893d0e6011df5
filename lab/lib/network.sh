# shellcheck shell=bash
# What the lab changes on the host's network and kernel settings, and how it is taken back.

# kube-proxy and the kubelet set these for the whole machine.
changed_settings=(net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables net.bridge.bridge-nf-call-ip6tables
  vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys
  kernel.keys.root_maxbytes net.netfilter.nf_conntrack_tcp_timeout_established
  net.netfilter.nf_conntrack_tcp_timeout_close_wait)

prepare_network () {
  modprobe -a overlay br_netfilter 2> /dev/null || [ -e /proc/sys/net/bridge ] \
    || die 'the kernel lacks br_netfilter, which Services need'
  [ -e $state/settings ] || sysctl --ignore "${changed_settings[@]}" > $state/settings 2> /dev/null
  [ -e $state/tables ] || nft list tables > $state/tables
  sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
  has_address || ip address add $address/32 dev lo
  each_rule accept_rule
}

# Not through grep -q: it ends at the first match, and pipefail then takes the writer's SIGPIPE for a "no".
has_address () { [ -n "$(ip -brief address show dev lo to $address/32)" ]; }

# Machines with Docker or a firewall drop what is forwarded or comes in from bridges that they do not know.
each_rule () {
  "$1" FORWARD -i $bridge
  "$1" FORWARD -o $bridge
  "$1" INPUT -i $bridge
}

accept_rule () { iptables -w -C "$@" -m comment --comment ephemera-lab -j ACCEPT 2> /dev/null \
  || iptables -w -I "$@" -m comment --comment ephemera-lab -j ACCEPT; }

forget_rule () {
  while iptables -w -D "$@" -m comment --comment ephemera-lab -j ACCEPT 2> /dev/null; do :; done
}

restore_network () {
  ! ip link show dev $bridge > /dev/null 2>&1 || ip link delete dev $bridge
  ! nft list table inet $policy_table > /dev/null 2>&1 || nft delete table inet $policy_table
  remove_rules
  ! has_address || ip address delete $address/32 dev lo
  [ ! -s $state/settings ] || sysctl -q -p $state/settings > /dev/null 2>&1 || say 'cannot restore every kernel setting'
}

# Only where the lab has run: another Kubernetes' chains have the same names.
remove_rules () {
  [ -e $state/tables ] || return 0
  each_rule forget_rule
  # On a machine where no lab was built there is nothing of kube-proxy's either.
  [ ! -x "$bin_dir/kube-proxy" ] || "$bin_dir/kube-proxy" --cleanup > /dev/null 2>&1 \
    || say 'kube-proxy could not remove all of its rules'
  local program table
  for program in iptables ip6tables; do
    for table in filter nat mangle; do remove_chains "$program" "$table"; done
  done
  local kind family
  while read -r kind family table; do
    grep -qx "$kind $family $table" $state/tables || remove_if_empty "$family" "$table"
  done < <(nft list tables)
}

# remove_chains PROGRAM TABLE: what kube-proxy leaves (KUBE-FIREWALL, its canaries), and what it left half done when it was killed.
remove_chains () {
  local rules rule chain chains
  rules=$("$1-save" -t "$2" 2> /dev/null) || return 0
  { grep -E '^-A [A-Z]+ .*-j KUBE-' <<< "$rules" || true; } | while read -r rule; do
    # xargs reads the quotes of iptables-save.
    xargs "$1" -w -t "$2" -D <<< "${rule#-A }"
  done
  mapfile -t chains < <(sed -nE 's/^:(KUBE-\S+) .*/\1/p' <<< "$rules")
  for chain in "${chains[@]}"; do "$1" -w -t "$2" -F "$chain"; done
  for chain in "${chains[@]}"; do "$1" -w -t "$2" -X "$chain"; done
}

# iptables makes its tables on first use. One that came with the lab goes with it, if nobody else has put a rule there.
remove_if_empty () {
  case $2 in filter | nat | mangle | raw) ;; *) return 0 ;; esac
  nft -j list table "$1" "$2" | jq -e '[.nftables[] | select(.rule)] == []' > /dev/null || return 0
  nft delete table "$1" "$2"
}
