#!/usr/bin/env bash
# The main job on real input: sets everything up, launches two diagnostics, shows what they found, and serves until Ctrl-C.
set -euo pipefail
# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

usage () {
  cat <<'TEXT'
Usage: npm run demo -- [options]

Brings up a real single-node Kubernetes on this machine (root on Linux), starts Ephemera beside it, and looks into the pod shop/web.

  --once                end with 0 after the two diagnostics instead of serving until Ctrl-C
  --port N              port to serve on (default 8090)
  --context NAME --namespace NS --pod POD
                        use this cluster, namespace and pod of yours instead of the lab; nothing else is touched
  --image REFERENCE     with --context: the toolbox image as repository@sha256:…, from a registry your cluster pulls from
                        (default: the one built from this checkout, which your cluster must be able to find)
  -h, --help            this text

EPHEMERA_TOKEN sets the token of the API instead of a made-up one.
TEXT
}

for argument in "$@"; do
  case $argument in
    -h | --help) usage; exit 0 ;;
    --context | --context=*) own_cluster=yes ;;
  esac
done

if [ -z "${own_cluster:-}" ] && { [ "$(uname -s)" != Linux ] || [ "$(id -u)" != 0 ]; }; then
  say 'error: The lab needs root on Linux, and no other cluster was named.'
  say 'Either run this as root on a Linux machine, or name a pod of a cluster of yours:'
  say '  npm run demo -- --context NAME --namespace NS --pod POD [--image REFERENCE]'
  exit 1
fi

install_dependencies
generate_client
if [ -n "${own_cluster:-}" ]; then
  exec node scripts/demo.ts "$@"
fi
bash lab/lab.sh build
exec bash lab/lab.sh hold -- node scripts/demo.ts "$@"
