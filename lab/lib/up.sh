# shellcheck shell=bash

build_all () {
  prepare_images
  build_programs
  local name
  for name in "${image_names[@]}"; do ensure_image "$name"; done
  unlock_cache
}

# Keeps the mutex, so that hold_lab can take the use lock before somebody else takes the lab down.
lab_up () {
  local from=$EPOCHREALTIME version
  check_givens
  install_packages
  lock_mutex
  version=$(lab_version)
  if [ "$(running_version)" = "$version" ] && repair; then
    say "the lab is up: $(seconds_since "$from"); export KUBECONFIG=$kubeconfig"
    return
  fi
  refuse_if_in_use
  build_for_up
  from=$EPOCHREALTIME
  remove_lab
  bring_up
  echo "$version" > $state/version
  say "the lab is up: $(seconds_since "$from"); export KUBECONFIG=$kubeconfig"
}

# A lab that is healthy, or gets so when what is missing is started again, is used as it is.
repair () {
  is_healthy && return
  say 'the lab is not healthy; trying to repair it'
  (start_control_plane && start_node) || return 1
  wait_until 30 is_healthy
}

refuse_if_in_use () {
  in_use || return 0
  die "the lab is in use and is not this checkout's version, or is broken; its users:
$(users)
Wait until they have ended, or take it down with: lab.sh down --force"
}

build_for_up () {
  prepare_images
  build_programs
  ensure_image pause
  pause_image=$reference
  ensure_image sample-app
  unlock_cache
}

bring_up () {
  check_ports
  (umask 077; mkdir -p $state $runtime)
  cp "$lab_dir/supervise.sh" $state/
  step 'certificates' write_certificates
  write_configuration "$pause_image"
  step 'network' prepare_network
  make_cgroups
  start_control_plane
  step 'containerd' wait_until 20 component_healthy containerd
  step 'importing images' import_lab_images
  step 'control plane' wait_until 60 api_ready
  start_node
  step 'system objects' apply_system
  step 'node' wait_until 60 node_ready
  step 'samples' apply_samples
  step 'health' wait_until 30 is_healthy
}

import_lab_images () {
  ensure_image pause
  import_image
  ensure_image sample-app
  import_image
}
