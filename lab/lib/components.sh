# shellcheck shell=bash
# The programs of the control plane and the node, in the order in which they are started.

components=(etcd containerd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy coredns policy-enforcer)

start_control_plane () {
  start etcd etcd --data-dir $state/etcd --unsafe-no-fsync --logger zap --log-level warn \
    --listen-client-urls https://127.0.0.1:$etcd_port --advertise-client-urls https://127.0.0.1:$etcd_port \
    --listen-peer-urls https://127.0.0.1:$etcd_peer_port --initial-advertise-peer-urls https://127.0.0.1:$etcd_peer_port \
    --initial-cluster default=https://127.0.0.1:$etcd_peer_port \
    --client-cert-auth --trusted-ca-file "$pki/ca.crt" --cert-file "$pki/etcd.crt" --key-file "$pki/etcd.key" \
    --peer-client-cert-auth --peer-trusted-ca-file "$pki/ca.crt" --peer-cert-file "$pki/etcd.crt" --peer-key-file "$pki/etcd.key"
  start containerd containerd --config $state/containerd.toml
  start_api_server
}

start_node () {
  wait_until 60 api_ready || die "the API server does not get ready: see $state/log/kube-apiserver.log"
  start_with_kubeconfig kube-controller-manager controller-manager --leader-elect=false --bind-address=127.0.0.1 \
    --service-account-private-key-file="$pki/service-accounts.key" --root-ca-file="$pki/ca.crt" \
    --use-service-account-credentials=true
  start_with_kubeconfig kube-scheduler scheduler --leader-elect=false --bind-address=127.0.0.1
  start kubelet "$bin_dir/kubelet" --config=$state/kubelet.yaml --kubeconfig=$state/node.kubeconfig \
    --root-dir=$state/kubelet --hostname-override=$node --node-ip=$address
  start kube-proxy "$bin_dir/kube-proxy" --config=$state/proxy.yaml
  start coredns "$bin_dir/coredns" -conf $state/Corefile
  start policy-enforcer "$bin_dir/policy-enforcer" -kubeconfig $state/policy-enforcer.kubeconfig -health 127.0.0.1:$policy_health_port
}

start_api_server () {
  start kube-apiserver "$bin_dir/kube-apiserver" --bind-address=$address --advertise-address=$address \
    --secure-port=$api_port --etcd-servers=https://127.0.0.1:$etcd_port --etcd-cafile="$pki/ca.crt" \
    --etcd-certfile="$pki/etcd.crt" --etcd-keyfile="$pki/etcd.key" \
    --tls-cert-file="$pki/api-server.crt" --tls-private-key-file="$pki/api-server.key" --client-ca-file="$pki/ca.crt" \
    --kubelet-client-certificate="$pki/kubelet-client.crt" --kubelet-client-key="$pki/kubelet-client.key" \
    --kubelet-certificate-authority="$pki/ca.crt" --kubelet-preferred-address-types=InternalIP,Hostname \
    --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$pki/service-accounts.key" \
    --service-account-signing-key-file="$pki/service-accounts.key" --service-cluster-ip-range=$service_subnet \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction,PodSecurity --allow-privileged=true \
    --endpoint-reconciler-type=lease --profiling=false
}

# start_with_kubeconfig NAME USER ARGUMENT…
start_with_kubeconfig () {
  local name=$1 file=$state/$2.kubeconfig; shift 2
  start "$name" "$bin_dir/$name" --kubeconfig="$file" --authentication-kubeconfig="$file" \
    --authorization-kubeconfig="$file" "$@"
}
