#!/usr/bin/env bash
# Brings up a real single-node Kubernetes on this machine, for tests, demo and benchmarks. See lab/README.md.
set -Eeuo pipefail
trap 'printf "lab: error: %s:%s: %s\n" "${BASH_SOURCE[0]}" "$LINENO" "$BASH_COMMAND" >&2' ERR

lab_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/settings.sh
. "$lab_dir/lib/settings.sh"
# shellcheck source=lib/log.sh
. "$lab_dir/lib/log.sh"
# shellcheck source=lib/givens.sh
. "$lab_dir/lib/givens.sh"
# shellcheck source=lib/packages.sh
. "$lab_dir/lib/packages.sh"
# shellcheck source=lib/programs.sh
. "$lab_dir/lib/programs.sh"
# shellcheck source=lib/buildah.sh
. "$lab_dir/lib/buildah.sh"
# shellcheck source=lib/base-images.sh
. "$lab_dir/lib/base-images.sh"
# shellcheck source=lib/images.sh
. "$lab_dir/lib/images.sh"
# shellcheck source=lib/lock.sh
. "$lab_dir/lib/lock.sh"
# shellcheck source=lib/version.sh
. "$lab_dir/lib/version.sh"
# shellcheck source=lib/certificates.sh
. "$lab_dir/lib/certificates.sh"
# shellcheck source=lib/configuration.sh
. "$lab_dir/lib/configuration.sh"
# shellcheck source=lib/network.sh
. "$lab_dir/lib/network.sh"
# shellcheck source=lib/cgroups.sh
. "$lab_dir/lib/cgroups.sh"
# shellcheck source=lib/processes.sh
. "$lab_dir/lib/processes.sh"
# shellcheck source=lib/components.sh
. "$lab_dir/lib/components.sh"
# shellcheck source=lib/health.sh
. "$lab_dir/lib/health.sh"
# shellcheck source=lib/samples.sh
. "$lab_dir/lib/samples.sh"
# shellcheck source=lib/up.sh
. "$lab_dir/lib/up.sh"
# shellcheck source=lib/down.sh
. "$lab_dir/lib/down.sh"
# shellcheck source=lib/status.sh
. "$lab_dir/lib/status.sh"

usage () {
  cat <<'TEXT'
Usage: lab.sh COMMAND

  build               install what is missing, build programs and images; nothing is built twice
  up                  bring the lab up, or use the one that runs if it is the same version and healthy
  down [--force]      take it down and leave nothing behind; refused while somebody uses it
  status              health, version, components, users; exit 0 healthy, 1 unhealthy, 3 not running
  hold -- COMMAND     bring the lab up and run COMMAND; until it ends, nobody can take the lab down
  images              print the image references of this checkout as JSON; builds and imports what is missing
  image NAME          the same for one image (toolbox, toolbox-test, sample-app, pause, service): prints its reference
  kubeconfig          print the path of the administrator's kubeconfig
  bin                 print the folder of the programs (kubectl, helm, versitygw, kube-apiserver ...); builds what is missing
  givens              check what the lab needs of this machine

Environment: EPHEMERA_LAB_CACHE (default ~/.cache/ephemera-lab) keeps programs and images between labs.
TEXT
}

command=${1:---help}
[ $# -eq 0 ] || shift
case $command in
  build) build_all ;;
  up) lab_up ;;
  down) lab_down "$@" ;;
  status) lab_status ;;
  hold) hold_lab "$@" ;;
  images) print_images ;;
  image) print_image "$@" ;;
  kubeconfig) print_kubeconfig ;;
  bin) check_givens && build_programs && echo "$bin_dir" ;;
  givens) check_givens && say 'all givens are met' ;;
  -h | --help | help) usage ;;
  *) usage >&2; die "unknown command '$command'" ;;
esac
