# shellcheck shell=bash

apply_system () {
  local file
  for file in "$lab_dir"/manifests/*.yaml; do
    # The roles that a binding names are made by the API server shortly after it is ready.
    wait_until 20 in_cluster apply --filename "$file"
  done
}

apply_sample () { sed "s|docker.io/ephemera/sample-app:lab|$reference|" "$1" | in_cluster apply --filename -; }

apply_samples () {
  local file
  for file in "$lab_dir"/samples/*.yaml; do
    # A new namespace takes pods only when its default ServiceAccount has been made.
    wait_until 20 apply_sample "$file"
  done
  for file in "$lab_dir"/samples/*.yaml; do
    in_cluster wait pods --for condition=Ready --timeout 60s --all --namespace "$(basename "$file" .yaml)"
  done
}
