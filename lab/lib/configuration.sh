# shellcheck shell=bash
# Configuration files of the node's programs, all under $state: nothing is written into /etc.

# restrict_oom_score_adj: without CAP_SYS_RESOURCE runc dies of "can't get final child's PID from pipe".
# netns_mounts_under_state_dir: an "ip netns add" on the host rebinds /run/netns, and sandboxes there can no more be removed.
# enable_unprivileged_icmp: the default of newer versions; ping works without NET_RAW.
write_configuration () {
  mkdir -p $state/cni
  cat > $state/containerd.toml <<TEXT
version = 2
root = "$state/containerd"
state = "$runtime/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "$socket"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$1"
  restrict_oom_score_adj = true
  enable_unprivileged_icmp = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$state/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
TEXT
  # No masquerading: pods reach the node and each other, and nothing outside of the machine.
  cat > $state/cni/10-lab.conflist <<TEXT
{"cniVersion": "0.4.0", "name": "ephemera-lab", "plugins": [{
  "type": "bridge", "bridge": "$bridge", "isGateway": true, "ipMasq": false, "hairpinMode": true,
  "ipam": {"type": "host-local", "dataDir": "$runtime/addresses", "ranges": [[{"subnet": "$pod_subnet"}]],
    "routes": [{"dst": "0.0.0.0/0"}]}
}]}
TEXT
  echo "nameserver $dns_address" > $state/resolv.conf
  cat > $state/kubelet.yaml <<TEXT
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $address
port: $kubelet_port
healthzBindAddress: 127.0.0.1
healthzPort: $kubelet_health_port
authentication: {x509: {clientCAFile: $pki/ca.crt}, webhook: {enabled: true}, anonymous: {enabled: false}}
authorization: {mode: Webhook}
tlsCertFile: $pki/node.crt
tlsPrivateKeyFile: $pki/node.key
containerRuntimeEndpoint: unix://$socket
cgroupDriver: cgroupfs
cgroupRoot: /ephemera-lab
podLogsDir: $state/pod-logs
volumePluginDir: $state/volume-plugins
clusterDNS: [$dns_address]
clusterDomain: cluster.local
resolvConf: $state/resolv.conf
failSwapOn: false
failCgroupV1: false
makeIPTablesUtilChains: false
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
maxPods: 200
serializeImagePulls: false
TEXT
  # localhostNodePorts would switch on route_localnet for the whole machine.
  cat > $state/proxy.yaml <<TEXT
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
iptables: {localhostNodePorts: false}
clusterCIDR: $pod_subnet
hostnameOverride: $node
healthzBindAddress: 127.0.0.1:$proxy_health_port
metricsBindAddress: 127.0.0.1:$proxy_metrics_port
nodePortAddresses: [$address/32]
clientConnection: {kubeconfig: $state/proxy.kubeconfig}
conntrack: {maxPerCore: 0, min: 0}
TEXT
  write_corefile
}

# A block for each zone: within one block, a template answers before the plugin kubernetes is asked. There is no internet in
# the lab, so other names do not exist, and three zones answer as tests need it.
write_corefile () {
  cat > $state/Corefile <<TEXT
(common) {
  bind $address
  errors
  cache 5
}
cluster.local:$dns_port in-addr.arpa:$dns_port ip6.arpa:$dns_port {
  import common
  health 127.0.0.1:$dns_health_port
  ready 127.0.0.1:$dns_ready_port
  loadbalance
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    kubeconfig $state/coredns.kubeconfig
    pods verified
    ttl 5
  }
}
lab.test:$dns_port {
  import common
  file $state/lab.test.zone
}
servfail.test:$dns_port {
  import common
  template ANY ANY {
    rcode SERVFAIL
  }
}
refused.test:$dns_port {
  import common
  template ANY ANY {
    rcode REFUSED
  }
}
.:$dns_port {
  import common
  template ANY ANY {
    rcode NXDOMAIN
    authority ". 5 IN SOA ns.lab.test. nobody.lab.test. 1 60 60 60 5"
  }
}
TEXT
  cp "$lab_dir/manifests/lab.test.zone" $state/lab.test.zone
}
