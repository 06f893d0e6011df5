# shellcheck shell=bash
# Debian packages, asked for by the program: a machine with Docker has its own containerd, which apt would replace.

package_of=(
  etcd:etcd-server containerd:containerd ctr:containerd runc:runc /usr/lib/cni/bridge:containernetworking-plugins
  iptables:iptables ip6tables:iptables nft:nftables ipset:ipset conntrack:conntrack ip:iproute2 ss:iproute2
  sysctl:procps flock:util-linux setpriv:util-linux findmnt:util-linux modprobe:kmod openssl:openssl jq:jq curl:curl git:git
  buildah:buildah mmdebstrap:mmdebstrap /usr/share/keyrings/debian-archive-keyring.gpg:debian-archive-keyring
  redis-server:redis-server update-ca-certificates:ca-certificates tcpdump:tcpdump
)

install_packages () {
  local entry packages=()
  for entry in "${package_of[@]}"; do
    has_program "${entry%%:*}" || packages+=("${entry##*:}")
  done
  [ ${#packages[@]} -gt 0 ] || return 0
  mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
  step 'apt-get update' apt-get update
  step "apt-get install ${packages[*]}" without_services \
    env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}"
}

has_program () {
  case $1 in /*) [ -e "$1" ] ;; *) command -v "$1" > /dev/null || [ -x "/usr/sbin/$1" ] ;; esac
}

# The packages of etcd, containerd and Redis start services of their own, which nobody asked for.
without_services () (
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' > $policy
    chmod +x $policy
  fi
  "$@"
)
