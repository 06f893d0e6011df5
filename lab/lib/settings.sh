# shellcheck shell=bash disable=SC2034
# Where the lab lives. One machine has one lab, so these are fixed; only the cache may be moved.

repository=$(dirname "$lab_dir")
cache=${EPHEMERA_LAB_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/ephemera-lab}
state=/var/lib/ephemera-lab
runtime=/run/ephemera-lab
# Outside of $runtime: a lock file that is removed while somebody waits for it locks nobody out.
mutex_file=/run/lock/ephemera-lab.mutex
use_file=/run/lock/ephemera-lab.use

node=ephemera-lab
bridge=ephemera0
# An address of lo that is not loopback: the API server refuses to advertise 127.0.0.1, and pods can reach this one.
address=10.99.0.1
pod_subnet=10.244.0.0/24
service_subnet=10.96.0.0/16
dns_address=10.96.0.10
# Of nftables: the policy enforcer's, which names it too.
policy_table=ephemera_lab_policies
kubeconfig=$state/admin.kubeconfig
socket=$runtime/containerd.sock

api_port=6443
etcd_port=12379
etcd_peer_port=12380
dns_port=10053
dns_health_port=10054
dns_ready_port=10055
kubelet_port=10250
kubelet_health_port=10248
proxy_health_port=10256
proxy_metrics_port=10249
controller_manager_port=10257
scheduler_port=10259
policy_health_port=10258
ports=($api_port $etcd_port $etcd_peer_port $dns_port $dns_health_port $dns_ready_port $kubelet_port
  $kubelet_health_port $proxy_health_port $controller_manager_port $scheduler_port $policy_health_port)
