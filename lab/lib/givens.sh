# shellcheck shell=bash
# What the lab cannot install by itself.

check_givens () {
  local missing=()
  [ "$(uname -s)" = Linux ] || missing+=("Linux (this is $(uname -s))")
  [ "$(uname -m)" = x86_64 ] || missing+=("an x86-64 machine (this is $(uname -m))")
  [ "$(id -u)" = 0 ] || missing+=("root (containers, network and mounts are made by hand)")
  command -v apt-get > /dev/null || missing+=("apt (Debian or Ubuntu)")
  has_go 1 24 || missing+=("Go 1.24 or newer in PATH ($(go env GOVERSION 2> /dev/null || echo 'none found'))")
  command -v npm > /dev/null || missing+=("npm in PATH (the Node base image is made of npm packages)")
  [ ${#missing[@]} -eq 0 ] && return
  {
    echo 'lab: error: this machine cannot run the lab; it lacks:'
    printf '  - %s\n' "${missing[@]}"
    echo 'Another cluster works as well, and only what you name is touched:'
    echo '  npm run demo -- --context NAME --namespace NAMESPACE --pod POD'
  } >&2
  exit 1
}

# has_go MAJOR MINOR
has_go () {
  local version
  version=$(go env GOVERSION 2> /dev/null) || return 1
  [[ $version =~ ^go([0-9]+)\.([0-9]+) ]] || return 1
  ((BASH_REMATCH[1] > $1 || (BASH_REMATCH[1] == $1 && BASH_REMATCH[2] >= $2)))
}

# A second Kubernetes on the same machine would share ports and the KUBE-* chains of iptables.
check_ports () {
  local port owner busy=()
  for port in "${ports[@]}"; do
    owner=$(ss -Hlntp "sport = :$port" | sed -nE 's/.*users:\(\("([^"]+)",pid=([0-9]+).*/\1 (pid \2)/p' | head -n 1)
    [ -z "$owner" ] || busy+=("$port: $owner")
  done
  [ ${#busy[@]} -eq 0 ] || die "ports of the lab are taken by other programs: ${busy[*]}"
}
