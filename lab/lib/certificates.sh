# shellcheck shell=bash
# The lab's own certificate authority and the kubeconfigs of its components. New with every lab.

pki=$state/pki

write_certificates () {
  mkdir -p "$pki"
  new_key ca
  openssl req -x509 -new -key "$pki/ca.key" -out "$pki/ca.crt" -days 3650 -subj /CN=ephemera-lab \
    -addext keyUsage=critical,keyCertSign,cRLSign
  new_key service-accounts
  certificate etcd /CN=etcd serverAuth,clientAuth IP:127.0.0.1,DNS:localhost
  certificate api-server /CN=kube-apiserver serverAuth \
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,IP:10.96.0.1,IP:$address"
  certificate kubelet-client /CN=kube-apiserver-kubelet-client clientAuth
  certificate node "/O=system:nodes/CN=system:node:$node" clientAuth,serverAuth "DNS:$node,IP:$address"
  certificate admin /O=system:masters/CN=admin clientAuth
  certificate controller-manager /CN=system:kube-controller-manager clientAuth
  certificate scheduler /CN=system:kube-scheduler clientAuth
  certificate proxy /CN=system:kube-proxy clientAuth
  certificate coredns /CN=system:coredns clientAuth
  certificate policy-enforcer /CN=system:policy-enforcer clientAuth
  local user
  for user in admin node controller-manager scheduler proxy coredns policy-enforcer; do
    write_kubeconfig "$user"
  done
}

# EC keys: a dozen RSA keys cost seconds. In SEC 1 form: the API server reads no public key from PKCS 8.
new_key () { openssl ecparam -name prime256v1 -genkey -noout -out "$pki/$1.key"; }

# certificate NAME SUBJECT USAGES [ALTERNATIVE NAMES]
certificate () {
  new_key "$1"
  openssl req -new -key "$pki/$1.key" -subj "$2" | openssl x509 -req -CA "$pki/ca.crt" -CAkey "$pki/ca.key" \
    -CAcreateserial -out "$pki/$1.crt" -days 3650 \
    -extfile <(printf 'extendedKeyUsage=%s\n%s\n' "$3" "${4:+subjectAltName=$4}")
}

# Everything is in the file itself, so that it works from wherever it is copied to.
write_kubeconfig () {
  cat > "$state/$1.kubeconfig" <<TEXT
apiVersion: v1
kind: Config
clusters:
- name: ephemera-lab
  cluster: {server: "https://$address:$api_port", certificate-authority-data: $(base64 -w 0 "$pki/ca.crt")}
users:
- name: $1
  user: {client-certificate-data: $(base64 -w 0 "$pki/$1.crt"), client-key-data: $(base64 -w 0 "$pki/$1.key")}
contexts:
- name: ephemera-lab
  context: {cluster: ephemera-lab, user: $1}
current-context: ephemera-lab
TEXT
}
