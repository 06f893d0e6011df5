# shellcheck shell=bash

lab_status () {
  local component healthy=yes state_of
  if ! [ -e $state ] || [ -z "$(marked_processes)" ]; then
    echo 'the lab is not running'
    exit 3
  fi
  echo "version     $(running_version) (this checkout: $(lab_version))"
  echo "kubeconfig  $kubeconfig"
  for component in "${components[@]}"; do
    state_of=healthy
    component_healthy "$component" || { state_of=UNHEALTHY; healthy=no; }
    printf '%-11s %s, pid %s\n' "${component#kube-}" $state_of "$(supervisor_of "$component" || echo none)"
  done
  node_ready || healthy=no
  echo "node        $(in_cluster get node $node --no-headers 2>&1)"
  echo 'used by'
  users | sed 's/^/  /'
  [ $healthy = yes ]
}

print_kubeconfig () {
  [ -e $kubeconfig ] || die 'the lab is not running: lab.sh up'
  echo $kubeconfig
}
