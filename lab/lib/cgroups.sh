# shellcheck shell=bash
# All containers live below the cgroup /ephemera-lab, so what is left of them can be found and ended.

cgroup_roots () {
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    echo /sys/fs/cgroup
  else
    findmnt --noheadings --list --types cgroup,cgroup2 --output TARGET
  fi
}

# The kubelet wants its root to exist in every hierarchy (v1), or with every controller switched on (v2).
make_cgroups () {
  local root controller folder
  for root in $(cgroup_roots); do
    mkdir -p "$root/ephemera-lab"
    [ -e "$root/cgroup.controllers" ] || continue
    for controller in cpuset cpu io memory hugetlb pids; do
      for folder in "$root" "$root/ephemera-lab"; do
        echo "+$controller" > "$folder/cgroup.subtree_control" 2> /dev/null || true
      done
    done
  done
}

container_processes () {
  local root
  for root in $(cgroup_roots); do
    find "$root/ephemera-lab" -name cgroup.procs -exec cat {} + 2> /dev/null || true
  done | sort -un
}

remove_cgroups () {
  local root
  for root in $(cgroup_roots); do
    [ ! -d "$root/ephemera-lab" ] || find "$root/ephemera-lab" -depth -type d -exec rmdir {} \;
  done
}
