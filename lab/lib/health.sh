# shellcheck shell=bash

in_cluster () { "$bin_dir/kubectl" --kubeconfig $kubeconfig --request-timeout 10s "$@"; }

answers () { curl --silent --fail --insecure --max-time 3 --output /dev/null "$@"; }

api_ready () {
  curl --silent --fail --max-time 3 --output /dev/null --cacert "$pki/ca.crt" --cert "$pki/admin.crt" \
    --key "$pki/admin.key" "https://$address:$api_port/readyz"
}

node_ready () {
  in_cluster get node $node -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' 2> /dev/null | grep -qx True
}

# component_healthy NAME
component_healthy () {
  supervisor_of "$1" > /dev/null || return 1
  case $1 in
    etcd) answers --cert "$pki/etcd.crt" --key "$pki/etcd.key" "https://127.0.0.1:$etcd_port/health" ;;
    containerd) ctr --address $socket --connect-timeout 3s version > /dev/null 2>&1 ;;
    kube-apiserver) api_ready ;;
    kube-controller-manager) answers "https://127.0.0.1:$controller_manager_port/healthz" ;;
    kube-scheduler) answers "https://127.0.0.1:$scheduler_port/healthz" ;;
    kubelet) answers "http://127.0.0.1:$kubelet_health_port/healthz" ;;
    kube-proxy) answers "http://127.0.0.1:$proxy_health_port/healthz" ;;
    coredns) answers "http://127.0.0.1:$dns_ready_port/ready" ;;
    policy-enforcer) answers "http://127.0.0.1:$policy_health_port/" ;;
  esac
}

is_healthy () {
  local component
  for component in "${components[@]}"; do
    component_healthy "$component" || return 1
  done
  node_ready
}

# The version file is written last by up, and removed first by down.
is_running () { [ -e $state/version ] && supervisor_of kube-apiserver > /dev/null; }
