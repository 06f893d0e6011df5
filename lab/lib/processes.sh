# shellcheck shell=bash
# The lab's own programs, each under a supervisor. A variable in their environment marks them as ours: a number in a pid
# file may long belong to somebody else.

marker=EPHEMERA_LAB_COMPONENT

# start NAME PROGRAM ARGUMENT…: does nothing where it runs already.
start () {
  local name=$1; shift
  supervisor_of "$name" > /dev/null && return
  mkdir -p $state/log $runtime/pids
  # Not the caller's locks, terminal, folder or session.
  (
    cd /
    exec 7>&- 8>&- 9>&-
    export "$marker=$name"
    setsid --fork bash $state/supervise.sh "$name" "$@" < /dev/null >> "$state/log/$name.log" 2>&1
  )
  wait_until 5 supervisor_of "$name" || die "cannot start $name"
}

# supervisor_of NAME: prints its pid.
supervisor_of () {
  local pid
  for pid in $(marked_processes "$1"); do
    if tr '\0' ' ' < "/proc/$pid/cmdline" 2> /dev/null | grep -q "^bash $state/supervise.sh $1 "; then
      echo "$pid"
      return
    fi
  done
  return 1
}

# marked_processes [NAME]
marked_processes () {
  { grep -lzs "^$marker=${1:-.*}\$" /proc/[0-9]*/environ || true; } | cut -d / -f 3
}

ended () { [ ! -e "/proc/$1" ]; }

# kill_all COMMAND…: ends the processes that COMMAND lists, until it lists none (one may have started another meanwhile).
kill_all () {
  local pids tries
  for tries in 1 2 3 4 5; do
    mapfile -t pids < <("$@")
    [ ${#pids[@]} -gt 0 ] || return 0
    kill -KILL "${pids[@]}" 2> /dev/null || true
    wait_until 5 none_of "${pids[@]}" || true
  done
  die "processes do not end: ${pids[*]}"
}

none_of () {
  local pid
  for pid in "$@"; do ended "$pid" || return 1; done
}
